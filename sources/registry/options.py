"""The arguments of a factory, from the query of a URL.

The signature of the factory is the only description of its options: their names, their types, and
which of them are required.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote

from sources.registry.errors import Refused, option_text

Factory = Callable[..., object]


def parse_query(query: str) -> dict[str, str]:
    """The options in `a=1&b=two%20words`, percent-decoded; a `+` stays a `+`.

    Raises:
        Refused: an option has no value, or is given twice.
    """
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        name = unquote(name).strip()
        if not equals or not name:
            raise Refused(f"{part}: must be NAME=VALUE")
        if name in options:
            raise Refused(f"{name}: is given twice", "give it once")
        options[name] = unquote(value, errors="surrogateescape")
    return options


def prepare(
    factory: Factory, options: Mapping[str, str], path: str | None = None
) -> Callable[[], object]:
    """A function that calls the factory with the converted arguments.

    Args:
        factory: a class, a function, or any other callable.
        options: its keyword arguments, as text.
        path: its first positional argument, if the URL has one.

    Raises:
        Refused: an option is unknown, missing, or of the wrong type.
    """
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):  # some callables written in C have no signature
        return partial(factory, *([] if path is None else [path]), **options)
    arguments: list[object] = []
    if path is not None:
        if not parameters or parameters[0].kind in (_KEYWORD_ONLY, _ANY_KEYWORD):
            raise Refused("this source takes no path", f"leave out {path!r}")
        arguments.append(_converted(factory, parameters.pop(0), path))
    named = {p.name: p for p in parameters if p.kind in (_EITHER, _KEYWORD_ONLY)}
    takes_any = any(p.kind is _ANY_KEYWORD for p in parameters)
    keywords: dict[str, object] = {}
    for name, text in options.items():
        if name in named:
            keywords[name] = _converted(factory, named[name], text)
        elif takes_any:
            keywords[name] = text
        else:
            known = [name for name, p in named.items() if _forms(_annotation(factory, p))]
            raise Refused(f"{option_text(name, text)}: no such option", _known_options(name, known))
    missing = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (_ANY, _ANY_KEYWORD) and p.name not in keywords
    ]
    if missing:
        options_text = "&".join(f"{name}=…" for name in missing)
        raise Refused(f"{', '.join(missing)}: must be given", f"add ?{options_text}")
    return partial(factory, *arguments, **keywords)


_ANY = inspect.Parameter.VAR_POSITIONAL
_ANY_KEYWORD = inspect.Parameter.VAR_KEYWORD
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True)
class _Form:
    """One type that a text can be converted to: its name for people, and the conversion."""

    noun: str
    read: Callable[[str], object]  # raises ValueError


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ValueError(text)
    return word in {"true", "1", "yes", "on"}


def _nothing(text: str) -> None:
    if text.lower() not in {"", "none"}:
        raise ValueError(text)


def _one_of(choices: Mapping[str, object]) -> _Form:
    def read(text: str) -> object:
        if text not in choices:
            raise ValueError(text)
        return choices[text]

    return _Form(f"one of {', '.join(choices)}", read)


_TEXT = _Form("a text", str)
_SIMPLE: Mapping[object, _Form] = {
    inspect.Parameter.empty: _TEXT,
    Any: _TEXT,
    object: _TEXT,
    str: _TEXT,
    bool: _Form("true or false", _flag),
    int: _Form("a whole number", int),
    float: _Form("a number", float),
    Path: _Form("a path", Path),
}


def _forms(hint: object) -> list[_Form]:
    """The types that an annotation allows; none if no text can be converted to it."""
    if get_origin(hint) is Annotated:
        return _forms(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return [_one_of({str(choice): choice for choice in get_args(hint)})]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [_one_of({str(member.value): member for member in hint})]
    if get_origin(hint) in (Union, UnionType):
        members = get_args(hint)
        forms = [form for member in members for form in _forms(member)]
        forms.sort(key=lambda form: form is _TEXT)  # any text fits, so try it last
        return [_Form("nothing", _nothing), *forms] if forms and NoneType in members else forms
    try:
        return [_SIMPLE[hint]]
    except (KeyError, TypeError):  # TypeError: not hashable
        return []


def _converted(factory: Factory, parameter: inspect.Parameter, text: str) -> object:
    forms = _forms(_annotation(factory, parameter))
    if not forms:
        raise Refused(f"{option_text(parameter.name, text)}: cannot be set in a URL")
    for form in forms:
        try:
            return form.read(text)
        except ValueError:
            continue
    nouns = " or ".join(form.noun for form in forms if form.read is not _nothing)
    raise Refused(f"{option_text(parameter.name, text)}: must be {nouns}")


def _known_options(name: str, known: Sequence[str]) -> str:
    """The hint for an unknown option."""
    if not known:
        return "this source has no options"
    near = difflib.get_close_matches(name, known, n=1)
    options = f"the options are {', '.join(known)}"
    return f"did you mean {near[0]}? {options}" if near else options


def _annotation(factory: Factory, parameter: inspect.Parameter) -> object:
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
