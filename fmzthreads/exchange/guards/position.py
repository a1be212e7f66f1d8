"""The largest position of a symbol, held by an upper bound: what is held, plus all that open orders and those under way may still add.

Between two readings of the venue the bound only grows: each order that passes is reserved in full. When the bound would exceed the limit
(or the reading is old) the venue is read again: condition orders that wait, then open orders, then the position, so that what triggers or is
filled between two of them is counted twice rather than not at all. What was reserved is given up when a reading that began after the order's
end covers it.

Closing orders do not count: they can only make the position smaller, and may never be filled. Nor can several of them together open the
other direction: each is reduce-only at the venue, or belongs to the position's side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal

import attrs

from ...clock import Clock
from ...constants import ORDER_TYPE_BUY, PD_LONG
from ...errors import FmzError, GuardRefused, NotSupported, StopRequested
from ...fork import after_fork_in_child
from ...structures import Order
from ..order_log import IntentLog
from ..venue import Venue
from .reduce_only import is_reduce_only

__all__ = ["PositionLimit"]


@attrs.define
class _Reserved:
    """What one order may add to a side; ``ended`` once its outcome is known, so that a later reading covers it."""

    amount: Decimal
    ended: bool = False


class _Side:
    """One direction of a symbol: what a reading of the venue found, and what was reserved since."""

    def __init__(self) -> None:
        self.found = Decimal(0)
        self.reserved: dict[str, _Reserved] = {}

    def bound(self) -> Decimal:
        """The most that the position can become."""
        return self.found + sum((one.amount for one in self.reserved.values()), Decimal(0))


class _Exposure:
    """Both directions of a symbol."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # guards the sides and read_at: judging and reserving is one step
        self.turn = threading.Lock()  # held by the thread that reads the venue
        self.sides = {True: _Side(), False: _Side()}  # by whether it is the long one
        self.read_at: float | None = None
        self.readings = 0


class PositionLimit:
    """Reserves what each opening order may add; thread-safe.

    Args:
        limit_of: Returns the limit of a symbol; None for none.
        venue: Where positions and open orders are read.
        intents: Tells what became of orders whose outcome was unknown.
        clock: Measures ages.
        max_age_s: How old a reading may be, in seconds.
    """

    def __init__(
        self,
        limit_of: Callable[[str], Decimal | None],
        venue: Venue,
        intents: IntentLog,
        clock: Clock,
        max_age_s: float,
    ) -> None:
        self._limit_of = limit_of
        self._venue = venue
        self._intents = intents
        self._clock = clock
        self._max_age_s = max_age_s
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards the dict
        self._exposures: dict[str, _Exposure] = {}

    def reserve(self, symbol: str, key: str, amount: Decimal, *, long: bool) -> bool:
        """Reserves what an order may add to a side.

        Args:
            symbol: FMZ's symbol.
            key: The order's client order id.
            amount: In base currency; for contracts their number.
            long: Whether it opens or enlarges a long position.

        Returns:
            Whether there is a limit, so that ``give_back`` or ``ended`` must follow.

        Raises:
            GuardRefused: The position could exceed the limit, or it cannot be read.
        """
        limit = self._limit_of(symbol)
        if limit is None:
            return False
        with self._lock:
            exposure = self._exposures.setdefault(symbol, _Exposure())
        if amount > limit:
            raise self._refusal(symbol, limit, amount, exposure.sides[long])
        readings = exposure.readings
        if self._fits(exposure, key, amount, limit, long=long):
            return True
        self._read(symbol, exposure, readings)
        if not self._fits(exposure, key, amount, limit, long=long, just_read=True):
            raise self._refusal(symbol, limit, amount, exposure.sides[long])
        return True

    def _refusal(self, symbol: str, limit: Decimal, amount: Decimal, side: _Side) -> GuardRefused:
        return GuardRefused(
            f"the guard max_position holds: {amount} more of {symbol} could make the position (open orders among it) "
            f"{side.bound() + amount}, and {limit} is the limit; nothing was sent",
            guard="max_position",
        )

    def _fits(
        self, exposure: _Exposure, key: str, amount: Decimal, limit: Decimal, *, long: bool, just_read: bool = False
    ) -> bool:
        with exposure.lock:
            if exposure.read_at is None:
                return False
            if not just_read and self._clock.monotonic() - exposure.read_at > self._max_age_s:
                return False
            side = exposure.sides[long]
            if side.bound() + amount > limit:
                return False
            side.reserved[key] = _Reserved(amount)
            return True

    def give_back(self, symbol: str, key: str) -> None:
        """Gives up what was reserved for an order that the venue does not have."""
        exposure = self._exposures[symbol]
        with exposure.lock:
            for side in exposure.sides.values():
                side.reserved.pop(key, None)

    def ended(self, symbol: str, key: str) -> None:
        """Says that an order was placed: the next reading covers it."""
        exposure = self._exposures[symbol]
        with exposure.lock:
            for side in exposure.sides.values():
                if key in side.reserved:
                    side.reserved[key].ended = True

    # Reading the venue

    def _read(self, symbol: str, exposure: _Exposure, seen: int) -> None:
        """Reads the venue, unless another thread has begun and ended a reading since the caller judged.

        Args:
            symbol: FMZ's symbol.
            exposure: Of this symbol.
            seen: How many readings had begun when the caller judged.
        """
        with exposure.turn:
            if exposure.readings > seen + 1:
                return
            with exposure.lock:
                exposure.readings += 1
                covered = {key for side in exposure.sides.values() for key in side.reserved if self._is_over(side, key)}
                pending = {key for side in exposure.sides.values() for key in side.reserved} - covered
            read_at = self._clock.monotonic()
            try:
                found = self._found(symbol, pending)
            except StopRequested:
                raise
            except FmzError as error:
                raise GuardRefused(
                    f"the guard max_position cannot read the position of {symbol}: {error}; nothing was sent",
                    guard="max_position",
                ) from error
            with exposure.lock:
                exposure.read_at = read_at
                for long, side in exposure.sides.items():
                    side.found = found[long]
                    for key in covered:
                        side.reserved.pop(key, None)

    def _is_over(self, side: _Side, key: str) -> bool:
        """Whether an order's outcome was known before now; one that was unknown may have been settled meanwhile."""
        if side.reserved[key].ended:
            return True
        record = self._intents.get(key)
        return record is not None and record.fate not in {"sending", "unknown"}

    def _found(self, symbol: str, pending: set[str]) -> dict[bool, Decimal]:
        """What is held, plus what is left of the open orders that are not reserved here, by whether it is the long side."""
        found = {True: Decimal(0), False: Decimal(0)}
        for order in (*self._conditions(symbol), *self._venue.orders(symbol)):
            if not is_reduce_only(order) and self._venue.client_id_of(order) not in pending:
                found[order["Type"] == ORDER_TYPE_BUY] += _exact(order["Amount"]) - _exact(order["DealAmount"])
        if "." in symbol:
            for position in self._venue.positions(symbol):
                found[position["Type"] == PD_LONG] += _exact(position["Amount"])
        else:
            account = self._venue.account(symbol)
            found[True] += _exact(account["Stocks"]) + _exact(account["FrozenStocks"])
        return found

    def _conditions(self, symbol: str) -> list[Order]:
        """The condition orders that have not triggered."""
        try:
            return self._venue.condition_orders(symbol)
        except NotSupported:
            return []


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
