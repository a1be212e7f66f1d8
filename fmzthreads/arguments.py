"""Checks numbers that are given as arguments; errors name the argument.

An int, float, Decimal or Fraction counts, and so does a number of numpy. Text, booleans, NaN and None do not.
"""

from __future__ import annotations

import math
import numbers
import operator
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Any

from .errors import InputError, short_repr

__all__ = ["exact_decimal", "real_number", "whole_number"]

# Wide enough for every price and amount; only a fraction such as 1/3 is cut by it.
_WIDE = Context(prec=60, rounding=ROUND_DOWN)


def real_number(name: str, value: Any, *, expected: str = "a number") -> float:
    """Converts a number to a float.

    Args:
        name: The argument's name, for the message.
        value: Any number; infinite is allowed, NaN is not.
        expected: What the argument must be, for the message.

    Raises:
        InputError: It is not a number, or too large for a float.
    """
    number: Any = value if _is_number(value) else _index(name, value, expected)
    try:
        result = float(number)
    except (OverflowError, ValueError):  # beyond a float's range, or a signalling NaN
        result = math.nan
    if math.isnan(result):
        raise _not(name, value, expected)
    return result


def whole_number(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """Converts a number without a fraction to an int.

    Args:
        name: The argument's name, for the message.
        value: Any number; ``60.0`` counts as 60.
        least: The smallest valid value.
        most: The largest valid value; None for no limit.

    Raises:
        InputError: It is not a whole number, or out of range.
    """
    limits = f" of {least} or more" if most is None else f" from {least} to {most}"
    expected = f"a whole number{limits}"
    if _is_number(value):
        try:
            number = int(value)
        except (OverflowError, ValueError):  # infinite or NaN
            raise _not(name, value, expected) from None
        if number != value:
            raise _not(name, value, expected)
    else:
        number = _index(name, value, expected)
    if number < least or (most is not None and number > most):
        raise _not(name, value, expected)
    return number


def exact_decimal(name: str, value: Any, *, most: Decimal | None = None) -> Decimal:
    """Converts a number to the decimal that its shortest text means: ``0.1`` is one tenth.

    Args:
        name: The argument's name, for the message.
        value: Any finite number.
        most: The largest valid magnitude; None for no limit.

    Raises:
        InputError: It is not a finite number, or beyond ``most``.
    """
    # float.__repr__, because the repr of numpy's float64 (a float) is not a number.
    number = Decimal(float.__repr__(value)) if isinstance(value, float) else _decimal(name, value)
    if not number.is_finite():
        raise InputError(f"{name} must be finite, got {short_repr(value)}")
    if most is not None and number.copy_abs() > most:
        raise InputError(f"{name} must be at most {most:g}, got about 1e{number.adjusted()}; nothing was sent")
    return number


def _decimal(name: str, value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return Decimal(_index(name, value, "a number"))
    if isinstance(value, numbers.Rational):
        return _WIDE.divide(Decimal(int(value.numerator)), Decimal(int(value.denominator)))
    try:
        return Decimal(str(value))  # numpy's float32 and the like
    except InvalidOperation:
        raise _not(name, value, "a number") from None


def _is_number(value: Any) -> bool:
    if type(value) in {int, float}:
        return True
    return not isinstance(value, bool) and isinstance(value, (numbers.Real, Decimal))


def _index(name: str, value: Any, expected: str) -> int:
    """The integer that an object stands for by its ``__index__``."""
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise _not(name, value, expected)


def _not(name: str, value: Any, expected: str) -> InputError:
    return InputError(f"{name} must be {expected}, got {short_repr(value)} ({type(value).__name__})")
