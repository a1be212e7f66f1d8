"""The argument forms of the exchange's calls whose first argument, the symbol, may be left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...arguments import whole_number
from ...errors import InputError, short_repr

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["bare_side", "history_arguments", "history_numbers", "level_arguments", "record_arguments", "symbol_first"]


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


def history_arguments(settings: Settings, args: Sequence[Any], method: str) -> tuple[str, int, int]:
    """Reads the argument forms of ``GetHistoryOrders`` and the like: ``([symbol,] [since [, limit]])``.

    Returns:
        The symbol, the time in ms and the limit; 0 where they are absent.

    Raises:
        InputError: The arguments are in none of these forms.
    """
    symbol, since_ms, limit = history_numbers(method, args)
    return settings.symbol_of(symbol), since_ms, limit


def history_numbers(method: str, args: Sequence[Any]) -> tuple[Any, int, int]:
    """Reads ``([symbol,] [since [, limit]])``.

    Returns:
        The symbol as given (None where it is absent), the time in ms and the limit; 0 where they are absent.

    Raises:
        InputError: The arguments are in none of these forms.
    """
    symbol, since, limit = symbol_first(method, ("symbol", "since", "limit"), args)
    return (
        symbol,
        0 if since is None else whole_number("since", since),
        0 if limit is None else whole_number("limit", limit),
    )


def level_arguments(args: Sequence[Any]) -> tuple[Any, int]:
    """Reads the argument forms of ``SetMarginLevel``: ``([symbol,] level)``.

    Returns:
        The symbol (None where it is absent), and the level.

    Raises:
        InputError: The arguments are in neither form, or the level is not a whole number of 1 or more.
    """
    if not 1 <= len(args) <= 2 or (len(args) == 2 and not isinstance(args[0], str)):
        raise InputError(f"SetMarginLevel takes (level) or (symbol, level), got {short_repr(args)}")
    return (args[0] if len(args) == 2 else None), whole_number("level", args[-1], least=1)


def bare_side(side: Any) -> str:
    """A side without the venue's options behind its ``;``.

    Raises:
        InputError: It is not text.
    """
    if not isinstance(side, str):
        raise InputError(f"side must be text such as 'buy' or 'sell', got {short_repr(side)}")
    return side.partition(";")[0].strip()


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
