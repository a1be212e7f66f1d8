"""The trading rules of a market, numbers cut to them, and a thread-safe cache of them.

Numbers are sent to a venue as exact decimals. A float is read by its shortest text (``0.1`` is one tenth), then cut, never rounded up: FMZ
drops the digits that a market does not accept.
"""

from __future__ import annotations

import copy
import logging
import math
import threading
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

import attrs

from ..arguments import exact_decimal
from ..clock import Clock
from ..errors import FmzError, InputError, StopRequested, UnknownSymbol
from ..fork import after_fork_in_child
from ..tasks.single_flight import SingleFlight

__all__ = ["MarketBook", "MarketRules", "OrderBounds", "cut", "plain_text", "to_precision"]

_log = logging.getLogger("fmzthreads.exchange")

# Wide enough for every price and amount: quotients are exact far beyond any tick.
_EXACT = Context(prec=60, rounding=ROUND_DOWN)

# How far, in steps, a price may lie from a multiple because of float noise. A double carries 15 to 17 digits, so that a price of
# up to 10^9 ticks is wrong by less than 10^-6 of a tick.
_MOST_PLACES = 30  # no market has more than 18 decimals
_NOISE = Decimal("1e-6")


def plain_text(number: Decimal) -> str:
    """Returns a decimal as text without exponent and trailing zeros, as sent to a venue."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def cut(number: Decimal, step: Decimal | None, *, forgive_noise: bool = False) -> Decimal:
    """Cuts a number toward zero to a multiple of a step.

    Args:
        number: The number.
        step: The step; None or 0 leaves the number unchanged.
        forgive_noise: Whether a number within a millionth of a step of a multiple counts as that multiple, so that ``64999.98 + 0.01``
            is ``64999.99`` although a float gives ``64999.990000000005`` or ``64999.98999999999``. Only for prices: an amount must never
            grow, not even by rounding noise.

    Returns:
        An exact multiple of ``step``.
    """
    if not step:
        return number
    steps = _EXACT.divide(number, step)
    whole = steps.to_integral_value(rounding=ROUND_DOWN)
    if forgive_noise:
        close = steps.to_integral_value(rounding=ROUND_HALF_EVEN)
        if abs(steps - close) <= _NOISE:
            whole = close
    # A quotient with more digits than the context has is cut too, so that this can only be too small, never too large.
    return _EXACT.multiply(whole, step)


def to_precision(number: Decimal, digits: int | None, *, forgive_noise: bool = False) -> Decimal:
    """Drops the decimals beyond ``digits``; None leaves the number unchanged (``SetPrecision``)."""
    if digits is None:
        return number
    return cut(number, Decimal(1).scaleb(-digits), forgive_noise=forgive_noise)


def _optional(value: Any) -> Decimal | None:
    # Venues write 0, nothing, or text that is no number where there is no limit.
    if value is None or isinstance(value, bool):
        return None
    try:
        number = exact_decimal("a rule", Decimal(value) if isinstance(value, str) else value)
    except (InvalidOperation, InputError):
        return None
    return number if number > 0 else None


def _step(size: Any, digits: Any) -> Decimal | None:
    found = _optional(size)
    if found is None and type(digits) is int and abs(digits) <= _MOST_PLACES:
        return Decimal(1).scaleb(-digits)
    return found


@attrs.frozen(kw_only=True)
class OrderBounds:
    """The limits of a market for one kind of orders, as exact decimals; None for no limit.

    Attributes:
        step: The step of amounts, in base currency (in contracts for futures).
        min_amount: The least amount of an order.
        max_amount: The largest amount of an order.
        min_notional: The least price times amount, in quote currency.
        max_notional: The largest price times amount, in quote currency.
    """

    step: Decimal | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None

    def admit(self, amount: Decimal | None, notional: Decimal | None) -> bool:
        """Returns whether an amount and a value in quote currency are within the bounds; None is not compared."""
        if amount is not None and (
            (self.min_amount is not None and amount < self.min_amount)
            or (self.max_amount is not None and amount > self.max_amount)
        ):
            return False
        return notional is None or not (
            (self.min_notional is not None and notional < self.min_notional)
            or (self.max_notional is not None and notional > self.max_notional)
        )


@attrs.frozen(kw_only=True)
class MarketRules(OrderBounds):
    """The rules of a market; the bounds of the rules themselves hold for limit orders.

    Attributes:
        symbol: FMZ's symbol.
        tick: The step of prices, in quote currency.
        at_market: The bounds of market orders; None where they are the same.
    """

    symbol: str
    tick: Decimal | None = None
    at_market: OrderBounds | None = None

    @classmethod
    def of(cls, symbol: str, market: Mapping[str, Any]) -> MarketRules:
        """Returns the rules in a ``Market`` structure, which has one set of limits for all kinds of orders."""
        get = market.get
        return cls(
            symbol=symbol,
            tick=_step(get("TickSize"), get("PricePrecision")),
            step=_step(get("AmountSize"), get("AmountPrecision")),
            min_amount=_optional(get("MinQty")),
            max_amount=_optional(get("MaxQty")),
            min_notional=_optional(get("MinNotional")),
            max_notional=_optional(get("MaxNotional")),
        )

    @classmethod
    def of_bounds(
        cls, symbol: str, tick: Decimal | None, limit: OrderBounds, at_market: OrderBounds | None
    ) -> MarketRules:
        """Returns the rules made of the bounds of limit orders and of market orders."""
        return cls(symbol=symbol, tick=tick, at_market=at_market, **attrs.asdict(limit))

    def agrees_with(self, other: MarketRules) -> bool:
        """Whether another market's tick and bounds of limit orders are the same."""
        return attrs.evolve(self, at_market=None) == attrs.evolve(other, at_market=None)

    def bounds(self, *, market: bool) -> OrderBounds:
        """Returns the bounds of market orders, or of limit orders."""
        return self.at_market if market and self.at_market is not None else self

    def cut_price(self, price: Decimal) -> Decimal:
        """Cuts a price down to a tick; float noise around a tick is ignored."""
        return cut(price, self.tick, forgive_noise=True)

    def cut_amount(self, amount: Decimal, *, market: bool = False) -> Decimal:
        """Cuts an amount down to a step; never up."""
        return cut(amount, ((market and self.at_market) or self).step)

    def check_amount(self, amount: Decimal, *, market: bool = False) -> None:
        """Raises InputError for an amount in base currency (or contracts) that the market does not accept.

        Raises:
            InputError: It is below the minimum or above the maximum.
        """
        bounds = (market and self.at_market) or self
        self._check("amount", amount, bounds.min_amount, bounds.max_amount, "", market)

    def check_notional(self, notional: Decimal, *, market: bool = False) -> None:
        """Raises InputError for an order value in quote currency that the market does not accept.

        Raises:
            InputError: It is below the minimum or above the maximum.
        """
        bounds = (market and self.at_market) or self
        self._check("order value", notional, bounds.min_notional, bounds.max_notional, " of quote currency", market)

    def _check(
        self, what: str, value: Decimal, least: Decimal | None, most: Decimal | None, unit: str, market: bool
    ) -> None:
        if least is not None and value < least:
            side, bound = "below the minimum", least
        elif most is not None and value > most:
            side, bound = "above the maximum", most
        else:
            return
        kind = " market order" if market else ""
        raise InputError(
            f"{what} {plain_text(value)} is {side}{kind} of {self.symbol}, {plain_text(bound)}{unit}; nothing was sent"
        )


class MarketBook:
    """The rules of the symbols that an exchange object uses, each fetched alone and shared by all threads.

    Several threads that ask for one symbol at the same time cause one fetch; all get its result, or a copy of its error. A failed fetch
    keeps the known rules, and the next call tries again. Old rules are refreshed in the background and used meanwhile; rules that a refusal
    of the venue has shown to be wrong are waited for.

    Args:
        fetch: Fetches the rules of one symbol; raises from the error tree.
        clock: Measures age.
        max_age_s: The age at which rules are refreshed in the background, in seconds.
        miss_age_s: How long a symbol that the venue does not list stays unknown without another request, in seconds.
        retry_s: The shortest time between two fetches in the background, in seconds.
        refusal_s: The shortest time between two refusals that each cause a fetch, in seconds. A strategy that repeats a refused order
            must not use up the venue's request limit.
    """

    def __init__(
        self,
        fetch: Callable[[str], MarketRules],
        clock: Clock,
        *,
        max_age_s: float = 3600.0,
        miss_age_s: float = 60.0,
        retry_s: float = 30.0,
        refusal_s: float = 5.0,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_age_s = max_age_s
        self._miss_age_s = miss_age_s
        self._retry_s = retry_s
        self._refusal_s = refusal_s
        self._lock = threading.Lock()  # guards the fields below; _known is looked up without it
        self._known: dict[str, _Known] = {}
        self._missing: dict[str, tuple[float, UnknownSymbol]] = {}
        self._flights: dict[str, SingleFlight[MarketRules]] = {}
        self._renewals: dict[str, float] = {}  # when a fetch in the background may begin again
        self._refusals: dict[str, float] = {}  # when the last refusal that caused a fetch came
        self._generation = 0
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the threads that were fetching do not exist here."""
        self._lock = threading.Lock()
        self._flights = {}
        self._renewals = {}

    def rules(self, symbol: str) -> MarketRules:
        """Returns the rules of one symbol.

        Raises:
            UnknownSymbol: The venue does not list it.
            FmzError: They could not be fetched and none are known, as the fetch raised it.
        """
        known = self._known.get(symbol)
        if known is None:
            missing = self._missing.get(symbol)
            if missing is not None and self._clock.monotonic() - missing[0] <= self._miss_age_s:
                raise copy.copy(missing[1])
            return self._refresh(symbol, None)
        if known.refused and self._clock.monotonic() >= known.wait_from:
            return self._refresh_refused(symbol, known)
        if known.refused or self._clock.monotonic() - known.fetched_at > self._max_age_s:
            self.prefetch(symbol, renew=True)
        return known.rules

    def _refresh_refused(self, symbol: str, known: _Known) -> MarketRules:
        """Waits for new rules; while they cannot be fetched, the old ones are used, and orders wait for a fetch every ``retry_s`` only."""
        try:
            return self._refresh(symbol, known)
        except (UnknownSymbol, StopRequested):
            raise
        except FmzError:  # old rules are better than nothing: ticks and steps change a few times a year
            with self._lock:
                if self._known.get(symbol) is known:
                    self._known[symbol] = attrs.evolve(known, wait_from=self._clock.monotonic() + self._retry_s)
            return known.rules

    def prefetch(self, symbol: str, *, renew: bool = False) -> None:
        """Starts fetching a symbol's rules in the background, unless they are known or a fetch has just failed.

        Args:
            symbol: FMZ's symbol.
            renew: Whether to fetch rules that are known too.
        """
        if not renew and (symbol in self._known or symbol in self._renewals):
            return
        now = self._clock.monotonic()
        with self._lock:
            known = self._known.get(symbol)
            if now < self._renewals.get(symbol, -math.inf):
                return
            self._renewals[symbol] = now + self._retry_s
        thread = threading.Thread(target=self._renew, args=(symbol, known), name=f"rules of {symbol}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can be had: the call that needs the rules fetches them itself
            pass

    def _renew(self, symbol: str, known: _Known | None) -> None:
        try:
            self._refresh(symbol, known)
        except FmzError:  # the call that needs the rules meets the error again, or uses those that are known
            pass
        except Exception:  # a defect of the adapter, which no call meets while there are known rules
            _log.warning("the rules of %s could not be fetched in the background", symbol, exc_info=True)

    def refused(self, symbol: str) -> None:
        """Marks rules as wrong after a refusal: they are fetched at once, and the next order waits for them.

        Further refusals within ``refusal_s`` change nothing.
        """
        now = self._clock.monotonic()
        with self._lock:
            if now < self._refusals.get(symbol, -math.inf) + self._refusal_s:
                return
            self._refusals[symbol] = now
            known = self._known.get(symbol)
            if known is not None:
                self._known[symbol] = attrs.evolve(known, refused=True)
            self._renewals.pop(symbol, None)
        self.prefetch(symbol, renew=True)

    def compare(self, markets: Mapping[str, Mapping[str, Any]]) -> None:
        """Compares the rules with fetched markets: those that differ are fetched at once, and the next order waits for them."""
        for symbol, known in list(self._known.items()):
            if symbol not in markets or not known.rules.agrees_with(MarketRules.of(symbol, markets[symbol])):
                self.refused(symbol)

    def forget(self) -> None:
        """Drops all rules, such as after a change of the base URL."""
        with self._lock:
            self._known, self._missing, self._renewals, self._refusals = {}, {}, {}, {}
            self._flights = {}  # calls from now on must not get the result of an earlier fetch
            self._generation += 1

    def _refresh(self, symbol: str, known: _Known | None) -> MarketRules:
        """Fetches rules in place of those that the caller found, unless another thread's fetch has just ended."""

        def _load_if_old() -> MarketRules:
            now = self._known.get(symbol)
            if now is None or now is known or now.refused:
                return self._load(symbol)
            return now.rules

        with self._lock:
            flight = self._flights.get(symbol)
            if flight is None:
                flight = self._flights[symbol] = SingleFlight(self._clock)
        return flight.run(_load_if_old)

    def _load(self, symbol: str) -> MarketRules:
        generation, refusal = self._generation, self._refusals.get(symbol)
        try:
            rules = self._fetch(symbol)
        except UnknownSymbol as error:
            with self._lock:
                if generation == self._generation:
                    self._missing[symbol] = (self._clock.monotonic(), error)
                    self._known.pop(symbol, None)
            raise
        with self._lock:
            if generation == self._generation:
                # A refusal while the fetch was under way may be of rules that are newer than its reply.
                refused = self._refusals.get(symbol) != refusal
                self._known[symbol] = _Known(rules, self._clock.monotonic(), refused)
                self._missing.pop(symbol, None)
        return rules


@attrs.frozen
class _Known:
    rules: MarketRules
    fetched_at: float
    refused: bool = False
    wait_from: float = -math.inf  # when an order may next wait for refused rules
