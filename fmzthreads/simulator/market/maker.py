"""The market participants and the thread that drives them.

Some participants quote around a price, others take.

Each ``MarketMaker`` moves one instrument. In every step it asks its price source where the fair price is, puts this venue's own lag and
deviation on it, has the quoting participants follow, and lets a crowd take. Everything is drawn from the seed, so that steps driven by
hand repeat exactly.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections import deque
from collections.abc import Iterable
from decimal import Decimal

import attrs

from ...clock import Signal
from ...errors import ConcurrentUse, InputError, StopRequested
from ..engine.accounts import OrderRecord, TradingAccount
from ..engine.exchange import SimulatedExchange
from ..engine.instruments import Instrument, Kind, from_units
from .history import MadeUpHistory
from .prices import PriceSource
from .shape import MarketShape, Reverting

__all__ = ["MarketDriver", "MarketMaker", "MarketSettings"]

_log = logging.getLogger(__name__)

_PREMIUM_SHARE = 0.02
"""How much of its distance to the present premium the average premium makes up in each step."""

_LOWEST_MARK = Decimal("1e-8")
_SIZE_SPREAD = 0.8
"""The standard deviation of sizes, as a part of their mean: a fifth of it is certain, the rest is exponential."""

_ENDOWMENT_UNITS = 10**16 * 10**13
"""What each participant may spend of each asset: ten trillion coins, so that no length of run empties it."""


@attrs.frozen(kw_only=True)
class MarketSettings:
    """How one market behaves. Relative numbers are parts of the price.

    0.0001 is one basis point.

    Attributes:
        levels: Price levels a side that each quoting participant keeps.
        makers: How many participants quote, each with a grid of its own.
        spacing: The distance between a participant's levels.
        half_spread: The distance of the best quotes from this venue's price.
        level_value: The mean worth of a level, in quote.
        resize: The part of the levels that get a new size in each step.
        lag_steps: How many prices of the source (one a step, more where a fast replay passes several) this venue is behind.
        deviation: The standard deviation of this venue's own deviation from the fair price. Two venues with 0.0008 each are
            more than 20 basis points apart in about one step of thirteen.
        deviation_reversion: The part of its deviation that a venue loses in each step.
        take_chance: The probability that the crowd trades in a step.
        take_value: The mean worth of such a trade, in quote.
    """

    levels: int = attrs.field(default=40, validator=attrs.validators.in_(range(1, 1001)))
    makers: int = attrs.field(default=2, validator=attrs.validators.in_(range(1, 11)))
    spacing: float = 0.0001
    half_spread: float = 0.0001
    level_value: float = 15_000.0
    resize: float = 0.02
    lag_steps: int = attrs.field(default=0, validator=attrs.validators.in_(range(1001)))
    deviation: float = 0.0008
    deviation_reversion: float = 0.02
    take_chance: float = 0.3
    take_value: float = 2_000.0

    def __attrs_post_init__(self) -> None:
        for name, highest in (
            ("spacing", 0.01), ("half_spread", 0.01), ("deviation", 0.1), ("resize", 1.0), ("deviation_reversion", 1.0),
            ("take_chance", 1.0), ("level_value", 1e12), ("take_value", 1e12),
        ):  # fmt: skip
            value = getattr(self, name)
            if not 0 <= value <= highest:
                raise InputError(f"{name} must be from 0 to {highest:g}, got {value!r}")


class _Quoter:
    """One quoting participant.

    A grid of prices, and the orders that stand on it.
    """

    def __init__(
        self, account: TradingAccount, number: int, settings: MarketSettings, instrument: Instrument, ticks: float
    ) -> None:
        self.account = account
        self.grid = max(1, round(ticks * settings.spacing * (1 + 0.31 * number)))
        self.phase = number * self.grid // 3
        self.orders: dict[tuple[bool, int], OrderRecord] = {}  # (buys, place on the grid) -> order


class MarketMaker:
    """The market in one instrument of one venue.

    Only one thread may step it at a time.

    Args:
        exchange: Where it quotes.
        instrument: The instrument's id.
        prices: The fair price; give two venues equal sources to have them follow one price.
        venue: The venue's name; its own deviation depends on it.
        seed: What makes it repeat.
        settings: How it behaves.
        history: Whether the instrument gets a made-up past.
        step_s: Seconds between the steps that it will be driven with; the past is made for this pace.

    Raises:
        InputError: The price is below one tick.
        Rejected: UNKNOWN_INSTRUMENT.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        instrument: str,
        prices: PriceSource,
        *,
        venue: str = "",
        seed: int = 0,
        settings: MarketSettings | None = None,
        history: bool = True,
        step_s: float = 0.1,
    ) -> None:
        self.exchange = exchange
        self.instrument = exchange.instrument(instrument)
        self.settings = settings if settings is not None else MarketSettings()
        self.prices = prices
        self.steps = 0
        self.fair = prices.start
        """The fair price after the last step."""
        self._rng = random.Random(f"market:{seed}:{venue}:{instrument}")
        self._tick = float(self.instrument.tick)
        # What one lot is worth: at one unit of price, or at any price for an inverse contract.
        self._step = float(self.instrument.step * self.instrument.contract_value)
        self._inverse = self.instrument.kind is Kind.INVERSE
        self._premium = 0.0  # the moving average of the book's distance from the fair price, as a part of the price
        self._behind: deque[float] = deque([prices.start] * self.settings.lag_steps)
        self._apart = 0.0  # this venue's own deviation, as a part of the price
        ticks = prices.start / self._tick
        if ticks < 1:
            raise InputError(f"{instrument}: a price of {prices.start:g} is below the tick of {self.instrument.tick}")
        self._makers = [
            _Quoter(self._participant(f"maker-{number + 1}"), number, self.settings, self.instrument, ticks)
            for number in range(self.settings.makers)
        ]
        self._crowd = self._participant("crowd")
        self.shape = self._make_shape(step_s)
        """How the market trades and moves, before and after the exchange opened."""
        if history:
            self._remember(seed, ticks)

    def _participant(self, name: str) -> TradingAccount:
        endowment = from_units(_ENDOWMENT_UNITS)
        return self.exchange.create_account(
            f"{name}:{self.instrument.id}",
            balances={self.instrument.base: endowment, self.instrument.quote: endowment},
            house=True,
        )

    def _make_shape(self, step_s: float) -> MarketShape:
        """The statistics of everything that this market does."""
        settings, prices = self.settings, self.prices
        own = Reverting(settings.deviation, settings.deviation_reversion)
        return MarketShape(
            price=attrs.evolve(
                prices.shape, parts=(*prices.shape.parts, own), bounce=2 * settings.half_spread + settings.spacing
            ),
            step_s=step_s,
            trades=settings.take_chance * prices.per_step / step_s,
            trade_lots=max(1.0, settings.take_value / (1.0 if self._inverse else prices.start) / self._step),
            trade_spread=_SIZE_SPREAD,
        )

    def _remember(self, seed: int, ticks: float) -> None:
        """Gives the instrument its past.

        It ends at the fair price, so two venues with one seed share it but for their ticks.
        """
        history = MadeUpHistory(
            f"{seed}:{self.instrument.id}", self.exchange.server_time_ms(), round(ticks), self.shape
        )
        self.exchange.set_history(self.instrument.id, history)

    def step(self) -> None:
        """Moves on by one step.

        Every price that the source passes is quoted and may be traded at, in order.
        """
        self.steps += 1
        if self.instrument.terms is not None and self.exchange.contracts.closed(self.instrument.id):
            return  # it was delivered
        for fair in self.prices.step():
            self.fair = fair
            self._behind.append(fair)
            own = self._own_price(self._behind.popleft())
            self._quote_around(own)
            if self.instrument.terms is not None:
                self._set_references(fair, own)
            self._take()

    def _set_references(self, fair: float, own: float) -> None:
        """Sets the index to the fair price, and the mark to it with the average premium of this venue; pays what is due."""
        self._premium += _PREMIUM_SHARE * (own / fair - 1 - self._premium)
        contracts, name = self.exchange.contracts, self.instrument.id
        mark, index = (Decimal(f"{price:.8f}") for price in (fair * (1 + self._premium), fair))
        if index > 0:
            contracts.set_prices(name, mark=max(mark, _LOWEST_MARK), index=index)
        contracts.settle_due()

    def _own_price(self, fair: float) -> float:
        """What this venue makes of the fair price."""
        settings = self.settings
        keep = 1.0 - settings.deviation_reversion
        # The noise is scaled so that the deviation's long-run standard deviation is the one that was asked for.
        noise = settings.deviation * math.sqrt(1.0 - keep * keep)
        self._apart = keep * self._apart + self._rng.gauss(0, noise)
        return fair * math.exp(self._apart)

    def _quote_around(self, price: float) -> None:
        """Moves every participant's quotes to the price.

        Only levels that left or entered its grid, were filled or are resized change.
        """
        centre = max(2.0, price / self._tick)
        cancels: list[OrderRecord] = []
        wanted: list[tuple[_Quoter, tuple[bool, int], tuple[TradingAccount, bool, int, int]]] = []
        for maker in self._makers:
            self._plan(maker, centre, cancels, wanted)
        placed = self.exchange.requote(self.instrument.id, cancels, [quote for _, _, quote in wanted])
        for (maker, place, _), order in zip(wanted, placed, strict=True):
            if order is not None:
                maker.orders[place] = order

    def _plan(
        self,
        maker: _Quoter,
        centre: float,
        cancels: list[OrderRecord],
        wanted: list[tuple[_Quoter, tuple[bool, int], tuple[TradingAccount, bool, int, int]]],
    ) -> None:
        """What one participant takes out and what it puts in."""
        away = max(0.5, centre * self.settings.half_spread)
        bid = math.floor((centre - away - maker.phase) / maker.grid)
        ask = math.ceil((centre + away - maker.phase) / maker.grid)
        levels, orders, rng = self.settings.levels, maker.orders, self._rng
        for place, order in list(orders.items()):
            is_buy, number = place
            inside = bid - levels < number <= bid if is_buy else ask <= number < ask + levels
            if order.state.final:
                del orders[place]
            elif not inside or rng.random() < self.settings.resize:
                cancels.append(order)
                del orders[place]
        for is_buy, numbers in ((True, range(bid, bid - levels, -1)), (False, range(ask, ask + levels))):
            for number in numbers:
                ticks = number * maker.grid + maker.phase
                if (is_buy, number) not in orders and ticks >= 1:
                    lots = self._lots(self.settings.level_value, ticks)
                    wanted.append((maker, (is_buy, number), (maker.account, is_buy, ticks, lots)))

    def _lots(self, value: float, ticks: int) -> int:
        """A random size with a mean value in quote."""
        worth = value * (1 - _SIZE_SPREAD + self._rng.expovariate(1 / _SIZE_SPREAD))
        return max(1, round(worth / (1.0 if self._inverse else ticks * self._tick) / self._step))

    def _take(self) -> None:
        """Lets the crowd trade now and then."""
        if self._rng.random() >= self.settings.take_chance:
            return
        is_buy = self._rng.random() < 0.5
        lots = self._lots(self.settings.take_value, max(1, round(self.fair / self._tick)))
        self.exchange.sweep(self.instrument.id, self._crowd, is_buy, lots)


class MarketDriver:
    """Steps markets at a fixed pace, in a thread or by hand.

    A step that comes late is made up for, so that the number of steps follows the clock and two venues that started together stay
    together; after a pause of more than ``catch_up`` steps (a suspended machine) the pace restarts.

    Args:
        exchange: Whose clock is followed.
        markets: What to step, in this order.
        step_s: Seconds between steps.
        catch_up: How many steps may be made up for.

    Raises:
        InputError: ``step_s`` is not above 0.
    """

    def __init__(
        self, exchange: SimulatedExchange, markets: Iterable[MarketMaker], *, step_s: float = 0.1, catch_up: int = 50
    ) -> None:
        if not 0 < step_s <= 3600:
            raise InputError(f"step_s must be above 0 and at most 3600, got {step_s!r}")
        self.markets = tuple(markets)
        self.step_s = step_s
        self.error: BaseException | None = None
        """What ended the thread, if anything did."""
        self._clock = exchange.clock
        self._catch_up = max(1, catch_up)
        self._lock = threading.Lock()  # guards _thread and _stop, and lets only one start or stop at a time
        self._stepping = threading.Lock()  # held during a step, so that two threads cannot step at once
        self._thread: threading.Thread | None = None
        self._stop = Signal()

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def step(self, count: int = 1) -> None:
        """Makes steps now, in this thread.

        Raises:
            ConcurrentUse: Another thread is stepping.
        """
        if not self._stepping.acquire(blocking=False):
            other = self._thread.name if self._thread is not None else "another thread"
            raise ConcurrentUse(f"{threading.current_thread().name} wants to step a market that {other} is stepping")
        try:
            for _ in range(count):
                for market in self.markets:
                    market.step()
        finally:
            self._stepping.release()

    def start(self) -> MarketDriver:
        """Starts the thread after one step that fills the books; returns itself.

        Raises:
            ConcurrentUse: It runs already.
        """
        with self._lock:
            if self.running:
                raise ConcurrentUse("the market is running already")
            self.step()
            self._stop = Signal()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="fmzthreads-market", daemon=True)
            self._thread.start()
        return self

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Ends the thread and waits for it; without one it does nothing.

        Returns:
            Whether it has ended within ``timeout_s`` real seconds.
        """
        with self._lock:
            thread = self._thread
            self._stop.set()
            if thread is None:
                return True
            thread.join(timeout_s)
            if thread.is_alive():
                return False
            self._thread = None
            return True

    def __enter__(self) -> MarketDriver:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self, stop: Signal) -> None:
        try:
            due = self._clock.monotonic() + self.step_s
            while not self._clock.wait((stop,), due - self._clock.monotonic()):
                with self._stepping:
                    for market in self.markets:
                        market.step()
                due += self.step_s
                late = self._clock.monotonic() - due
                if late > self._catch_up * self.step_s:
                    due += late
        except StopRequested:
            pass  # the clock's owner stops everything that waits on it; that is an ordinary end
        except Exception as error:  # the thread would die unseen, and the market would silently stand still
            self.error = error
            _log.exception("the simulated market stopped")
