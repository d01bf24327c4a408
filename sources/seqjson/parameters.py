"""The parameters of the commands of a dictionary, in the form of F Prime or in short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sources.values.floats import HIGHEST_ROUNDED_F32
from sources.values.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sources.values.json_fields import Fields

KINDS: Mapping[str, tuple[str, ...]] = {
    "number": ("number",),
    "integer": ("number", "hex"),
    "boolean": ("boolean",),
    "string": ("string",),
    "enum": ("symbol", "string"),
    "repeat": ("repeat",),
}
"""The types of seq-json arguments for each kind of parameter."""

PARAMETER_FIELDS = ("name", "type", "description")
"""The fields of each parameter in short."""

LIMITS: Mapping[str, tuple[str, ...]] = {
    "number": ("min", "max"),
    "integer": ("min", "max"),
    "boolean": (),
    "string": ("max_bytes", "values"),
    "enum": ("values",),
    "repeat": ("args",),
}
"""The other fields of a parameter in short, by its kind."""

MAX_DEPTH = 32

BITS = {f"{sign}{bits}": bits for sign in "IU" for bits in (8, 16, 32, 64)}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a command.

    Attributes:
        name: of the parameter.
        kind: a key of `KINDS`.
        low: lowest number.
        high: highest number.
        members: of an enum, or the texts of a string; empty for any text.
        max_bytes: maximum size of a text.
        parameters: of each repetition of a `repeat`; `None` if unknown.
    """

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    members: Sequence[str] = ()
    max_bytes: int | None = None
    parameters: Sequence[Parameter] | None = None


class Types:
    """The types that a dictionary of F Prime defines.

    Args:
        root: the dictionary.

    Raises:
        SourceError: they cannot be read.
    """

    def __init__(self, root: Fields) -> None:
        self._definitions = {
            one.text("qualifiedName"): one for one in root.objects("typeDefinitions", optional=True)
        }

    def parameter(self, name: str, type_: Fields, depth: int = 0) -> Parameter:
        """A parameter of a type.

        Raises:
            SourceError: the type is not known.
        """
        type_name = type_.text("name")
        if type_name in BITS:
            bits = BITS[type_name]
            if type_name.startswith("I"):
                return Parameter(name, "integer", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            return Parameter(name, "integer", 0, 2**bits - 1)
        if type_name in ("F32", "F64"):
            highest = HIGHEST_ROUNDED_F32 if type_name == "F32" else None
            return Parameter(name, "number", None if highest is None else -highest, highest)
        if type_name == "bool":
            return Parameter(name, "boolean")
        if type_name == "string":
            return Parameter(name, "string", max_bytes=type_.integer("size", 0, 65_535))
        definition = self._definitions.get(type_name)
        if definition is None or depth == MAX_DEPTH:
            raise type_.error("name", f"the type {type_name!r} is not in typeDefinitions")
        match definition.text("kind"):
            case "alias":
                return self.parameter(name, definition.object("underlyingType"), depth + 1)
            case "enum":
                constants = definition.objects("enumeratedConstants")
                return Parameter(name, "enum", members=[one.text("name") for one in constants])
            case _:
                return Parameter(name, "repeat")


def read_parameters(command: Fields, types: Types) -> list[Parameter]:
    """The parameters of a command.

    A command with `formalParams` has the form of F Prime, which has fields that do not matter here.
    A command in short has none that is not checked.

    Raises:
        SourceError: they cannot be read, or have an unknown field.
    """
    if command.get("formalParams") is not None:
        if command.get("args") is not None:
            raise command.error("args", "is there beside formalParams; delete one of both")
        params = command.objects("formalParams")
        return _distinct(
            (one, types.parameter(one.text("name"), one.object("type"))) for one in params
        )
    command.check_known((name_field(command), "args", "description"))
    args = command.objects("args", optional=True)
    return _distinct((one, _read(one, types, 0)) for one in args)


def _distinct(found: Iterable[tuple[Fields, Parameter]]) -> list[Parameter]:
    """The parameters, each of which has a name of its own.

    Raises:
        SourceError: two have the same name.
    """
    parameters: dict[str, Parameter] = {}
    for fields, parameter in found:
        if parameter.name in parameters:
            raise fields.error("name", f"{quoted(parameter.name)} is a duplicate")
        parameters[parameter.name] = parameter
    return list(parameters.values())


def name_field(command: Fields) -> str:
    """The field with the name of a command."""
    return "stem" if command.get("stem") is not None else "name"


def _read(fields: Fields, types: Types, depth: int) -> Parameter:
    name = fields.text("name")
    if not isinstance(fields.get("type"), str):
        fields.check_known(PARAMETER_FIELDS)
        return types.parameter(name, fields.object("type"))
    kind = fields.text("type")
    if kind not in KINDS:
        raise fields.error("type", f"must be one of {listed(KINDS)}")
    fields.check_known((*PARAMETER_FIELDS, *LIMITS[kind]))
    low, high = (fields.number(key, whole=kind == "integer") for key in ("min", "max"))
    if low is not None and high is not None and low > high:
        raise fields.error("max", f"must be at least min, {low!r:.40}, not {high!r:.40}")
    members = fields.texts("values")
    if kind == "enum" and not members:
        raise fields.error("values", "must list the members of the enum")
    repeated = None
    if fields.get("args") is not None:
        if depth == MAX_DEPTH:
            raise fields.error("args", f"is nested deeper than {MAX_DEPTH}, the limit")
        repeated = _distinct((one, _read(one, types, depth + 1)) for one in fields.objects("args"))
    max_bytes = fields.number("max_bytes", whole=True, low=1)
    return Parameter(name, kind, low, high, members, max_bytes, repeated)
