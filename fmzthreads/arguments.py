"""Checks numbers that are given as arguments; errors name the argument.

An int, float, Decimal or Fraction counts, and so does a number of numpy. Text, booleans, NaN and None do not. Nothing takes longer for a
larger number: what no float could hold is refused before it is computed with.
"""

from __future__ import annotations

import math
import numbers
import operator
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any

from .errors import InputError, short_repr

__all__ = ["exact_decimal", "real_number", "whole_number"]

# Wide enough for every price and amount; only a fraction such as 1/3 is cut by it.
_WIDE = Context(prec=60, rounding=ROUND_DOWN)

# The range of a float. Arithmetic beyond it takes time and memory in proportion to the number itself.
_MOST_EXPONENT = 308
_LEAST_EXPONENT = -324
_MOST_DIGITS = 1100  # of a Decimal: the exact value of a float has up to 767
_MOST_BITS = 2048
_MOST_WHOLE = 2**63 - 1


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
    except Exception:  # beyond a float's range, a signalling NaN, or whatever the number's own __float__ raises
        raise _not(name, value, expected) from None
    if math.isnan(result) or (math.isinf(result) and not _is_infinite(number)):
        raise _not(name, value, expected)
    return result


def whole_number(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """Converts a number without a fraction to an int.

    Args:
        name: The argument's name, for the message.
        value: Any number; ``60.0`` counts as 60.
        least: The smallest valid value.
        most: The largest valid value; None for what 64 bits hold.

    Raises:
        InputError: It is not a whole number, or out of range.
    """
    limits = f" of {least} or more" if most is None else f" from {least} to {most}"
    expected = f"a whole number{limits}"
    if type(value) is int:
        number = value
    elif _is_number(value):
        number = _whole(name, value, expected)
    else:
        number = _index(name, value, expected)
    if number < least or number > (_MOST_WHOLE if most is None else most):
        raise _not(name, value, expected)
    return number


def _whole(name: str, value: Any, expected: str) -> int:
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() > _MOST_EXPONENT:
        raise _not(name, value, expected)  # before int(): it would write out all the zeros
    try:
        number = int(value)
        if number == value:
            return number
    except Exception:  # infinite, NaN, or whatever the number's own __int__ raises
        pass
    raise _not(name, value, expected)


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
    return number if isinstance(value, float) else _bounded(name, number)


def _decimal(name: str, value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return Decimal(_bounded_int(name, value, _index(name, value, "a number")))
    try:
        if not isinstance(value, numbers.Rational):
            return Decimal(str(value))  # numpy's float32 and the like
        above, below = int(value.numerator), int(value.denominator)
    except Exception:  # not the text of a number, or whatever the number's own methods raise
        raise _not(name, value, "a number") from None
    return _WIDE.divide(Decimal(_bounded_int(name, value, above)), Decimal(_bounded_int(name, value, below)))


def _bounded(name: str, number: Decimal) -> Decimal:
    """The number itself, if its size and its digits are those of a number that was meant."""
    if number and number.is_finite():
        if not _LEAST_EXPONENT <= number.adjusted() <= _MOST_EXPONENT:
            raise InputError(f"{name} must be a number that a float can hold, got about 1e{number.adjusted()}")
        if number.as_tuple().exponent < -_MOST_DIGITS:  # type: ignore[operator] # a finite number has a whole exponent
            raise InputError(f"{name} must have at most {_MOST_DIGITS} decimals, got {short_repr(number)}")
    return number


def _bounded_int(name: str, value: Any, number: int) -> int:
    if number.bit_length() > _MOST_BITS:
        raise InputError(f"{name} must be a number that a float can hold, got {short_repr(value)}")
    return number


def _is_number(value: Any) -> bool:
    if type(value) in {int, float}:
        return True
    return not isinstance(value, bool) and isinstance(value, (numbers.Real, Decimal))


def _is_infinite(number: Any) -> bool:
    try:
        return bool(number in {math.inf, -math.inf})
    except Exception:  # whatever the number's own comparison raises
        return False


def _index(name: str, value: Any, expected: str) -> int:
    """The integer that an object stands for by its ``__index__``."""
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except Exception:  # it is no integer, or its own __index__ raises
            pass
    raise _not(name, value, expected)


def _not(name: str, value: Any, expected: str) -> InputError:
    return InputError(f"{name} must be {expected}, got {short_repr(value)} ({type(value).__name__})")
