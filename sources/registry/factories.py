"""Imports what makes a source."""

from __future__ import annotations

import difflib
import importlib
import re
from functools import reduce
from typing import TYPE_CHECKING

from sources.registry.errors import Refused
from sources.registry.schemes import SETTINGS

if TYPE_CHECKING:
    from sources.base import SourceKind
    from sources.registry.options import Factory
    from sources.registry.schemes import Scheme, Schemes


def import_scheme(scheme: Scheme) -> Factory:
    """The scheme's factory.

    Raises:
        Refused: it cannot be imported.
    """
    module, _, attribute = scheme.factory.partition(":")
    try:
        return _import(module, attribute)
    except ImportError as error:
        raise missing_module(error, scheme.extra) from error


def import_own(schemes: Schemes, kind: SourceKind, head: str, rest: str) -> Factory:
    """The callable `rest` of the module `head`.

    Raises:
        Refused: there is none; the text also thinks of a misspelt scheme.
    """
    if others := schemes.kinds(head.lower()):
        settings = " and ".join(SETTINGS[other] for other in others)
        raise Refused(
            schemes.unknown(kind, head).reason, f"{head.lower()}: is a scheme of {settings}"
        )
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", head):
        raise schemes.unknown(kind, head)
    try:
        return _import(head, rest)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{head}.".startswith(f"{error.name}."):
            raise missing_module(error, "") from error
        if "." not in head:
            raise schemes.unknown(kind, head, f"there is no module {head!r}") from None
        raise Refused(
            f"there is no module {error.name!r}",
            "it is looked for where Python looks for any: the working directory under"
            " `python -m rover` or `uvicorn`, what is installed, and PYTHONPATH",
        ) from None
    except ImportError as error:
        raise missing_module(error, "") from error


def _import(module: str, attribute: str) -> Factory:
    """The callable of that name.

    Raises:
        ImportError: the module, or one that it imports, is not there.
        Refused: it fails in another way, or has no such callable.
    """
    try:
        holder = importlib.import_module(module)
    except ImportError:
        raise
    except Exception as error:  # a stranger's code, run once at start: named and chained
        raise Refused(f"importing {module} failed with {named_error(error)}") from error
    if not attribute:
        raise Refused(f"no factory follows {module}:", f"write {module}:factory")
    try:
        found: object = reduce(getattr, attribute.split("."), holder)
    except AttributeError:
        near = difflib.get_close_matches(attribute, vars(holder), n=1)
        raise Refused(
            f"the module {module} has no {attribute!r}", f"did you mean {near[0]}?" if near else ""
        ) from None
    if not callable(found):
        raise Refused(
            f"{module}:{attribute} is a {type(found).__name__} and cannot be called",
            "name a class or a function that returns the source",
        )
    return found


def missing_module(error: ImportError, extra: str) -> Refused:
    """The refusal of a source whose imports are not all installed."""
    if extra:
        return Refused(
            f"it needs what is not installed: {error}", f"pip install 'cosmic-rover[{extra}]'"
        )
    return Refused(f"importing it failed with {named_error(error)}", "install what it imports")


def named_error(error: Exception) -> str:
    """The error's type and text."""
    return f"{type(error).__name__}: {error}"
