"""One symbol of one exchange whose ticks are recorded order books and trades."""

from __future__ import annotations

from bisect import bisect_right

from ...structures import Trade
from ..config.settings import MarketDetail
from ..data.bars import BarSeries
from ..engine.tick_cursor import TickCursor
from ..engine.virtual_time import NEVER, VirtualTime
from ..nano import nano, to_float
from ..trading.market import Tick
from .recording import Level, PublicTrade, Recording, TickBlock

__all__ = ["RecordedFeed"]

_KEPT_BLOCKS = 8
_MOST_TRADES = 1000
_BAR_LENGTHS_MS = (1000, 60_000, 3_600_000)
_MOST_BARS = 100_000


class RecordedFeed(TickCursor):
    """The ticks of one symbol, as orders and market calls see them. It is a ``RecordedMarket``.

    Args:
        recording: The ticks.
        detail: The market.
        time: The clock.
        from_ms: Where the history before the start of the test begins.
        slip_point: What a taker pays more than the book says, in price ticks.

    Attributes:
        recording: The ticks.
        first: The number of the first tick of the history.
        count: The ticks before the end of the test.
        slip: What a taker pays more than the book says, in nano.
    """

    __slots__ = ("_blocks", "_trades_seen", "count", "first", "recording", "slip")

    def __init__(
        self, recording: Recording, detail: MarketDetail, time: VirtualTime, from_ms: int, slip_point: int = 0
    ) -> None:
        super().__init__(detail, time)
        self.recording = recording
        self.slip = slip_point * self.price_tick
        self._blocks: dict[int, TickBlock] = {}
        self.first = recording.number_from(from_ms)
        self.count = recording.number_from(time.end_ms)
        self._trades_seen = -1
        if self.count <= self.first:
            self._over_ms = -NEVER

    def __repr__(self) -> str:
        """The symbol and the current tick."""
        return f"<RecordedFeed {self.detail.symbol}: tick {self.number}>"

    def _block(self, number: int) -> TickBlock:
        place = number >> 8
        found = self._blocks.get(place)
        if found is None:
            if len(self._blocks) >= _KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            found = self._blocks[place] = self.recording.block(number)
        return found

    # Which tick is current

    def _look(self, now: int) -> None:
        number = self.number
        following = max(number + 1, self.first)
        if number >= 0 and following < self.count:
            # Mostly it is in the block of the last look.
            block = self._block(following)
            if block.times[-1] > now:
                number = block.begin + bisect_right(block.times, now) - 1
                self._found(max(number, self.number))
                return
        if following < self.count:
            number = min(self.recording.number_at(now), self.count - 1)
            self._found(number if number >= self.first else -1)
        else:
            self._found(number)

    def _found(self, number: int) -> None:
        self.number = number
        following = number + 1 if number >= 0 else self.first
        self._until_ms = self.time_of(following) if following < self.count else NEVER

    def next_number(self, number: int) -> int:
        """The number of the tick after a tick; -1 if none exists."""
        following = number + 1 if number >= 0 else self.first
        return following if following < self.count else -1

    def number_before(self, time_ms: int) -> int:
        """The number of the latest tick that came before a time; -1 if none exists."""
        number = min(self.recording.number_from(time_ms), self.count) - 1
        return number if number >= self.first else -1

    # What a tick is

    def time_of(self, number: int) -> int:
        """When a tick comes."""
        block = self._block(number)
        return block.times[number - block.begin]

    def price_of(self, number: int) -> int:
        """The last price at a tick, in nano."""
        block = self._block(number)
        return nano(block.last[number - block.begin])

    def volume_of(self, number: int) -> int:
        """What was traded since the tick before, in nano."""
        block = self._block(number)
        return nano(block.volume[number - block.begin])

    def interest_of(self, number: int) -> int:
        """0: recordings have no open interest."""
        return 0

    def tick_at(self, number: int) -> Tick:
        """The tick of that number; a side of the book that is empty has the last price."""
        block = self._block(number)
        last = nano(block.last[number - block.begin])
        ask, bid = block.best(number, 0), block.best(number, 1)
        return Tick(
            number,
            block.times[number - block.begin],
            last,
            nano(bid[0]) if bid else last,
            nano(ask[0]) if ask else last,
        )

    def levels(self, number: int, side: int) -> list[Level]:
        """One side of the book at a tick, from the best price on: 0 asks, 1 bids."""
        return self._block(number).levels(number, side)

    def trades(self, number: int) -> list[PublicTrade]:
        """The trades between a tick and the one before it."""
        return self._block(number).trades(number)

    def age_of(self, number: int, now_ms: int) -> int:
        """How long after a tick a moment is; of the tick's own moment: after the tick before it. In milliseconds."""
        time_ms = self.time_of(number)
        if now_ms > time_ms or number <= self.first:
            return max(0, now_ms - time_ms)
        return time_ms - self.time_of(number - 1)

    def new_trades(self) -> list[Trade]:
        """The trades of the ticks since the last call, up to the current one; at most the newest thousand, oldest first."""
        number = self.number
        after = self._trades_seen if 0 <= self._trades_seen <= number else number - 1
        found: list[PublicTrade] = []
        parts: list[list[PublicTrade]] = []
        total = 0
        for at in range(number, after, -1):
            parts.append(self.trades(at))
            total += len(parts[-1])
            if total >= _MOST_TRADES:
                break
        for part in reversed(parts):
            found += part
        self._trades_seen = number
        first_id = number * _MOST_TRADES
        return [
            Trade(Id=str(first_id + place), Time=trade.time_ms, Price=trade.price, Amount=trade.amount, Type=trade.side)
            for place, trade in enumerate(found[-_MOST_TRADES:])
        ]

    # What orders see

    def bar_of(self, number: int) -> int:
        """Each tick counts as a bar of its own."""
        return number

    def bar_volume(self, bar: int) -> int:
        """What was traded at a tick, in nano."""
        return self.volume_of(bar)

    def first_at_or_below(self, last: int, after: int, until: int) -> int:
        """The number of the first tick with ``after < number <= until`` whose last price is ``last`` or less; -1 if none exists."""
        return self._first(to_float(last), after, until, below=True)

    def first_at_or_above(self, last: int, after: int, until: int) -> int:
        """The number of the first tick with ``after < number <= until`` whose last price is ``last`` or more; -1 if none exists."""
        return self._first(to_float(last), after, until, below=False)

    def _first(self, price: float, after: int, until: int, *, below: bool) -> int:
        number = max(after + 1, self.first)
        until = min(until, self.count - 1)
        while number <= until:
            end = min(((number >> 8) + 1) << 8, until + 1)
            if self.recording.may_reach(number, price, below=below):
                block = self._block(number)
                for at in range(number, end):
                    last = block.last[at - block.begin]
                    if last <= price if below else last >= price:
                        return at
            number = end
        return -1

    # After the run

    @property
    def series(self) -> BarSeries:
        """The ticks as bars of a second, a minute or an hour, for figures and reports."""
        span = self.time.end_ms - self.time.start_ms
        period = next((ms for ms in _BAR_LENGTHS_MS if span // ms <= _MOST_BARS), _BAR_LENGTHS_MS[-1])
        found = BarSeries(detail=self.detail, period_ms=period)
        price_unit, volume_unit = 10**self.detail.quote_precision, 10**self.detail.base_precision
        number = self.first
        while number < self.count:
            block = self._block(number)
            for place in range(number - block.begin, min(self.count, block.end) - block.begin):
                start = block.times[place] // period * period
                price = round(block.last[place] * price_unit)
                volume = round(block.volume[place] * volume_unit)
                if not found.time or found.time[-1] != start:
                    found.time.append(start)
                    for column in (found.open, found.high, found.low, found.close):
                        column.append(price)
                    found.volume.append(volume)
                    continue
                found.high[-1] = max(found.high[-1], price)
                found.low[-1] = min(found.low[-1], price)
                found.close[-1] = price
                found.volume[-1] += volume
            number = block.end
        return found
