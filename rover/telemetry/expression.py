"""Arithmetic expressions over parameters, as `battery.voltage * battery.current`.

simpleeval evaluates them. This module accepts only arithmetic, comparisons, `and`, `or`, `not`,
`a if b else c` and the functions in `FUNCTIONS`, and limits the size. So each evaluation is short.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from typing import TYPE_CHECKING, Any

from simpleeval import DEFAULT_OPERATORS, SimpleEval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_CHARACTERS = 1000
"""Maximum length of an expression."""

MAX_NODES = 200
"""Maximum number of names, numbers and operations in an expression."""

LIMIT = 2**64
"""The magnitude that literals and integer results must stay below."""

Number = float | int | bool


class ExpressionError(ValueError):
    """An expression is not allowed, or has no value for its inputs."""


def _power(base: Number, exponent: Number) -> float:
    power: float = float(base) ** float(exponent)  # an integer could have millions of digits
    return power


def _round(number: float, digits: float = 0) -> float:
    return round(number, int(digits))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "degrees": math.degrees,
    "radians": math.radians,
}

CONSTANTS = {"pi": math.pi}

_OPERATIONS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or),
    *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)
_OPERATORS = {
    **{kind: DEFAULT_OPERATORS[kind] for kind in _OPERATIONS if kind in DEFAULT_OPERATORS},
    ast.Add: operator.add,  # those of simpleeval also limit texts and lists, which do not occur
    ast.Mult: operator.mul,
    ast.Pow: _power,
}
_NODES = (ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call)


class Expression:
    """An expression, checked when it is made.

    Names of parameters may have dots. Other names stand in quotes, for example with other
    characters or with a part that begins with a digit: `"wheel-speed" * "motor.1"`.

    Attributes:
        text: as written.
        names: the parameters in it, each once, in the order of the text.

    Raises:
        ExpressionError: it is malformed, too long, or uses anything but arithmetic.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._variables: dict[str, str] = {}  # by the name of the parameter
        if len(text) > MAX_CHARACTERS:
            raise ExpressionError(f"must have at most {MAX_CHARACTERS:,} characters")
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(f"({text})", mode="eval").body  # may have several lines
        except (SyntaxError, ValueError, MemoryError, RecursionError) as exc:
            reason = exc.msg if isinstance(exc, SyntaxError) else str(exc)
            raise ExpressionError(
                f"must be an arithmetic expression, with names such as motor.1 in quotes: {reason}"
            ) from None
        if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > MAX_NODES:
            raise ExpressionError(f"must have at most {MAX_NODES} names, numbers and operations")
        self._tree = _Checker(self._variables).visit(tree)
        self._evaluator = _Evaluator()
        self.names = tuple(self._variables)
        if not self.names:
            raise ExpressionError("must use at least one parameter")

    def evaluate(self, values: Mapping[str, Number]) -> Number:
        """The value of the expression.

        Args:
            values: by name, one for each of `names`.

        Raises:
            ExpressionError: it has no value, as for a division by zero.
        """
        self._evaluator.names = {v: values[name] for name, v in self._variables.items()}
        try:
            result = self._evaluator.eval(self.text, self._tree)
        except (ArithmeticError, ValueError, TypeError) as exc:
            raise ExpressionError(str(exc.args[-1])) from None
        if not isinstance(result, int | float):
            raise ExpressionError("the result is not a real number")
        if isinstance(result, float) and not math.isfinite(result):
            raise ExpressionError("the result is not finite")
        if isinstance(result, int) and abs(result) >= LIMIT:
            raise ExpressionError("the result has more than 64 bits")
        return result


class _Evaluator(SimpleEval):  # type: ignore[misc] # simpleeval has no types
    def __init__(self) -> None:
        super().__init__(_OPERATORS, FUNCTIONS, {})
        handlers: dict[type, Any] = vars(self)["nodes"]
        self.nodes = {kind: handlers[kind] for kind in (*_NODES, ast.Constant)}


class _Checker(ast.NodeTransformer):
    """Replaces names of parameters by variables, and refuses all nodes that are not arithmetic."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.operator | ast.unaryop | ast.cmpop | ast.boolop):
            if not isinstance(node, _OPERATIONS):
                raise ExpressionError(
                    f"{type(node).__name__}: no such operator; use + - * / // % ** and comparisons"
                )
        elif not isinstance(node, (*_NODES, ast.Load)):
            raise ExpressionError(f"{ast.unparse(node):.40}: must be arithmetic")
        return super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in CONSTANTS:
            return ast.Constant(CONSTANTS[node.id])
        if node.id in FUNCTIONS:
            raise ExpressionError(f"{node.id}: is a function; write {node.id}(…)")
        return self._parameter(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise ExpressionError(f"{ast.unparse(node):.40}: must be the name of a parameter")
        return self._parameter(".".join([inner.id, *parts]))

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, str) and value:
            return self._parameter(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LIMIT:
            raise ExpressionError(f"{ast.unparse(node):.40}: must be a number below 2**64")
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS or node.keywords:
            raise ExpressionError(
                f"{ast.unparse(node):.40}: must be one of {', '.join(FUNCTIONS)}, with numbers"
            )
        try:
            FUNCTIONS[name](*[1.0] * len(node.args))
        except TypeError:
            raise ExpressionError(f"{name}: wrong number of arguments: {len(node.args)}") from None
        except ArithmeticError:
            pass  # log(1, 1)
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def _parameter(self, name: str) -> ast.Name:
        variable = self._variables.setdefault(name, f"p{len(self._variables)}")
        return ast.Name(variable, ast.Load())
