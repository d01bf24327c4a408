"""Reads an F Prime dictionary: the commands, and the types of their arguments.

Source: the F Prime dictionary specification (JSON, `dictionarySpecVersion` 1.0.0). What a
dictionary leaves out has the defaults of fprime-gds 4.4, `common/utils/config_manager.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sources.base import CommandDictionary
from sources.fprime.types import FLOATS, INTEGERS, Array, Boolean, Enum, Integer, Struct, Text, Type
from sources.values.files import read_json_dictionary
from sources.values.json_fields import Fields
from sources.values.wording import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_DEPTH = 32
"""Maximum depth of types within types."""

MAX_TEXT_BYTES = 65_535

TIME_BASES = {0, 1, 2, 3, 4, 0xFFFF}
"""The time bases of a dictionary without the type `TimeBase`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A formal parameter of a command."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        name: with its component: `cmdDisp.CMD_NO_OP`.
        header: the type of the packet and the opcode, encoded.
        parameters: in order.
    """

    name: str
    header: bytes
    parameters: Sequence[Parameter]

    @property
    def usage(self) -> str:
        """The command with the names of its parameters."""
        return " ".join([self.name, ", ".join(one.name for one in self.parameters)]).strip()


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The commands of a deployment.

    Attributes:
        about: its name and SHA-256.
        commands: by name.
        time_base: the type of the time base in a sequence, and its values.
        time_context: the type of the time context in a sequence.
    """

    about: CommandDictionary
    commands: Mapping[str, Command]
    time_base: tuple[Integer, frozenset[int]]
    time_context: Integer


def read_dictionary(path: Path) -> Dictionary:
    """Read the dictionary of a deployment.

    Raises:
        SourceError: it cannot be read, or is not an F Prime dictionary; with the place in it.
    """
    data, content = read_json_dictionary(path)
    return _Reader(Fields(path.name, content, ": ")).read(path.name, sha256(data).hexdigest())


class _Reader:
    def __init__(self, root: Fields) -> None:
        self._root = root
        self._definitions: dict[str, Fields] = {}
        for definition in root.objects("typeDefinitions", optional=True):
            self._definitions[definition.text("qualifiedName")] = definition
        self._types: dict[str, Type] = {}
        self._open: list[str] = []  # definitions that are being read
        constants = {
            constant.text("qualifiedName"): constant.get("value")
            for constant in root.objects("constants", optional=True)
        }
        true = constants.get("FW_SERIALIZE_TRUE_VALUE", 0xFF)
        false = constants.get("FW_SERIALIZE_FALSE_VALUE", 0)
        for value in (true, false):
            if type(value) is not int or not 0 <= value <= 0xFF:
                raise root.error("constants", "FW_SERIALIZE_… must be a whole number from 0 to 255")
        self._boolean = Boolean(bytes([true]), bytes([false]))
        self._length_code = self._integer("FwSizeStoreType", "U16").code

    def read(self, file: str, digest: str) -> Dictionary:
        opcode = self._integer("FwOpcodeType", "U32")
        packet = self._enum_value("ComCfg.Apid", "FW_PACKET_COMMAND", INTEGERS["U16"].code, 0)
        commands: dict[str, Command] = {}
        for fields in self._root.objects("commands"):
            name = fields.text("name")
            if name in commands:
                raise fields.error("name", f"{name} is a duplicate")
            number = fields.integer("opcode", opcode.low, opcode.high)
            parameters = [
                Parameter(one.text("name"), self._type(one.object("type")))
                for one in fields.objects("formalParams", optional=True)
            ]
            header = packet + struct.pack(opcode.code, number)
            commands[name] = Command(name, header, parameters)
        metadata = self._root.object("metadata", optional=True)
        words = (metadata.get("deploymentName"), metadata.get("projectVersion"))
        about = " ".join([file, *(word[:80] for word in words if isinstance(word, str) and word)])
        return Dictionary(
            CommandDictionary(about, digest),
            commands,
            self._time_base(),
            self._integer("FwTimeContextStoreType", "U8"),
        )

    def _integer(self, name: str, default: str) -> Integer:
        """The integer type that a definition is another name of."""
        if name not in self._definitions:
            return INTEGERS[default]
        found = self._defined(name, self._definitions[name])
        if not isinstance(found, Integer):
            raise self._definitions[name].error("kind", f"{name} must be an integer type")
        return found

    def _enum_value(self, name: str, member: str, default_code: str, default: int) -> bytes:
        if name not in self._definitions:
            return struct.pack(default_code, default)
        found = self._defined(name, self._definitions[name])
        if not isinstance(found, Enum) or member not in found.members:
            raise self._definitions[name].error("enumeratedConstants", f"must contain {member}")
        return found.members[member]

    def _time_base(self) -> tuple[Integer, frozenset[int]]:
        if (fields := self._definitions.get("TimeBase")) is None:
            return INTEGERS["U16"], frozenset(TIME_BASES)
        found = self._defined("TimeBase", fields)
        if not isinstance(found, Enum):
            raise fields.error("kind", "TimeBase must be an enum")
        return self._representation(fields), frozenset(found.numbers)

    def _representation(self, fields: Fields) -> Integer:
        name = fields.object("representationType").text("name")
        if name not in INTEGERS:
            raise fields.error("representationType", f"must be one of {listed(INTEGERS)}")
        return INTEGERS[name]

    def _type(self, fields: Fields) -> Type:
        """The type that a reference to a type names."""
        name = fields.text("name")
        if name in INTEGERS:
            return INTEGERS[name]
        if name in FLOATS:
            return FLOATS[name]
        if name == "bool":
            return self._boolean
        if name == "string":
            return Text(fields.integer("size", 0, MAX_TEXT_BYTES), self._length_code)
        if name not in self._definitions:
            raise fields.error("name", f"the type {name!r} is not in typeDefinitions")
        return self._defined(name, self._definitions[name])

    def _defined(self, name: str, fields: Fields) -> Type:
        if name in self._types:
            return self._types[name]
        if name in self._open:
            raise fields.error("qualifiedName", f"{name} contains itself")
        if len(self._open) == MAX_DEPTH:
            raise fields.error("qualifiedName", f"types are nested deeper than {MAX_DEPTH}")
        self._open.append(name)
        kind = fields.text("kind")
        match kind:
            case "alias":
                found = self._type(fields.object("underlyingType"))
            case "array":
                element = self._type(fields.object("elementType"))
                found = Array(name, element, fields.integer("size", 0, 2**31))
            case "enum":
                found = self._enum(name, fields)
            case "struct":
                found = self._struct(name, fields)
            case _:
                raise fields.error("kind", "must be one of alias, array, enum, struct")
        self._open.pop()
        self._types[name] = found
        return found

    def _enum(self, name: str, fields: Fields) -> Enum:
        representation = self._representation(fields)
        members: dict[str, bytes] = {}
        numbers: dict[int, str] = {}
        for constant in fields.objects("enumeratedConstants"):
            number = constant.integer("value", representation.low, representation.high)
            member = constant.text("name")
            members[member] = struct.pack(representation.code, number)
            numbers.setdefault(number, member)
        return Enum(name, members, numbers)

    def _struct(self, name: str, fields: Fields) -> Struct:
        members: dict[int, tuple[str, Type]] = {}
        for member, about in fields.object("members").items():
            index = about.integer("index", 0, 2**31)
            if index in members:
                raise about.error("index", f"{index} is a duplicate")
            found = self._type(about.object("type"))
            if about.get("size") is not None:
                size = about.integer("size", 0, 2**31)
                found = Array(f"{member}[{size}]", found, size)
            members[index] = (member, found)
        return Struct(name, dict(members[index] for index in sorted(members)))
