"""Notes about the use of a command in an XTCE database, which a file cannot show.

Source: OMG XTCE 1.2: `DefaultSignificance`, `TransmissionConstraintList`, `VerifierSet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sources.base import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sources.xtce.elements import Element

LEVELS: Mapping[str, Severity] = {
    "watch": Severity.INFO,
    "warning": Severity.WARNING,
    "distress": Severity.WARNING,
    "critical": Severity.WARNING,
    "severe": Severity.WARNING,
}
"""The levels of consequence, and the severity of their findings."""

OPERATORS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥"}

MAX_CHARACTERS = 200
"""Maximum length of a condition or a reason."""


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes about a command; texts are for people.

    Attributes:
        level: of consequence; empty if it has none.
        reason: for the level; may be empty.
        constraints: the conditions on telemetry that must be true when it is sent.
        verifiers: by stage, such as `Accepted`, how the machine confirms it.
    """

    level: str
    reason: str
    constraints: tuple[str, ...]
    verifiers: Mapping[str, str]

    def findings(self, command: str) -> Iterator[tuple[Severity, str, str]]:
        """Yield the severity, the code and the message of each note.

        Args:
            command: its name.
        """
        if self.level in LEVELS:
            reason = f": {self.reason}" if self.reason else ""
            message = f"{command} has the significance {self.level!r}{reason}"
            yield LEVELS[self.level], "command.significance", message
        for condition in self.constraints:
            message = f"not checked: {command} may be sent only while {condition}"
            yield Severity.INFO, "command.constraint", message
        if self.verifiers:
            stages = "; ".join(f"{stage}: {how}" for stage, how in self.verifiers.items())
            yield (
                Severity.INFO,
                "command.verifiers",
                f"not checked: {command} is verified by {stages}",
            )


NO_NOTES = Notes("", "", (), {})


def read_notes(element: Element, base: Notes) -> Notes:
    """The notes about a `MetaCommand`, with those that it inherits.

    A verifier replaces that of the same stage in the base command. Constraints are added.
    """
    level, reason = base.level, base.reason
    for one in element.children("DefaultSignificance"):
        level = one.get("consequenceLevel", "none").strip().lower()
        reason = one.get("reasonForWarning").strip()[:MAX_CHARACTERS]
    constraints = [
        _conditions(one)
        for one in element.at("TransmissionConstraintList", "TransmissionConstraint")
    ]
    verifiers = {
        one.tag.removesuffix("Verifier"): _conditions(one) + _window(one)
        for set_ in element.children("VerifierSet")
        for one in set_.children()
        if one.tag.endswith("Verifier")
    }
    return Notes(level, reason, (*base.constraints, *constraints), {**base.verifiers, **verifiers})


def _conditions(element: Element) -> str:
    """The condition in an element, for people."""
    found = " and ".join(text for child in element.children() if (text := _condition(child)))
    if len(found) > MAX_CHARACTERS:
        found = f"{found[: MAX_CHARACTERS - 1]}…"
    return found or "a condition in the database is true"


def _condition(element: Element) -> str:
    """A condition; empty if the element is none."""
    match element.tag:
        case "Comparison":
            operator = element.get("comparisonOperator", "==")
            return _compared(element.get("parameterRef"), operator, element.get("value"))
        case "Condition":
            operands = [one.get("parameterRef") for one in element.children("ParameterInstanceRef")]
            values = [one.text for one in element.children("Value")]
            operator = "".join(one.text for one in element.children("ComparisonOperator"))
            left, right = [*operands, *values, "", ""][:2]
            return _compared(left, operator, right)
        case "ComparisonList" | "BooleanExpression" | "ANDedConditions":
            return " and ".join(filter(None, map(_condition, element.children())))
        case "ORedConditions":
            return f"({' or '.join(filter(None, map(_condition, element.children())))})"
        case "ContainerRef":
            return f"the container {element.get('containerRef')} has arrived"
        case "ParameterValueChange":
            names = [one.get("parameterRef") for one in element.children("ParameterRef")]
            changes = [one.get("value") for one in element.children("Change")]
            return f"{' '.join(names)} has changed by {' '.join(changes)}"
        case "CustomAlgorithm" | "InputAlgorithm":
            return f"the algorithm {element.get('name')} returns true"
        case _:
            return ""


def _compared(left: str, operator: str, right: str) -> str:
    return f"{left} {OPERATORS.get(operator, operator)} {right}"


def _window(element: Element) -> str:
    """The time in which a verifier must succeed, in the form of the database (ISO 8601)."""
    for window in element.children("CheckWindow"):
        if stop := window.get("timeToStopChecking").strip():
            return f" within {stop}"
    return ""
