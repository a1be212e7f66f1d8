"""The trading rules of a market, numbers cut to them, and a cache of them that many threads may ask at once.

Everything that goes to a venue is an exact decimal. A float is read by its shortest text (``0.1`` is one tenth), then cut, never rounded
up: FMZ drops the digits that a market does not take.
"""

from __future__ import annotations

import numbers
import threading
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

import attrs

from ..clock import Clock
from ..errors import FmzError, InputError, UnknownSymbol, nearest
from ..structures import Market
from ..tasks.single_flight import SingleFlight

__all__ = ["MarketBook", "MarketRules", "cut", "decimal_of", "plain_text", "to_precision"]

# Wide enough that no price or amount of any venue loses a digit: quotients are exact far beyond any tick.
_EXACT = Context(prec=60, rounding=ROUND_DOWN)

# How far, in steps, a price may lie from a multiple because of float noise. A double carries 15 to 17 digits, so that a price of
# up to 10^9 ticks is wrong by less than 10^-6 of a tick; nobody means a price by a millionth of a tick.
_NOISE = Decimal("1e-6")


def decimal_of(name: str, value: Any, *, most: Decimal | None = None) -> Decimal:
    """An exact decimal from a number, by its shortest text.

    Args:
        name: What it is, for the message.
        value: An int, float or Decimal, or a number of numpy. Text and booleans are refused: both are mistakes where money is meant.
        most: The largest magnitude; None for any.

    Raises:
        InputError: It is not a number, it is NaN or infinite, or it is beyond ``most``.
    """
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, float):
        # float.__repr__, because numpy's own float64 is a float whose repr is not a number.
        number = Decimal(float.__repr__(value))
    elif isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    elif isinstance(value, numbers.Integral):
        number = Decimal(int(value))
    else:
        try:
            number = Decimal(str(value))  # numpy's float32 and the like
        except InvalidOperation:
            raise InputError(f"{name} must be a number, got {value!r} ({type(value).__name__})") from None
    if not number.is_finite():
        raise InputError(f"{name} must be finite, got {value!r}")
    if most is not None and number.copy_abs() > most:
        raise InputError(f"{name} must be at most {most:g}, got about 1e{number.adjusted()}; nothing was sent")
    return number


def plain_text(number: Decimal) -> str:
    """A decimal as text without exponent and without trailing zeros: what is sent to a venue."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def cut(number: Decimal, step: Decimal | None, *, forgive_noise: bool = False) -> Decimal:
    """Cuts a number toward zero to a multiple of a step.

    Args:
        number: What is cut.
        step: The step; None or 0 leaves the number as it is.
        forgive_noise: Whether a number that lies within a millionth of a step of a multiple is taken for that multiple, so that
            ``0.01`` above ``64999.98`` is ``64999.99`` although a float makes it ``64999.990000000005`` or ``64999.98999999999``.
            Only for prices: an amount must never grow, not even by noise.

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
    """Drops the digits behind the point beyond ``digits``; None leaves the number as it is (``SetPrecision``)."""
    if digits is None:
        return number
    return cut(number, Decimal(1).scaleb(-digits), forgive_noise=forgive_noise)


def _optional(value: Any) -> Decimal | None:
    # A venue that says 0 (or nothing, or nonsense) for a limit means that there is none.
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number > 0 else None


def _step(size: Any, digits: Any) -> Decimal | None:
    found = _optional(size)
    if found is None and isinstance(digits, int) and not isinstance(digits, bool):
        return Decimal(1).scaleb(-digits)
    return found


@attrs.frozen(kw_only=True)
class MarketRules:
    """What a market accepts, as exact decimals; None where the venue does not say.

    Attributes:
        symbol: FMZ's symbol.
        tick: The step of prices, in quote currency.
        step: The step of amounts, in base currency (in contracts for futures).
        min_amount: The least amount of an order.
        max_amount: The largest amount of an order.
        min_notional: The least price times amount, in quote currency.
        max_notional: The largest price times amount, in quote currency.
    """

    symbol: str
    tick: Decimal | None = None
    step: Decimal | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None

    @classmethod
    def of(cls, symbol: str, market: Mapping[str, Any]) -> MarketRules:
        """The rules in a ``Market`` structure."""
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

    def cut_price(self, price: Decimal) -> Decimal:
        """Cuts a price down to a tick; float noise around a tick is forgiven."""
        return cut(price, self.tick, forgive_noise=True)

    def cut_amount(self, amount: Decimal) -> Decimal:
        """Cuts an amount down to a step; never up."""
        return cut(amount, self.step)

    def check_amount(self, amount: Decimal) -> None:
        """Refuses an amount in base currency (or contracts) that the market does not take.

        Raises:
            InputError: It is below the least or above the largest.
        """
        if self.min_amount is not None and amount < self.min_amount:
            raise InputError(
                f"amount {plain_text(amount)} is below the least of {self.symbol}, {plain_text(self.min_amount)}; nothing was sent"
            )
        if self.max_amount is not None and amount > self.max_amount:
            raise InputError(
                f"amount {plain_text(amount)} is above the largest of {self.symbol}, {plain_text(self.max_amount)}; nothing was sent"
            )

    def check_notional(self, notional: Decimal) -> None:
        """Refuses an order whose worth in quote currency the market does not take.

        Raises:
            InputError: It is below the least or above the largest.
        """
        if self.min_notional is not None and notional < self.min_notional:
            raise InputError(
                f"an order worth {plain_text(notional)} is below the least of {self.symbol}, "
                f"{plain_text(self.min_notional)} of quote currency; nothing was sent"
            )
        if self.max_notional is not None and notional > self.max_notional:
            raise InputError(
                f"an order worth {plain_text(notional)} is above the largest of {self.symbol}, "
                f"{plain_text(self.max_notional)} of quote currency; nothing was sent"
            )


class MarketBook:
    """The rules of all symbols of one venue, fetched once, shared by all threads.

    Many threads that ask at the same time cause one fetch; they all get its result, or each a copy of its error. A failed fetch
    leaves what was known before, and the next call tries again.

    Args:
        fetch: Fetches all markets; may raise from the error tree.
        clock: Measures age.
        max_age_s: Rules older than this many seconds are fetched anew; when that fails, the old ones serve on.
        miss_age_s: A symbol that is not in rules younger than this is unknown without asking again.
    """

    def __init__(
        self,
        fetch: Callable[[], dict[str, Market]],
        clock: Clock,
        *,
        max_age_s: float = 3600.0,
        miss_age_s: float = 60.0,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_age_s = max_age_s
        self._miss_age_s = miss_age_s
        self._flight: SingleFlight[None] = SingleFlight(clock)
        self._lock = threading.Lock()  # guards that _rules and _fetched_at change together
        self._rules: dict[str, MarketRules] = {}
        self._fetched_at: float | None = None

    def put(self, markets: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes over markets that somebody fetched."""
        rules = {symbol: MarketRules.of(symbol, market) for symbol, market in markets.items()}
        with self._lock:
            self._rules = rules  # replaced, never changed, so that a reader needs no copy
            self._fetched_at = self._clock.monotonic()

    def forget(self) -> None:
        """Makes the next call fetch anew (another base URL, say)."""
        with self._lock:
            self._fetched_at = None

    def rules(self, symbol: str) -> MarketRules:
        """The rules of one symbol.

        Raises:
            UnknownSymbol: The venue does not list it.
            FmzError: They could not be fetched and none are known, as the fetch raised it.
        """
        rules, age = self._known()
        found = rules.get(symbol)
        if age is None or age > (self._max_age_s if found is not None else self._miss_age_s):
            try:
                self._refresh()
            except FmzError:
                if found is None:
                    raise
                return found  # old rules are better than none: ticks and steps change a few times a year
            rules, _ = self._known()
            found = rules.get(symbol)
        if found is None:
            raise UnknownSymbol(f"the venue does not list {symbol!r}{nearest(symbol, rules)}")
        return found

    def _known(self) -> tuple[dict[str, MarketRules], float | None]:
        with self._lock:
            age = None if self._fetched_at is None else self._clock.monotonic() - self._fetched_at
            return self._rules, age

    def _refresh(self) -> None:
        self._flight.run(lambda: self.put(self._fetch()))
