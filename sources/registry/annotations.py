"""The types that annotations allow, and the conversion of texts to them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Factory = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts a text to one type.

    Attributes:
        noun: the type, for errors; empty for `None`, which is not suggested.
        convert: raises `ValueError` for other texts.
    """

    noun: str
    convert: Callable[[str], object]


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ValueError(text)
    return word in {"true", "1", "yes", "on"}


def _nothing(text: str) -> None:
    if text.lower() not in {"", "none"}:
        raise ValueError(text)


def _one_of(choices: Mapping[str, object]) -> Converter:
    def convert(text: str) -> object:
        if text not in choices:
            raise ValueError(text)
        return choices[text]

    return Converter(f"one of {', '.join(choices)}", convert)


_NONE = Converter("", _nothing)
_TEXT = Converter("a text", str)
_SIMPLE: Mapping[object, Converter] = {
    inspect.Parameter.empty: _TEXT,
    Any: _TEXT,
    object: _TEXT,
    str: _TEXT,
    bool: Converter("true or false", _flag),
    int: Converter("a whole number", int),
    float: Converter("a number", float),
    Path: Converter("a path", Path),
}


def converters(annotation: object) -> list[Converter]:
    """The converters to the types of an annotation; none if no text can be converted to it."""
    if get_origin(annotation) is Annotated:
        return converters(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return [_one_of({str(choice): choice for choice in get_args(annotation)})]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [_one_of({str(member.value): member for member in annotation})]
    if get_origin(annotation) in (Union, UnionType):
        members = get_args(annotation)
        found = [converter for member in members for converter in converters(member)]
        found.sort(key=lambda converter: converter is _TEXT)  # any text fits, so try it last
        return [_NONE, *found] if found and NoneType in members else found
    try:
        return [_SIMPLE[annotation]]
    except (KeyError, TypeError):  # TypeError: not hashable
        return []


def annotation_of(factory: Factory, parameter: inspect.Parameter) -> object:
    """The resolved annotation of the parameter; `None` if it cannot be resolved.

    Each annotation is resolved by itself, unlike in `get_type_hints(factory)`: the `Callable` of an
    injected clock, imported only under `TYPE_CHECKING`, would break those of all options.
    """
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    one = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        # add `Path`, as linters move its import under TYPE_CHECKING
        hints = get_type_hints(one, globalns={"Path": Path, **_namespace(factory)})
    except NameError:
        return None
    return hints["it"]


def _namespace(factory: Factory) -> dict[str, Any]:
    """The global names of the module that defines the factory."""
    while isinstance(factory, partial):
        factory = factory.func
    if isinstance(factory, type):
        code: object = inspect.getattr_static(factory, "__init__")
    elif inspect.isroutine(factory):
        code = inspect.unwrap(factory)
    else:
        code = type(factory).__call__
    names = getattr(code, "__globals__", None)  # a slot wrapper has none
    return names if names is not None else vars(sys.modules[factory.__module__])
