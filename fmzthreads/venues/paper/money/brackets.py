"""Brackets of a contract: the larger a position, the lower the highest leverage and the higher the maintenance margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from ....errors import InputError, short_repr

__all__ = ["MarginBracket", "MarginBrackets"]

_MOST_LEVERAGE = Decimal(200)


@attrs.frozen(kw_only=True)
class MarginBracket:
    """One bracket.

    Attributes:
        cap: The largest size, inclusive; None for the last one.
        leverage: The highest leverage.
        rate: The maintenance margin as a part of the position's worth.
        deduction: What is subtracted from it, in the margin currency, so that it grows without steps (Binance's ``cum``).
    """

    cap: Decimal | None
    leverage: Decimal
    rate: Decimal
    deduction: Decimal = Decimal(0)


@attrs.frozen(kw_only=True)
class MarginBrackets:
    """The brackets of a contract, the smallest first.

    Attributes:
        rows: The brackets.
        by_contracts: Whether sizes count contracts (OKX); else they are worths in the margin currency (Binance).
    """

    rows: tuple[MarginBracket, ...]
    by_contracts: bool = False

    @classmethod
    def flat(cls, rate: Decimal) -> MarginBrackets:
        """One bracket for all sizes."""
        return cls(rows=(MarginBracket(cap=None, leverage=_MOST_LEVERAGE, rate=rate),))

    @classmethod
    def of_binance(cls, rows: Any, where: str) -> MarginBrackets:
        """Brackets with the keys of Binance's ``leverageBracket``.

        Args:
            rows: Objects with ``notionalCap`` (or ``qtyCap``; the last one may have none), ``maintMarginRatio``, ``initialLeverage`` and perhaps
                ``cum``. Where none has a ``cum``, the deductions follow from the ratios.
            where: Where they came from, for messages.

        Raises:
            InputError: They are not such a list in ascending order.
        """
        if not isinstance(rows, Sequence) or not rows or not all(isinstance(row, Mapping) for row in rows):
            raise InputError(f"{where}: expected a list of objects with notionalCap, got {short_repr(rows)}")
        read = [(_cap(row, where), row) for row in rows]
        read.sort(key=lambda one: (one[0] is None, one[0] or Decimal(0)))
        given = any("cum" in row for row in rows)
        found: list[MarginBracket] = []
        for cap, row in read:
            rate = _number(row, "maintMarginRatio", where)
            leverage = _number(row, "initialLeverage", where)
            before = found[-1] if found else None
            if not 0 < rate < 1 or leverage < 1 or (before and (rate < before.rate or leverage > before.leverage)):
                raise InputError(
                    f"{where}: with notionalCap maintMarginRatio must grow and initialLeverage fall, got {short_repr(dict(row))}"
                )
            if before and before.cap is None:
                raise InputError(f"{where}: only the last bracket may have no notionalCap")
            deduction = Decimal(0)
            if given:
                deduction = _number(row, "cum", where, least=Decimal(0))
            elif before is not None and before.cap is not None:
                deduction = before.deduction + before.cap * (rate - before.rate)
            found.append(MarginBracket(cap=cap, leverage=leverage, rate=rate, deduction=deduction))
        return cls(rows=tuple(found))

    def at(self, size: Decimal) -> MarginBracket:
        """The bracket of a size; the last one for anything larger."""
        return self.rows[self.place(size)]

    def place(self, size: Decimal) -> int:
        """The number of the bracket of a size, from 0."""
        last = len(self.rows) - 1
        return next((place for place, row in enumerate(self.rows) if row.cap is None or size <= row.cap), last)

    def largest(self, leverage: Decimal) -> Decimal | None:
        """The largest position that a leverage allows; None for any, 0 if no bracket allows it."""
        allowed = [row for row in self.rows if row.leverage >= leverage]
        return allowed[-1].cap if allowed else Decimal(0)

    def maintenance(self, amount: Decimal, worth: Decimal) -> Decimal:
        """The maintenance margin of a position.

        Args:
            amount: Its contracts.
            worth: Its worth in the margin currency, at the mark price.
        """
        row = self.at(self.size(amount, worth))
        return max(Decimal(0), worth * row.rate - row.deduction)

    def size(self, amount: Decimal, worth: Decimal) -> Decimal:
        """The size of a position in the unit of the caps."""
        return amount if self.by_contracts else worth

    def plain(self) -> list[list[str | None]]:
        """The rows for JSON."""
        return [[None if one is None else str(one) for one in attrs.astuple(row)] for row in self.rows]

    @classmethod
    def of_plain(cls, rows: list[list[str | None]], *, by_contracts: bool) -> MarginBrackets:
        """Reads ``plain``."""
        read = [
            MarginBracket(
                cap=None if cap is None else Decimal(cap),
                leverage=Decimal(leverage or 0),
                rate=Decimal(rate or 0),
                deduction=Decimal(deduction or 0),
            )
            for cap, leverage, rate, deduction in rows
        ]
        return cls(rows=tuple(read), by_contracts=by_contracts)


def _cap(row: Mapping[str, Any], where: str) -> Decimal | None:
    name = next((one for one in ("notionalCap", "qtyCap") if row.get(one) is not None), None)
    return None if name is None else _number(row, name, where)


def _number(row: Mapping[str, Any], name: str, where: str, least: Decimal | None = None) -> Decimal:
    try:
        found = Decimal(str(row[name]))
    except (KeyError, ArithmeticError):
        found = Decimal("NaN")
    if not found.is_finite() or (found < least if least is not None else found <= 0):
        raise InputError(
            f"{where}: {name} is {short_repr(row.get(name))}, expected a number {'of 0 or more' if least is not None else 'above 0'}"
        )
    return found
