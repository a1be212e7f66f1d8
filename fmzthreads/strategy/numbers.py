"""FMZ's number helpers: cutting decimals, counting a crossing, and reading a number that a script passed in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..errors import InputError

__all__ = ["cross", "cut", "is_refused", "to_float", "to_whole"]

_NUMBER_WORDS = "expected a number"


def to_float(value: Any, what: str, *, finite: bool = True) -> float:
    """Reads a number that a script passed in.

    Args:
        value: An int, a float, or anything else that is a number (numpy's scalars, Decimal); text is refused.
        what: What it is, for the message, such as ``"Sleep(millisecond)"``.
        finite: Whether infinity is refused too; NaN always is.

    Returns:
        The number as a float.

    Raises:
        InputError: It is not a number, or is NaN or (where ``finite``) infinite.
    """
    if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__float__"):
        raise InputError(f"{what}: {_NUMBER_WORDS}, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what}: {_NUMBER_WORDS}, got {value!r}") from error
    if math.isnan(number) or (finite and math.isinf(number)):
        raise InputError(f"{what}: {_NUMBER_WORDS}, got {value!r}")
    return number


def to_whole(value: Any, what: str) -> int:
    """Reads a whole number; ``2.0`` counts as one.

    Raises:
        InputError: It is not a whole number.
    """
    number = to_float(value, what)
    if number != int(number):
        raise InputError(f"{what}: expected a whole number, got {value!r}")
    return int(number)


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
    value = to_float(num, "_N(num)")
    digits = to_whole(precision, "_N(precision)")
    try:
        if digits < 0:
            step: int = 10**-digits
            return num - num % step if isinstance(num, int) else value - value % step
        scale: int = 10**digits
        nudge: float = 10.0 ** -max(10, digits + 5)
        return int((value + nudge) * scale) / scale
    except OverflowError as error:
        raise InputError(f"_N({num!r}, {precision!r}): beyond what a float can hold") from error


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
        InputError: The two are not of one length.
    """
    first, second = list(arr1), list(arr2)
    if len(first) != len(second):
        raise InputError(f"_Cross: both series need one length, got {len(first)} and {len(second)}")
    count = 0
    for a, b in zip(reversed(first), reversed(second), strict=True):
        if a is None or b is None:
            break
        if a > b and count >= 0:
            count += 1
        elif a < b and count <= 0:
            count -= 1
        else:
            break
    return count


def is_refused(result: Any) -> bool:
    """Whether ``_C`` tries again for this result: None, False and every zero; empty text, lists and dicts are accepted."""
    if result is None or result is False:
        return True
    # Only what is one number is compared: a numpy array answers == with an array.
    return hasattr(result, "__float__") and not hasattr(result, "__len__") and bool(result == 0)
