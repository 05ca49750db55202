"""Expressions of playbooks: simpleeval over plain JSON values, with no attribute of any object in reach.

simpleeval walks Python's own syntax tree and evaluates only what it knows; here it knows values, comparisons,
arithmetic within bounds, and the few functions below. A dot after a mapping means its key.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from simpleeval import InvalidExpression, SimpleEval

MAX_LENGTH: Final = 1000
_HOLE: Final = re.compile(r"\{\{((?:(?!\}\}).)+)\}\}", re.DOTALL)


class ExpressionError(ValueError):
    """An expression is none, or cannot be worked out from what is known; the text says why."""


def _words(text: str, separator: str = ",") -> list[str]:
    return [word.strip() for word in str(text).split(separator)]


def _after(text: str, mark: str) -> str:
    return str(text).partition(mark)[2]


def _before(text: str, mark: str) -> str:
    return str(text).partition(mark)[0]


FUNCTIONS: Final[Mapping[str, Any]] = {
    "len": len, "min": min, "max": max, "abs": abs, "round": round, "int": int, "float": float, "str": str,
    "any": any, "all": all, "words": _words, "after": _after, "before": _before,
}  # fmt: skip
"""What expressions may call."""
CONSTANTS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}


class _Evaluator(SimpleEval):  # type: ignore[misc]  # simpleeval ships no types
    """simpleeval without attributes: `a.b` is the key `b` of the mapping `a`, and nothing else."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(functions=dict(FUNCTIONS), names={**CONSTANTS, **names})
        self.nodes[ast.Attribute] = self._key
        self.nodes[ast.List] = self._list
        self.nodes[ast.Tuple] = self._list

    def _list(self, node: Any) -> list[Any]:
        return [self._eval(one) for one in node.elts]

    def _key(self, node: Any) -> Any:
        value = self._eval(node.value)
        if not isinstance(value, Mapping) or node.attr not in value:
            raise ExpressionError(f"there is no {node.attr!r} in {ast.unparse(node.value)}")
        return value[node.attr]


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """Return an expression's value.

    Raises:
        ExpressionError: it is none, names something that is not there, or has no value.
    """
    try:
        parse(expression)
        return _Evaluator(names).eval(expression.strip())
    except ExpressionError:
        raise
    except (InvalidExpression, ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:
        raise ExpressionError(f"{expression.strip()}: {error}") from None


def holds(expression: str, names: Mapping[str, Any]) -> bool:
    """Tell whether an expression is true: exactly true, not merely something.

    Raises:
        ExpressionError: it is not true or false, or has no value.
    """
    value = evaluate(expression, names)
    if not isinstance(value, bool):
        raise ExpressionError(f"{expression.strip()}: is {value!r}, must be true or false")
    return value


def parse(expression: str) -> None:
    """Check that an expression is one.

    Raises:
        ExpressionError: it is none; the text says where.
    """
    if len(expression) > MAX_LENGTH:
        raise ExpressionError(f"is longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"is no expression: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"is no expression: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.NamedExpr | ast.Await | ast.Yield):
            raise ExpressionError(f"{type(node).__name__} is not allowed")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            raise ExpressionError(f"{ast.unparse(node.func)} is no function here: {', '.join(FUNCTIONS)}")


def names_in(expression: str) -> set[str]:
    """Return the names that an expression uses, functions and constants apart."""
    tree = ast.parse(expression.strip(), mode="eval")
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    return names - CONSTANTS.keys()


def holes(text: str) -> Iterator[str]:
    """Yield the expressions in a text's `{{ }}`."""
    for match in _HOLE.finditer(text):
        yield match[1]


def fill(value: Any, names: Mapping[str, Any]) -> Any:
    """Return a value with every `{{ expression }}` in its texts worked out.

    A text that is one expression and nothing else becomes that expression's value, of whatever type.

    Raises:
        ExpressionError: an expression has no value.
    """
    match value:
        case str():
            whole = _HOLE.fullmatch(value.strip())
            if whole is not None:
                return evaluate(whole[1], names)
            return _HOLE.sub(lambda hole: _text(evaluate(hole[1], names)), value)
        case Mapping():
            return {key: fill(one, names) for key, one in value.items()}
        case list():
            return [fill(one, names) for one in value]
        case _other:
            return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
