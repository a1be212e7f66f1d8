"""Entries of the journal as bytes, for the file that survives the kill of the process (``spill.py``)."""

from __future__ import annotations

import struct
from typing import Literal

from ...charts.points import ChartConfig, ChartPoint, ChartReset
from .lines import Entry, Kind, Line, ProfitPoint, Reset, UnstoredLine

__all__ = ["SPILLED", "decoded", "encoded"]

SPILLED = frozenset({Line, UnstoredLine, ProfitPoint, Reset, ChartPoint, ChartConfig, ChartReset})
"""The types of entries that are kept; of a status text and a sample of holdings only the newest counts, and it comes again."""

_KINDS: tuple[Kind, ...] = ("buy", "sell", "cancel", "error", "profit", "log", "restart")  # their places are in files
_KIND_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_PROFIT, _RESET, _POINT, _CONFIG, _CHART_RESET = range(16, 21)
_TABLES: tuple[Literal["log", "profit"], ...] = ("log", "profit")
_PUSH, _PRIVATE, _PRICE, _AMOUNT, _GAIN, _UNSTORED = (1 << bit for bit in range(6))
# The entry's number, which part and of how many; what it is, its time, flags, price, amount, profit. Then texts with a separator between
# them, the free one last.
_ALL = struct.Struct("<QHHBqBddd")
_NUMBERS = struct.Struct("<BqBddd")
_pack = _ALL.pack  # each call of Log comes here
_NO_TEXTS = "\x1f" * 5


def encoded(number: int, entry: object) -> bytes:
    """The bytes of an entry: 12 with its number and that it is one part, then the rest; empty for an entry that need not be kept.

    Raises:
        struct.error: A number has no room in 64 bits.
    """
    if isinstance(entry, Line):
        return _encoded_line(number, entry)
    if isinstance(entry, ProfitPoint):
        return _pack(number, 0, 1, _PROFIT, entry.time_ms, 0, entry.value, 0.0, 0.0)
    if isinstance(entry, Reset):
        return _pack(number, 0, 1, _RESET, entry.remain, _TABLES.index(entry.table), 0.0, 0.0, 0.0)
    if isinstance(entry, ChartPoint):
        text = f"{entry.id}\x1f{entry.series}\x1f{entry.data}"
        return _pack(number, 0, 1, _POINT, entry.time_ms, 0, 0.0, 0.0, 0.0) + text.encode("utf-8", "surrogatepass")
    if isinstance(entry, ChartConfig):
        return _pack(number, 0, 1, _CONFIG, 0, 0, 0.0, 0.0, 0.0) + entry.text.encode("utf-8", "surrogatepass")
    if isinstance(entry, ChartReset):
        return _pack(number, 0, 1, _CHART_RESET, entry.remain, 0, 0.0, 0.0, 0.0)
    return b""


def _encoded_line(number: int, line: Line) -> bytes:
    flags = _PUSH if line.push else 0
    if line.private:
        flags |= _PRIVATE
    if type(line) is not Line:
        if not line.push:
            return b""  # of one that is not stored only the push counts
        flags |= _UNSTORED
    text = (_texts(line) + line.text).encode("utf-8", "surrogatepass")
    price, amount, profit = line.price, line.amount, line.profit
    if price is None and amount is None and profit is None:
        return _pack(number, 0, 1, _KIND_NUMBERS[line.kind], line.time_ms, flags, 0.0, 0.0, 0.0) + text
    if price is not None:
        flags |= _PRICE
    if amount is not None:
        flags |= _AMOUNT
    if profit is not None:
        flags |= _GAIN
    kind = _KIND_NUMBERS[line.kind]
    return _pack(number, 0, 1, kind, line.time_ms, flags, price or 0.0, amount or 0.0, profit or 0.0) + text


def _texts(line: Line) -> str:
    """The texts before the free one, each with its separator."""
    if not (line.color or line.source or line.label or line.symbol or line.order_id):
        return _NO_TEXTS
    texts = [line.color, line.source, line.label, line.symbol, line.order_id, ""]
    joined = "\x1f".join(texts)
    return joined if joined.count("\x1f") == 5 else "\x1f".join(text.replace("\x1f", "?") for text in texts)


def decoded(data: bytes) -> Entry:
    """The entry of the bytes that ``encoded`` made, without the first 12.

    Raises:
        ValueError: They are not those of an entry.
    """
    try:
        what, time_ms, flags, price, amount, profit = _NUMBERS.unpack_from(data)
        text = data[_NUMBERS.size :].decode("utf-8", "surrogatepass")
        if what < len(_KINDS):
            color, source, label, symbol, order_id, text = text.split("\x1f", 5)
            return (UnstoredLine if flags & _UNSTORED else Line)(
                number=0, time_ms=time_ms, kind=_KINDS[what], text=text, color=color, push=bool(flags & _PUSH),
                private=bool(flags & _PRIVATE), source=source, label=label, symbol=symbol, price=price if flags & _PRICE else None,
                amount=amount if flags & _AMOUNT else None, order_id=order_id, profit=profit if flags & _GAIN else None,
            )  # fmt: skip
        if what == _PROFIT:
            return ProfitPoint(time_ms, price)
        if what == _RESET:
            return Reset(_TABLES[flags], time_ms)
        if what == _POINT:
            number, series, text = text.split("\x1f", 2)
            return ChartPoint(int(number), int(series), text, time_ms)
        if what == _CONFIG:
            return ChartConfig(text)
        if what == _CHART_RESET:
            return ChartReset(time_ms)
    except (struct.error, IndexError) as error:
        raise ValueError(f"not the bytes of an entry: {error}") from error
    raise ValueError(f"not the bytes of an entry: its type is {what}")
