"""The arguments of a factory, from the query of a URL.

The signature of the factory is the only description of its options: their names, their types, and
which of them are required.
"""

from __future__ import annotations

import difflib
import inspect
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sources.registry.annotations import annotation_of, converters
from sources.registry.errors import Refused, option_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sources.registry.annotations import Factory


REPEATED = "arg"
"""The option that may be given several times. Its values are separated by NUL characters."""


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
        if name in options and name != REPEATED:
            raise Refused(f"{name}: is given twice", "give it once")
        text = unquote(value, errors="surrogateescape")
        options[name] = f"{options[name]}\0{text}" if name in options else text
    return options


def prepare(
    factory: Factory,
    options: Mapping[str, str],
    path: str | None = None,
    folder: Path | None = None,
) -> Callable[[], object]:
    """A function that calls the factory with the converted arguments.

    Args:
        factory: a class, a function, or any other callable.
        options: its keyword arguments, as text.
        path: its first positional argument, if the URL has one.
        folder: relative paths start there; `None` for the current folder.

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
        arguments.append(_converted(factory, parameters.pop(0), path, folder))
    named = {p.name: p for p in parameters if p.kind in (_EITHER, _KEYWORD_ONLY)}
    takes_any = any(p.kind is _ANY_KEYWORD for p in parameters)
    keywords: dict[str, object] = {}
    for name, text in options.items():
        if name in named:
            keywords[name] = _converted(factory, named[name], text, folder)
        elif takes_any:
            keywords[name] = text
        else:
            known = [name for name, p in named.items() if converters(annotation_of(factory, p))]
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


def _converted(
    factory: Factory, parameter: inspect.Parameter, text: str, folder: Path | None
) -> object:
    found = converters(annotation_of(factory, parameter))
    if not found:
        raise Refused(f"{option_text(parameter.name, text)}: cannot be set in a URL")
    for converter in found:
        try:
            value = converter.convert(text)
        except ValueError:
            continue
        return folder / value if folder is not None and isinstance(value, Path) else value
    nouns = " or ".join(converter.noun for converter in found if converter.noun)
    raise Refused(f"{option_text(parameter.name, text)}: must be {nouns}")


def _known_options(name: str, known: Sequence[str]) -> str:
    """The hint for an unknown option."""
    if not known:
        return "this source has no options"
    near = difflib.get_close_matches(name, known, n=1)
    options = f"the options are {', '.join(known)}"
    return f"did you mean {near[0]}? {options}" if near else options
