"""The check of the commands of a sequence against a dictionary.

It is the JSON dictionary of F Prime, or the same in short:

    {"commands": [{"name": "DRIVE", "args": [{"name": "m", "type": "number", "max": 50}]}]}

Source: the F Prime dictionary specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sources.seqjson.faults import Fault
from sources.seqjson.parameters import KINDS, Types, name_field, read_parameters
from sources.values.floats import exact
from sources.values.json_fields import Fields
from sources.values.wording import Suggestions, listed, quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sources.seqjson.parameters import Parameter
    from sources.values.json_text import Pointer

LISTS = ("steps", "immediate_commands", "hardware_commands")
"""The properties of a sequence that hold commands."""


class Commands:
    """The commands of a dictionary.

    Args:
        place: name of its file, for errors.
        content: of the file.

    Raises:
        SourceError: it is not a dictionary, with the place in it.
    """

    def __init__(self, place: str, content: Any) -> None:
        root = Fields(place, content, ": ")
        if root.get("metadata") is None:  # which each dictionary of F Prime has
            root.check_known(("commands", "typeDefinitions", "description"))
        types = Types(root)
        self._commands: dict[str, Sequence[Parameter]] = {}
        for fields in root.objects("commands"):
            name = fields.text(name_field(fields))
            if name in self._commands:
                raise fields.error("name", f"{name} is a duplicate")
            self._commands[name] = read_parameters(fields, types)

    def faults(self, content: Any) -> Iterator[Fault]:
        """Yield the faults of the commands of a sequence, which need not fit its schema."""
        suggestions = Suggestions(self._commands)
        for pointer, step in commands_of(content):
            stem = step["stem"]
            if stem not in self._commands:
                hint = suggestions.hint(stem)
                message = f"unknown command {quoted(stem)}"
                yield Fault("command.unknown", message, (*pointer, "stem"), hint)
                continue
            args = step.get("args", [])
            if isinstance(args, list):
                yield from _argument_faults(stem, self._commands[stem], args, (*pointer, "args"))


def _argument_faults(
    taker: str, parameters: Sequence[Parameter], args: list[Any], pointer: Pointer
) -> Iterator[Fault]:
    """Yield the faults of the arguments of a command, or of one repetition of an argument."""
    usage = f"the arguments are {listed(one.name for one in parameters) or 'none'}"
    if len(args) != len(parameters):
        plural = "" if len(parameters) == 1 else "s"
        message = f"{taker} takes {len(parameters)} argument{plural}, not {len(args)}"
        is_missing = len(args) < len(parameters)
        code = "argument.missing" if is_missing else "argument.extra"
        place = pointer if is_missing or not pointer else (*pointer, len(parameters))
        yield Fault(code, message, place, usage)
    for index, (parameter, argument) in enumerate(zip(parameters, args, strict=False)):
        if not isinstance(argument, dict):
            continue
        name = argument.get("name")
        if isinstance(name, str) and name != parameter.name:
            message = f"argument {index + 1} of {taker} is {parameter.name}, not {quoted(name)}"
            yield Fault("argument.name", message, (*pointer, index, "name"), usage)
            continue  # its value may be right for the argument of that name
        yield from _value_faults(parameter, argument, (*pointer, index))


def _value_faults(
    parameter: Parameter, argument: dict[str, Any], pointer: Pointer
) -> Iterator[Fault]:
    """Yield the faults of the value of an argument."""
    kind, value = argument.get("type"), argument.get("value")
    if not isinstance(kind, str) or (kind == "symbol" and parameter.kind != "enum"):
        return  # the schema reports it, or it is a variable, whose value is known on board
    if kind not in KINDS[parameter.kind]:
        kinds = " or ".join(KINDS[parameter.kind])
        message = f"{parameter.name} must be of the type {kinds}, not {quoted(kind)}"
        yield Fault("argument.type", message, (*pointer, "type"))
        return
    place = (*pointer, "value")
    if kind == "hex" and isinstance(value, str):
        try:
            value = int(value[:40], 16)
        except ValueError:
            return
    if isinstance(value, bool):
        return
    if isinstance(value, list):
        for index, group in enumerate(value):
            if parameter.parameters is not None and isinstance(group, list):
                yield from _argument_faults(
                    parameter.name, parameter.parameters, group, (*place, index)
                )
        return
    if isinstance(value, int | float):
        if parameter.kind == "integer" and value != int(value):
            yield Fault("argument.type", f"{parameter.name} must be a whole number", place)
        low, high = parameter.low, parameter.high
        if (low is not None and value < low) or (high is not None and value > high):
            limits = [f"at least {exact(low)}"] if low is not None else []
            limits += [f"at most {exact(high)}"] if high is not None else []
            message = f"{parameter.name} must be {' and '.join(limits)}, not {value!r:.40}"
            yield Fault("argument.range", message, place)
    elif isinstance(value, str):
        if parameter.members and value not in parameter.members:
            message = f"{parameter.name} must be one of {listed(parameter.members)}"
            message += f", not {quoted(value)}"
            yield Fault("argument.member", message, place, suggestion(value, parameter.members))
        size = len(value.encode(errors="surrogatepass"))
        if parameter.max_bytes is not None and size > parameter.max_bytes:
            message = (
                f"{parameter.name} must have at most {parameter.max_bytes} bytes, not {size:,}"
            )
            yield Fault("argument.length", message, place)


def commands_of(content: Any) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """Yield the commands of a sequence with their pointers; also of one that fits no schema."""
    if not isinstance(content, dict):
        return
    groups: list[tuple[Pointer, Any]] = [((name,), content.get(name)) for name in LISTS]
    requests = content.get("requests")
    for index, request in enumerate(requests if isinstance(requests, list) else []):
        if isinstance(request, dict):
            groups.append((("requests", index, "steps"), request.get("steps")))
    for pointer, steps in groups:
        for index, step in enumerate(steps if isinstance(steps, list) else []):
            is_command = isinstance(step, dict) and step.get("type", "command") == "command"
            if is_command and isinstance(step.get("stem"), str):
                yield (*pointer, index), step
