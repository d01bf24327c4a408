"""Reads the commands of an XTCE database, with their inherited arguments.

Source: OMG XTCE 1.2, `MetaCommandSet` (formal/18-10-04).
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sources.base import CommandDictionary
from sources.values.files import read_dictionary_file
from sources.values.wording import quoted
from sources.xtce.elements import MAX_DEPTH, Element, parse_xml
from sources.xtce.notes import NO_NOTES, Notes, read_notes
from sources.xtce.read_types import read_type
from sources.xtce.types import Type, Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command.

    Attributes:
        name: of the argument.
        type: of its values.
        initial: its value if none is given; `None` if it must be given.
    """

    name: str
    type: Type
    initial: Any = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its inherited arguments.

    Attributes:
        name: with its space systems: `/Rover/Mobility/DRIVE`.
        is_abstract: whether only commands that inherit from it can be sent.
        arguments: in order, by name, those of the base command first.
        assigned: the values that the command itself gives to arguments.
        notes: about its use.
    """

    name: str
    is_abstract: bool
    arguments: Mapping[str, Argument]
    assigned: Mapping[str, Any]
    notes: Notes

    @property
    def usage(self) -> str:
        """The command with the names of the arguments that are not assigned."""
        names = [name for name in self.arguments if name not in self.assigned]
        return f"{self.name}({', '.join(names)})"


@dataclass(frozen=True, slots=True)
class Database:
    """The commands of a database.

    Attributes:
        about: its name and SHA-256.
        commands: by name with its space systems.
        short_names: of those that can be sent, the full names by the last part.
    """

    about: CommandDictionary
    commands: Mapping[str, Command]
    short_names: Mapping[str, tuple[str, ...]]

    def find(self, name: str) -> Command | tuple[str, ...]:
        """The command of a full or short name; the full names if several or none have it."""
        full = name if name.startswith("/") else f"/{name}"
        if full in self.commands:
            return self.commands[full]
        known = self.short_names.get(name, ())
        return self.commands[known[0]] if len(known) == 1 else known


def read_database(path: Path) -> Database:
    """Read a database.

    Raises:
        SourceError: it cannot be read, or is not an XTCE database; with the line in it.
    """
    data = read_dictionary_file(path)
    root = parse_xml(path.name, data)
    if root.tag != "SpaceSystem":
        raise root.error("must be a SpaceSystem")
    commands = _Reader(root).commands()
    if not commands:
        raise root.error("has no MetaCommand")
    short: dict[str, tuple[str, ...]] = {}
    for name in commands:
        last = posixpath.basename(name)
        short[last] = (*short.get(last, ()), name)
    about = f"{path.name} {root.get('name')[:80]}".strip()
    return Database(CommandDictionary(about, sha256(data).hexdigest()), commands, short)


class _Reader:
    def __init__(self, root: Element) -> None:
        self._types: dict[str, Element] = {}
        self._elements: dict[str, Element] = {}
        self._read_types: dict[str, Type] = {}
        self._commands: dict[str, Command] = {}
        self._collect(root, "", 0)

    def commands(self) -> Mapping[str, Command]:
        """The commands by full name."""
        for name in self._elements:
            self._command(name, ())
        return self._commands

    def _collect(self, system: Element, parent: str, depth: int) -> None:
        if depth == MAX_DEPTH:
            raise system.error(f"space systems are nested deeper than {MAX_DEPTH}")
        path = f"{parent}/{system.required('name')}"
        for meta in system.children("CommandMetaData"):
            for type_ in meta.at("ArgumentTypeSet"):
                for one in type_.children():
                    self._add(self._types, path, one)
            for commands in meta.at("MetaCommandSet"):
                for one in commands.children("MetaCommand"):
                    self._add(self._elements, path, one)
        for child in system.children("SpaceSystem"):
            self._collect(child, path, depth + 1)

    @staticmethod
    def _add(into: dict[str, Element], path: str, element: Element) -> None:
        name = f"{path}/{element.required('name')}"
        if name in into:
            raise element.error(f"{name} is a duplicate")
        into[name] = element

    def _command(self, name: str, heirs: tuple[str, ...]) -> Command:
        if name in self._commands:
            return self._commands[name]
        element = self._elements[name]
        if name in heirs or len(heirs) == MAX_DEPTH:
            raise element.error(f"{name} inherits from itself, or from too many commands")
        arguments: dict[str, Argument] = {}
        assigned: dict[str, Any] = {}
        notes = NO_NOTES
        for base in element.children("BaseMetaCommand"):
            found = _resolve(base.required("metaCommandRef"), name, self._elements)
            if found is None:
                raise base.error(f"unknown command {quoted(base.get('metaCommandRef'))}")
            parent = self._command(found, (*heirs, name))
            arguments |= parent.arguments
            assigned |= parent.assigned
            notes = parent.notes
            for one in base.at("ArgumentAssignmentList", "ArgumentAssignment"):
                key = one.required("argumentName")
                if key not in arguments:
                    raise one.error(f"{found} has no argument {quoted(key)}")
                assigned[key] = _value(one, arguments[key].type, one.get("argumentValue"))
        for one in element.at("ArgumentList", "Argument"):
            argument = self._argument(one, name)
            if argument.name in arguments:
                raise one.error(f"{argument.name} is a duplicate")
            arguments[argument.name] = argument
        is_abstract = element.get("abstract").strip() in ("true", "1")
        notes = read_notes(element, notes)
        self._commands[name] = command = Command(name, is_abstract, arguments, assigned, notes)
        return command

    def _argument(self, element: Element, command: str) -> Argument:
        reference = element.required("argumentTypeRef")
        found = _resolve(reference, command, self._types)
        if found is None:
            raise element.error(f"unknown argument type {quoted(reference)}")
        type_ = self._type(found, ())
        inherited = self._type_element(found, ()).get("initialValue")
        initial = element.get("initialValue") or inherited
        value = _value(element, type_, initial) if initial else None
        return Argument(element.required("name"), type_, value)

    def _type(self, name: str, users: tuple[str, ...]) -> Type:
        if name not in self._read_types:
            element = self._type_element(name, users)

            def part(reference: str) -> Type:
                found = _resolve(reference, name, self._types)
                if found is None:
                    raise element.error(f"unknown argument type {quoted(reference)}")
                return self._type(found, (*users, name))

            self._read_types[name] = read_type(element, part)
        return self._read_types[name]

    def _type_element(self, name: str, users: tuple[str, ...]) -> Element:
        """The element of a type, merged with that of its base type."""
        element = self._types[name]
        if name in users or len(users) == MAX_DEPTH:
            raise element.error(f"{name} contains itself, or too many types")
        if not (base := element.get("baseType")):
            return element
        found = _resolve(base, name, self._types)
        if found is None:
            raise element.error(f"unknown argument type {quoted(base)}")
        return element.inheriting(self._type_element(found, (*users, name)))


def _resolve(reference: str, user: str, known: Mapping[str, Element]) -> str | None:
    """The full name that a reference means, from the space system of its user upwards."""
    if reference.startswith("/"):
        return reference if reference in known else None
    system = posixpath.dirname(user)
    while True:
        name = posixpath.normpath(posixpath.join(system, reference))
        if name in known:
            return name
        if system == "/":
            return None
        system = posixpath.dirname(system)


def _value(element: Element, type_: Type, text: str) -> Any:
    """A value in the database itself."""
    try:
        return type_.read(json.loads(text) if text[:1] in ("{", "[") else text)
    except (Wrong, ValueError, RecursionError) as exc:
        raise element.error(str(exc)) from exc
