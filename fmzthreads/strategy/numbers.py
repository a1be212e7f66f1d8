"""FMZ's number helpers: cutting decimals, counting a crossing, and reading a number that a script passed in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Rational, Real
from typing import Any

from ..arguments import real_number, whole_number
from ..errors import InputError, short_repr

__all__ = ["cross", "cut", "finite_number", "is_refused"]

# No float has digits beyond these.
_MOST_DIGITS = 308


def finite_number(name: str, value: Any) -> float:
    """Converts a finite number to a float.

    Raises:
        InputError: It is not a number, or not finite.
    """
    number = real_number(name, value)
    if math.isinf(number):
        raise InputError(f"{name} must be finite, got {short_repr(value)}")
    return number


def cut(num: Any, precision: Any = 4) -> float | int:
    """Cuts a number to so many decimals, exactly as FMZ's ``_N`` does.

    For ``precision`` of 0 or more, 10^-max(10, precision + 5) is added first, so that 0.29 (which a float cannot hold exactly) stays
    0.29, and then the rest is cut toward zero; the result is a float. The addition shows for negative numbers that have just as many
    decimals: -1.15 becomes -1.14. For a negative precision the digits left of the point are zeroed, downward: -1300 with -3 becomes
    -2000; an int stays an int. (Source: what FMZ's public Python engine computes.)

    Args:
        num: The number.
        precision: How many decimals to keep; negative zeroes digits left of the point.

    Returns:
        The number, cut.

    Raises:
        InputError: One of them is not a finite number, ``precision`` is not whole, or the result is beyond a float.
    """
    value = finite_number("_N(num)", num)
    digits = whole_number("_N(precision)", precision, least=-_MOST_DIGITS, most=_MOST_DIGITS)
    try:
        if digits < 0:
            step: int = 10**-digits
            return int(num) - int(num) % step if isinstance(num, Integral) else value - value % step
        scale: int = 10**digits
        nudge: float = 10.0 ** -max(10, digits + 5)
        return int((value + nudge) * scale) / scale
    except OverflowError as error:
        raise InputError(f"_N({short_repr(num)}, {short_repr(precision)}): beyond what a float can hold") from error


def cross(arr1: Iterable[Any], arr2: Iterable[Any]) -> int:
    """Counts for how many bars, up to the last, the first series has been strictly on one side of the second.

    It does not look whether a crossing really happened: a series that was always above gives its whole length.

    Args:
        arr1: Numbers, oldest first; None where there is no value.
        arr2: As many numbers.

    Returns:
        Positive when the first is above (a golden cross so many bars ago), negative when below, 0 when the last two are equal or one
        of them is None or NaN. The count ends at the first equal pair, change of side, None or NaN.

    Raises:
        InputError: One of them is no series of numbers, or the two are not of one length.
    """
    first, second = _series(arr1), _series(arr2)
    if len(first) != len(second):
        raise InputError(f"_Cross: both series need one length, got {len(first)} and {len(second)}")
    count = 0
    for place, (a, b) in enumerate(zip(reversed(first), reversed(second), strict=True), 1):
        if a is None or b is None:
            break
        above = a if type(a) is float else _comparable(a, len(first) - place)
        below = b if type(b) is float else _comparable(b, len(first) - place)
        if above > below and count >= 0:
            count += 1
        elif above < below and count <= 0:
            count -= 1
        else:
            break
    return count


def _series(values: Any) -> list[Any]:
    try:
        return list(values)
    except Exception as error:  # whatever a foreign iterator raises
        raise InputError(f"_Cross: a series must be a list of numbers, got {short_repr(values)}") from error


def _comparable(value: Any, place: int) -> float:
    """A number of any kind as Python's own; NaN is left to the comparison, which it ends."""
    if type(value) is int:
        return value
    if isinstance(value, Real) and not isinstance(value, Rational):
        try:
            if math.isnan(value):
                return math.nan
        except Exception:  # whatever a foreign number raises: it is refused below
            pass
    return real_number(f"_Cross: element {place}", value)


def is_refused(result: Any) -> bool:
    """Whether ``_C`` tries again for this result: None, False and every zero; empty text, lists and dicts are accepted."""
    if result is None or result is False:
        return True
    # Only what is one number is compared: a numpy array answers == with an array.
    return hasattr(result, "__float__") and not hasattr(result, "__len__") and bool(result == 0)
