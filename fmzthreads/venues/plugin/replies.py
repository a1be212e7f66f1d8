"""Readers of a plugin's replies. Field names as in FMZ's "General Protocol Guide"; numbers may come as text."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from ...constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, ORDER_STATE_PENDING, ORDER_STATE_UNKNOWN
from ...errors import short_repr
from ...structures import Asset, Depth, MarketOrder, Order, Record, Ticker, Trade, info
from ..rest.convert import order_of, taker_side, ticker_of
from ..rest.parsing import Malformed, is_about, levels, mapping, number, number_at, number_or, rows, text, to_number
from .protocol import PluginData

__all__ = [
    "read_assets",
    "read_cancel",
    "read_depth",
    "read_id",
    "read_order",
    "read_record",
    "read_ticker",
    "read_trade",
]

_STATES = {
    "open": ORDER_STATE_PENDING,
    "pending": ORDER_STATE_PENDING,
    "closed": ORDER_STATE_CLOSED,
    "cancelled": ORDER_STATE_CANCELED,
    "canceled": ORDER_STATE_CANCELED,
}
_SECONDS_BELOW = 1e11  # a time below is in seconds: in ms it would be before March 1973
_MOST_MS = 4_102_444_800_000  # the year 2100
_LONGEST_ID = 200
_LONGEST_NUMBER = 10**40


def time_ms(value: Any, name: str) -> int:
    """A time in ms since the epoch, from seconds or milliseconds.

    Raises:
        Malformed: It is not a number, negative, or after the year 2100.
    """
    found = to_number(value, name)
    found = found * 1000 if found < _SECONDS_BELOW else found
    if not 0 <= found < _MOST_MS:
        raise Malformed(f"{name} is not a time from 1970 to 2100 but {str(value)[:40]}")
    return int(found)


def _time_or(row: dict[str, Any], default: int) -> int:
    value = row.get("time")
    return default if value is None or value == "" else time_ms(value, "the field 'time'")


def _not_negative(row: dict[str, Any], name: str, default: float | None = None) -> float:
    found = number(row, name) if default is None else number_or(row, name, default)
    if found < 0:
        raise Malformed(f"the field {name!r} is negative: {found:g}")
    return found


def read_ticker(said: PluginData, symbol: str, now_ms: int) -> Ticker:
    """The data of ``ticker``; only ``last`` must be there."""
    row = mapping(said.data, "the data")
    fields = {name: name for name in ("last", "buy", "sell", "open", "high", "low")}
    if number(row, "last") <= 0:
        raise Malformed("the field 'last' is not a price above 0")
    for name in fields:
        _not_negative(row, name, 0.0)
    found = ticker_of(row, symbol, _time_or(row, now_ms), _not_negative(row, "vol", 0.0), **fields)
    found["Info"] = info(row if said.raw is None else said.raw)
    return found


def read_depth(said: PluginData, limit: int | None, now_ms: int) -> Depth:
    """The data of ``depth``: sorted here too, without empty levels, cut to ``limit`` levels a side."""
    row = mapping(said.data, "the data")
    return Depth(
        Info=info(row if said.raw is None else said.raw),
        Asks=_side(row, "asks")[:limit],
        Bids=_side(row, "bids", falling=True)[:limit],
        Time=_time_or(row, now_ms),
    )


def _side(row: dict[str, Any], name: str, *, falling: bool = False) -> list[MarketOrder]:
    found = levels(row, name)
    for level in found:
        if level["Price"] <= 0 or level["Amount"] < 0:
            raise Malformed(f"a level of {name!r} has price {level['Price']:g} and amount {level['Amount']:g}")
    found.sort(key=itemgetter("Price"), reverse=falling)
    return [level for level in found if level["Amount"]]


def read_trade(row: dict[str, Any], now_ms: int) -> Trade:
    """One trade of ``trades``; some plugins leave out its time."""
    return Trade(
        Info=info(row),
        Id=_id_text(row["id"]) if "id" in row else "",
        Time=_time_or(row, now_ms),
        Price=_not_negative(row, "price"),
        Amount=_not_negative(row, "amount"),
        Type=taker_side(text(row, "type")),
    )


def read_record(row: Any) -> Record:
    """One bar of ``records``: time, open, high, low, close, volume."""
    values = rows(row, "a bar")
    numbers = [number_at(values, place, "a bar") for place in range(6)]
    opened, high, low, close, volume = numbers[1:]
    if min(opened, high, low, close) <= 0 or volume < 0 or high < low:
        raise Malformed(f"a bar with impossible prices or volume: {str(numbers)[:80]}")
    return Record(
        Time=time_ms(values[0], "the time of a bar"), Open=opened, High=high, Low=low, Close=close, Volume=volume, OpenInterest=0.0
    )  # fmt: skip


def read_assets(said: PluginData, read_rows: Callable[..., list[Asset]]) -> dict[str, Asset]:
    """The data of ``accounts`` by currency, in capitals; rows of one currency are added."""
    found: dict[str, Asset] = {}
    for asset in read_rows(rows(said.data, "the data"), "a balance", "currency", _asset):
        known = found.setdefault(asset["Currency"], asset)
        if known is not asset:
            known["Amount"] += asset["Amount"]
            known["FrozenAmount"] += asset["FrozenAmount"]
    return found


def _asset(row: dict[str, Any]) -> Asset:
    return Asset(
        Info=info(row),
        Currency=text(row, "currency").upper(),
        Amount=number(row, "free"),
        FrozenAmount=number_or(row, "frozen", 0.0),
    )


def read_id(said: PluginData) -> str:
    """The id of a new order, as text."""
    return _id_text(mapping(said.data, "the data").get("id"))


def _id_text(value: Any) -> str:
    if type(value) is int and 0 <= value < _LONGEST_NUMBER:
        return str(value)
    if type(value) is str and value.strip() and len(value) <= _LONGEST_ID and value.isprintable():
        return value.strip()
    raise Malformed(f"the field 'id' is not an id but {short_repr(value, 40)}")


def read_cancel(said: PluginData) -> bool:
    """The data of ``cancel``: whether the exchange took the cancellation."""
    if type(said.data) is not bool:
        raise Malformed(f"the data is neither true nor false but {str(said.data)[:40]!r}")
    return said.data


def read_order(row: dict[str, Any], symbol: str, number_asked: str = "", raw: Any = None) -> Order:
    """One order of ``order`` or ``orders``.

    Args:
        row: The order's object.
        symbol: FMZ's symbol that was asked about.
        number_asked: The id that was asked about; empty for none. An order with another id belongs to another request.
        raw: The exchange's own reply, for ``Info``; None for the row.
    """
    if number_asked:
        is_about(row, "id", number_asked)
    amount, dealt = _not_negative(row, "amount"), _not_negative(row, "deal_amount", 0.0)
    state = row.get("status")
    found = order_of(
        {**row, "side": text(row, "type")},
        name=symbol,
        number=_id_text(row.get("id", number_asked)),
        time_ms=_time_or(row, 0),
        price=max(number_or(row, "price", 0.0), 0.0),
        amount=amount,
        dealt=dealt,
        average=_not_negative(row, "avg_price", 0.0),
        status=_STATES.get(state.lower(), ORDER_STATE_UNKNOWN) if isinstance(state, str) else ORDER_STATE_UNKNOWN,
    )
    found["Info"] = info(row if raw is None else raw)
    return found
