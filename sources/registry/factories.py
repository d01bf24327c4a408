"""Imports the factory of a source."""

from __future__ import annotations

import difflib
import importlib
import re
from functools import reduce
from typing import TYPE_CHECKING

from sources.registry.errors import Refused
from sources.registry.schemes import SETTINGS
from sources.rules.describe import describe

if TYPE_CHECKING:
    from sources.base import SourceKind
    from sources.registry.annotations import Factory
    from sources.registry.schemes import Scheme, Schemes


def import_scheme(scheme: Scheme) -> Factory:
    """The factory of a scheme.

    Raises:
        Refused: the factory cannot be imported.
    """
    module, _, attribute = scheme.factory.partition(":")
    try:
        return _import(module, attribute)
    except ImportError as error:
        raise missing_module(error, scheme.extra) from error


def import_own(schemes: Schemes, kind: SourceKind, head: str, rest: str) -> Factory:
    """The factory of a URL that starts with no known scheme: `rest` in the module `head`.

    Raises:
        Refused: the factory cannot be imported; `head` may also be a misspelt scheme.
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
            raise schemes.unknown(kind, head, f"the module {head!r} does not exist") from None
        raise Refused(
            f"the module {error.name!r} does not exist",
            "Python looks in the working directory (under `python -m rover` or `uvicorn`), in"
            " PYTHONPATH and in the installed packages",
        ) from None
    except ImportError as error:
        raise missing_module(error, "") from error


def _import(module: str, attribute: str) -> Factory:
    """The callable with that name.

    Raises:
        ImportError: the module, or one that it imports, is not installed.
        Refused: the module raises another error, or has no such callable.
    """
    try:
        holder = importlib.import_module(module)
    except (ImportError, KeyboardInterrupt):
        raise
    except BaseException as error:  # any exception, SystemExit included: the code is not ours
        raise Refused(f"importing {module} failed with {describe(error)}") from error
    if not attribute:
        raise Refused(f"{module}: must be followed by a factory", f"write {module}:factory")
    try:
        found: object = reduce(getattr, attribute.split("."), holder)
    except AttributeError:
        near = difflib.get_close_matches(attribute, vars(holder), n=1)
        raise Refused(
            f"the module {module} has no {attribute!r}", f"did you mean {near[0]}?" if near else ""
        ) from None
    if not callable(found):
        raise Refused(
            f"{module}:{attribute} is a {type(found).__name__}, which cannot be called",
            "name a class or a function that returns the source",
        )
    return found


def missing_module(error: ImportError, extra: str) -> Refused:
    """The error for a source with an import that is not installed."""
    if extra:
        return Refused(
            f"an optional dependency is not installed: {error}",
            f"pip install 'cosmic-rover[{extra}]'",
        )
    return Refused(
        f"importing the source failed with {describe(error)}", "install the missing package"
    )
