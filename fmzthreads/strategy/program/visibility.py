"""The filter of a parameter: an expression over other parameters that says whether it is shown.

Source: FMZ's user guide, "Strategy Parameters" (``a > b``, ``a == 1``, ``a``, ``!a``, ``a >= 1 && a <= 10``).
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import InputError, UnknownName, nearest

__all__ = ["is_shown", "names_in"]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_WORDS = {"true": True, "false": False, "null": None}
# A text in quotes stays as it is; the operators of JavaScript become Python's. Longer operators stand first.
_TOKENS = re.compile(r"\"[^\"]*\"|'[^']*'|===|!==|==|!=|<=|>=|&&|\|\||!|=")
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "===": "==", "!==": "!=", "=": "=="}


def _parsed(expression: str) -> ast.expr:
    text = _TOKENS.sub(lambda found: _PYTHON.get(found[0], found[0]), expression)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise InputError(f"the filter {expression!r} is not an expression such as a == 1 && !b") from None


def names_in(expression: str) -> set[str]:
    """The parameters that a filter reads.

    Raises:
        InputError: It is not an expression of the known form.
    """
    return {node.id for node in ast.walk(_parsed(expression)) if isinstance(node, ast.Name) and node.id not in _WORDS}


def is_shown(expression: str, values: Mapping[str, Any]) -> bool:
    """Whether a parameter with this filter is shown.

    Args:
        expression: The filter; empty shows it always.
        values: The values of the other parameters.

    Raises:
        InputError: It is not an expression of the known form.
        UnknownName: It reads a parameter that does not exist.
    """
    return not expression.strip() or bool(_value(_parsed(expression), expression, values))


def _value(node: ast.expr, expression: str, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id in _WORDS:
            return _WORDS[node.id]
        if node.id not in values:
            raise UnknownName(f"the filter {expression!r} reads the parameter {node.id!r}{nearest(node.id, values)}")
        return values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _value(node.operand, expression, values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, expression, values)
    if isinstance(node, ast.BoolOp):
        parts = (_value(part, expression, values) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.Compare):
        return _compared(node, expression, values)
    raise InputError(f"the filter {expression!r} uses more than names, numbers, texts, comparisons, && || and !")


def _compared(node: ast.Compare, expression: str, values: Mapping[str, Any]) -> bool:
    left = _value(node.left, expression, values)
    for kind, other in zip(node.ops, node.comparators, strict=True):
        compare = _COMPARISONS.get(type(kind))
        if compare is None:
            raise InputError(f"the filter {expression!r} has a comparison that is not one of == != < <= > >=")
        right = _value(other, expression, values)
        try:
            if not compare(left, right):
                return False
        except TypeError:  # an empty number, or a text beside a number, is neither smaller nor larger
            return False
        left = right
    return True
