"""Commands of an XTCE database (`xtce:`)."""

from sources.xtce.validator import XtceValidator

__all__ = ["XtceValidator"]
