"""How far a strategy has looked into the ticks of one symbol, and which tick a call gets.

Which one it is follows the published engine, github.com/fmzquant/backtest_javascript: each function has a flag, and a function that asks
again without another one in between is given the next tick, to which the clock jumps.
"""

from __future__ import annotations

from ..config.settings import MarketDetail
from ..trading.market import Tick
from .virtual_time import NEVER, VirtualTime

__all__ = ["TickCursor"]


class TickCursor:
    """The current tick of one symbol. Where ticks come from is the business of its subclasses.

    Args:
        detail: The market.
        time: The clock.
        slip_point: Slippage in price ticks.

    Attributes:
        detail: The market.
        time: The clock.
        price_tick: The step of prices, in nano; where the market does not say it, one unit of its decimals.
        spread: Half of the distance between bid and ask, in nano.
        number: The number of the current tick as of the last look; -1 before the first tick.
        consumed: The number of the last tick that was delivered; -1 before the first one.
        flags: The functions that were given the current tick, a bit each.
        period_ms: The period of the last ``GetRecords``; 0 before the first one.
    """

    __slots__ = (
        "_over_ms",
        "_until_ms",
        "consumed",
        "detail",
        "flags",
        "number",
        "period_ms",
        "price_tick",
        "spread",
        "time",
    )

    def __init__(self, detail: MarketDetail, time: VirtualTime, slip_point: int = 0) -> None:
        self.detail = detail
        self.time = time
        self.price_tick: int = detail.price_tick or 10 ** (9 - detail.quote_precision)
        self.spread: int = (1 + slip_point) * self.price_tick
        self.number = self.consumed = -1
        self.flags = 0
        self.period_ms = 0
        # The current tick is known to be that of ``number`` while the time is before this.
        self._until_ms = -NEVER
        self._over_ms = time.end_ms  # no calls from here on

    # What market calls do

    # Without options: a call of a function with keyword-only arguments costs half as much again.

    def deliver(self, bit: int) -> int:
        """Makes the tick current that a market call gets, and marks it as delivered; the clock may jump to it.

        Args:
            bit: The function's flag.

        Returns:
            The tick's number.

        Raises:
            EOFError: The end was reached, or there is no further tick.
        """
        number = self._open_number()
        if not self.flags or self.flags & bit:
            if number == self.consumed:
                number = self._jump()
            self.flags = bit
        else:
            if number < 0:
                number = self._jump()
            self.flags |= bit
        self.consumed = number
        return number

    def deliver_current(self, bit: int) -> int:
        """As ``deliver``, for a call that takes the current tick in any case."""
        number = self._open_number()
        if number < 0:
            number = self._jump()
        self.flags |= bit
        self.consumed = number
        return number

    def _open_number(self) -> int:
        """The number of the current tick for a market call; -1 before the first one. Raises EOFError at the end."""
        time = self.time
        now = time.now_ms
        if now >= self._over_ms:
            raise time.end()
        if now >= self._until_ms:
            self._look(now)
        return self.number

    def consume(self) -> None:
        """Marks the current tick as delivered, as orders do."""
        now = self.time.now_ms
        if now >= self._until_ms:
            self._look(now)
        self.consumed = self.number

    def started(self) -> bool:
        """Whether there is a current tick."""
        now = self.time.now_ms
        if now >= self._until_ms:
            self._look(now)
        return self.number >= 0

    def rewind(self) -> None:
        """Finds the current tick again after the clock went back, which only happens at the end of a sleep."""
        self.number = -1
        self._until_ms = -NEVER

    def check_open(self) -> None:
        """Raises when no order can be placed any more.

        Raises:
            EOFError: The end was reached, or the data ended.
        """
        if self.time.now_ms >= self._over_ms:
            raise self.time.end()

    def current(self) -> int:
        """The number of the current tick; the clock jumps to the first one when none came yet.

        Raises:
            EOFError: There is no tick.
        """
        now = self.time.now_ms
        if now >= self._until_ms:
            self._look(now)
        return self.number if self.number >= 0 else self._jump()

    def consume_current(self) -> int:
        """As ``current``; the tick is then delivered, as by ``consume``."""
        now = self.time.now_ms
        if now >= self._until_ms:
            self._look(now)
        if self.number < 0:
            self._jump()
            self.consume()
            return self.number
        number = self.consumed = self.number
        return number

    def _jump(self) -> int:
        """Moves the clock to the next tick."""
        number = self.next_number(self.number)
        if number < 0:
            raise self.time.end()
        time, moment = self.time, self.time_of(number)
        time.now_ms = max(time.now_ms, moment)
        self.number = number
        self._until_ms = -NEVER
        return number

    def tick(self) -> Tick:
        """The current tick; the clock jumps to the first one when none came yet.

        Raises:
            EOFError: There is no tick.
        """
        return self.tick_at(self.current())

    def order_tick(self) -> Tick:
        """The current tick for an order that is placed at it, which is then delivered; as ``tick`` and ``consume``."""
        tick = self.tick()
        self.consume()
        return tick

    def last_price(self) -> int:
        """The price of the current tick, in nano; 0 before the first one."""
        now = self.time.now_ms
        if now >= self._until_ms:
            self._look(now)
        return self.price_of(self.number) if self.number >= 0 else 0

    # What subclasses know

    def _look(self, now: int) -> None:
        """Finds the current tick, and until when it is."""
        raise NotImplementedError

    def next_number(self, number: int) -> int:
        """The number of the tick after a tick; -1 if none exists."""
        raise NotImplementedError

    def time_of(self, number: int) -> int:
        """When a tick comes."""
        raise NotImplementedError

    def price_of(self, number: int) -> int:
        """The price of a tick, in nano."""
        raise NotImplementedError

    def volume_of(self, number: int) -> int:
        """The volume that a tick shows, in nano."""
        raise NotImplementedError

    def interest_of(self, number: int) -> int:
        """The open interest at a tick, in nano; 0 when the data have none."""
        raise NotImplementedError

    def tick_at(self, number: int) -> Tick:
        """The tick of that number."""
        raise NotImplementedError
