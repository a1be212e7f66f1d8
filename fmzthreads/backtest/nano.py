"""Fixed-point numbers with nine decimals, as whole numbers of 1e-9 ("nano").

FMZ's engine computes prices, amounts and money with nine decimals, and cuts each product and quotient towards zero to nine decimals. A double that
enters is rounded to nine decimals first. Here such a number is an ``int``; sums are ordinary sums.

Source: the published engine, github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

__all__ = ["ONE", "cut", "div", "mul", "nano", "printed", "to_float"]

ONE = 1_000_000_000
"""1.0 in nano."""


def nano(number: float) -> int:
    """A number in nano, rounded to nine decimals by its exact binary value, ties to even.

    Args:
        number: Any finite number.
    """
    if isinstance(number, int):
        return number * ONE
    return int(f"{number:.9f}".replace(".", ""))


def printed(number: float, places: int) -> int:
    """A number in nano, rounded to so many decimals as C's ``printf`` does (exact binary value, ties to even).

    Args:
        number: Any finite number.
        places: Decimals, 0 to 9.
    """
    if isinstance(number, int) or number.is_integer():
        return int(number) * ONE
    digits: int = 10 ** (9 - places)
    return int(f"{number:.{places}f}".replace(".", "")) * digits


def mul(a: int, b: int) -> int:
    """The product of two numbers in nano, cut towards zero."""
    product = a * b
    return product // ONE if product >= 0 else -(-product // ONE)


def div(a: int, b: int) -> int:
    """The quotient of two numbers in nano, cut towards zero; ``b`` is not 0."""
    if (a >= 0) == (b > 0):
        return abs(a) * ONE // abs(b)
    return -(abs(a) * ONE // abs(b))


def cut(a: int, step: int) -> int:
    """A number in nano, cut towards zero to a multiple of ``step`` (in nano); unchanged when ``step`` is 0."""
    if not step:
        return a
    return a - a % step if a >= 0 else -(-a - -a % step)


def to_float(a: int) -> float:
    """A number in nano as the nearest double."""
    return a / ONE
