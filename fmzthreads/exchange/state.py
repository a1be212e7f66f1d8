"""What the calls of one exchange object share: its settings, its caches and limits, its journal, and the last raw reply of each thread."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from ..clock import Clock
from ..errors import FmzError, InputError, StopRequested
from .bars import BarBook
from .call_limits import CallLimits
from .host import Host
from .live_books import LiveBooks
from .market_rules import MarketBook, decimal_of
from .order_log import IntentLog, LookupPlan
from .venue import Venue

__all__ = ["Core", "Settings", "split_symbol", "whole_number"]

T = TypeVar("T")

_MOST_DIGITS = 30  # behind the point; no market has more than 18
DEFAULT_BAR_CAP = 5000  # FMZ's documented number of bars kept by a live robot


def whole_number(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """An argument that must be a whole number.

    Args:
        name: What it is, for the message.
        value: An int, or a float without a fraction.
        least: The least value.
        most: The largest value; None for any.

    Raises:
        InputError: It is not a whole number, less than ``least``, or more than ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name} must be a whole number, got {value!r}")
    if value != int(value) or value < least:
        raise InputError(f"{name} must be a whole number of {least} or more, got {value!r}")
    if most is not None and value > most:
        raise InputError(f"{name} must be a whole number of {most} or less, got {value!r}")
    return int(value)


def split_symbol(text: Any) -> tuple[str, str]:
    """Splits FMZ's symbol into its pair, in upper case, and its contract code (empty for spot).

    Args:
        text: ``BTC_USDT``, or ``BTC_USDT.swap``.

    Raises:
        InputError: It is not of that form.
    """
    if not isinstance(text, str):
        raise InputError(f"a symbol must be text such as 'BTC_USDT', got {text!r}")
    pair, _, code = text.partition(".")
    base, underscore, quote = pair.partition("_")
    if not (base and underscore and quote) or "_" in quote or not pair.isprintable() or any(map(str.isspace, text)):
        raise InputError(f"a symbol must be like 'BTC_USDT' (or 'BTC_USDT.swap' for a contract), got {text!r}")
    return pair.upper(), code


@attrs.frozen(kw_only=True)
class Settings:
    """How an exchange object is set at one moment. A call keeps the settings that it began with.

    Attributes:
        pair: The current pair, such as ``BTC_USDT``.
        contract: The current contract code; empty for spot.
        period_s: The default length of a bar, in seconds.
        price_digits: Digits behind the point of prices; None for the market's own.
        amount_digits: Digits behind the point of amounts; None for the market's own.
        rate: What prices are multiplied with on their way to the strategy, and divided by on their way to the venue.
        bar_cap: How many bars are kept of each symbol and period.
        first_bars: How many bars are asked for at first; None for what the venue gives in one request.
    """

    pair: str
    contract: str = ""
    period_s: int = 60
    price_digits: int | None = None
    amount_digits: int | None = None
    rate: Decimal = Decimal(1)
    bar_cap: int = DEFAULT_BAR_CAP
    first_bars: int | None = None

    @property
    def symbol(self) -> str:
        """The pair, with the contract where there is one."""
        return f"{self.pair}.{self.contract}" if self.contract else self.pair

    def symbol_of(self, text: Any) -> str:
        """The symbol that an argument means: empty text is the current one.

        Raises:
            InputError: It is not a symbol.
        """
        if text is None or text == "":
            return self.symbol
        pair, code = split_symbol(text)
        return f"{pair}.{code}" if code else pair


class _Local(threading.local):
    raw = ""


class Core:
    """The shared state of one exchange object; every method may be called from many threads at once.

    Args:
        venue: The adapter.
        host: The journal and the clock.
        label: The exchange's label, for the journal.
        settings: The first settings.
        limited: The names of the functions that call limits may be set for.
        plan: How an order's unknown outcome is settled.
    """

    def __init__(
        self, venue: Venue, host: Host, label: str, settings: Settings, limited: frozenset[str], plan: LookupPlan
    ) -> None:
        self.venue = venue
        self.host = host
        self.label = label
        self.plan = plan
        self.clock: Clock = host.clock
        self.markets = MarketBook(venue.markets, self.clock)
        self.bars = BarBook(venue, self.clock)
        self.intents = IntentLog(self.clock)
        self.limits = CallLimits(self.clock, limited)
        self.live = LiveBooks(venue, self.clock, lambda: self.host, label)
        self._lock = threading.Lock()  # guards _settings against two changes at once, and _last_error
        self._settings = settings
        self._last_error = ""
        self._local = _Local()

    @property
    def settings(self) -> Settings:
        """The settings now; a snapshot that no later change reaches."""
        return self._settings

    def change(self, **changes: Any) -> Settings:
        """Changes settings for the calls to come."""
        with self._lock:
            self._settings = attrs.evolve(self._settings, **changes)
            return self._settings

    def set_currency(self, text: Any) -> bool:
        """Switches the pair for the calls to come; the contract is forgotten unless the text has one. True.

        Raises:
            InputError: It is not a pair.
        """
        pair, code = split_symbol(text)
        self.change(pair=pair, contract=code)
        return True

    def set_precision(self, price: Any, amount: Any) -> None:
        """Sets the digits that prices and amounts of orders are cut to.

        Raises:
            InputError: One is not a whole number from 0 to 30.
        """
        digits = (
            whole_number("pricePrecision", price, most=_MOST_DIGITS),
            whole_number("amountPrecision", amount, most=_MOST_DIGITS),
        )
        self.change(price_digits=digits[0], amount_digits=digits[1])

    def set_rate(self, rate: Any) -> float:
        """Sets the factor of prices, and returns it.

        Raises:
            InputError: It is not a number above 0.
        """
        factor = decimal_of("rate", rate)
        if factor <= 0:
            raise InputError(f"rate must be more than 0, got {rate!r}")
        self.change(rate=factor)
        return float(factor)

    def set_bar_cap(self, count: Any) -> None:
        """Sets how many bars are asked for at first and kept.

        Raises:
            InputError: It is not a whole number of 1 or more.
        """
        cap = whole_number("n", count, least=1)
        self.change(bar_cap=cap, first_bars=cap)

    def set_proxy(self, proxy: Any) -> bool:
        """Hands a proxy to the venue. True.

        Raises:
            InputError: It is not text, or the venue refuses its form.
        """
        if not isinstance(proxy, str):
            raise InputError(f"a proxy must be text, got {type(proxy).__name__}")
        self.venue.set_proxy(proxy)
        self.live.renew()
        return True

    def set_timeout(self, timeout_ms: Any) -> bool:
        """Hands a time-out to the venue. True.

        Raises:
            InputError: It is not a number above 0.
        """
        value = decimal_of("timeout", timeout_ms)
        if value <= 0:
            raise InputError(f"a time-out must be more than 0 ms, got {timeout_ms!r}")
        self.venue.set_timeout(float(value))
        return True

    def set_base(self, url: Any) -> str:
        """Sends the calls to come to another base URL, and forgets what the old one said.

        Raises:
            InputError: It is not a URL.
        """
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            shown = repr(url.partition("?")[0].rpartition("@")[2]) if isinstance(url, str) else type(url).__name__
            raise InputError(f"a base address must begin with http:// or https://, got {shown}")
        self.venue.set_base(url)
        self.markets.forget()
        self.bars.forget()
        self.live.renew()
        return self.venue.base()

    def run(self, name: str, work: Callable[[], T], raw: list[str] | None = None) -> T:
        """Runs one call: counts it against the limits, keeps its raw reply, and writes its error line if it fails.

        Args:
            name: The method's name, for limits and the journal.
            work: The call.
            raw: Where its raw reply goes; None for this thread's own place.

        Raises:
            Exception: Whatever the call raised, after its line was written (a stop leaves no line).
        """
        before = self.venue.raw_json()
        try:
            return work()
        except StopRequested:
            raise
        except FmzError as error:
            self.report(name, error)
            raise
        except Exception as error:  # a fault of ours or of an adapter: written down as such, and raised
            self.report(name, error, fault=True)
            raise
        finally:
            after = self.venue.raw_json()
            # Another object means another reply, even if it reads the same; the same one is left from an earlier call of this thread.
            if after is not before:
                self.keep_raw(after) if raw is None else raw.append(after)

    def report(self, name: str, error: BaseException, *, fault: bool = False) -> None:
        """Writes one error line, and keeps its text."""
        text = f"{name}: {type(error).__name__}: {error}" if fault else f"{name}: {error}"
        with self._lock:
            self._last_error = text
        self.host.error(text, source=self.label)

    def take_last_error(self) -> str:
        """The text of the last error, once; empty when there was none since."""
        with self._lock:
            text, self._last_error = self._last_error, ""
            return text

    def keep_raw(self, text: str) -> None:
        """Makes a raw reply this thread's last one."""
        self._local.raw = text

    @property
    def raw(self) -> str:
        """The raw reply of the last call that this thread made (or whose result it took)."""
        return self._local.raw
