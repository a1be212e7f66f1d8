"""The argument forms of the exchange's calls whose first argument, the symbol, may be left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...arguments import whole_number
from ...errors import InputError, short_repr

if TYPE_CHECKING:
    from ..state import Settings

__all__ = ["history_arguments", "record_arguments", "symbol_first"]


def record_arguments(settings: Settings, args: Sequence[Any]) -> tuple[str, int, int | None]:
    """Reads the argument forms of ``GetRecords``: ``([symbol,] [period [, limit]])``.

    Returns:
        The symbol, the period in seconds, and the limit; None for no limit.

    Raises:
        InputError: The arguments are in none of these forms.
    """
    symbol, period, limit = symbol_first("GetRecords", ("symbol", "period", "limit"), args)
    return (
        settings.symbol_of(symbol),
        whole_number("period", settings.period_s if period is None else period, least=1),
        None if limit is None else whole_number("limit", limit) or None,
    )


def history_arguments(settings: Settings, args: Sequence[Any]) -> tuple[str, int, int]:
    """Reads the argument forms of ``GetHistoryOrders``: ``([symbol,] [since [, limit]])``.

    Returns:
        The symbol, the time in ms and the limit; 0 where they are absent.

    Raises:
        InputError: The arguments are in none of these forms.
    """
    symbol, since, limit = symbol_first("GetHistoryOrders", ("symbol", "since", "limit"), args)
    return (
        settings.symbol_of(symbol),
        0 if since is None else whole_number("since", since),
        0 if limit is None else whole_number("limit", limit),
    )


def symbol_first(method: str, names: tuple[str, str, str], args: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Reads the three arguments of a method whose first one, a symbol, may be left out.

    Args:
        method: The method's name, for messages.
        names: The names of the three.
        args: What was given.

    Returns:
        The three; None for those that are absent.

    Raises:
        InputError: There are more than three, or three without a symbol.
    """
    if len(args) > 3:
        raise InputError(f"{method} takes at most ({', '.join(names)}), got {len(args)} arguments")
    rest = list(args)
    symbol = rest.pop(0) if rest and (rest[0] is None or isinstance(rest[0], str)) else None
    if len(rest) == 3:
        raise InputError(f"the first of three arguments of {method} is the symbol, got {short_repr(rest[0])}")
    second, third = [*rest, None, None][:2]
    return symbol, second, third
