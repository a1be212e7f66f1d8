"""What every call to an exchange of ccxt needs: its objects, its markets, and the connection."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...clock import Clock, WallClock
from ...errors import NotSupported
from ...exchange.keys.credentials import Credentials
from ...exchange.market_rules import MarketRules
from ...exchange.venue import BaseVenue
from ...http.client import HttpClient, HttpOptions
from ...http.reply import Reply
from ...http.url import check_base
from ...structures import Market
from ..rest.plain_http import PlainHttpCheck
from ..rest.rows import OddRows
from . import convert
from .calls import CcxtCalls
from .client_ids import BY_CLIENT_ID, CLIENT_IDS
from .objects import CcxtObjects, LoadedMarkets
from .wire import Wire

__all__ = ["FRESH_S", "CcxtCore", "within"]

T = TypeVar("T")

FRESH_S = 30.0  # the rules of a symbol come with those of all: a list this new serves the other symbols too
_UNKNOWN_SETTLING_S = 10.0
_USUAL_LEVELS = 100
_USUAL_BARS = 500
_MOST_ROWS = 10**9

# Exchanges whose nonces must grow from request to request, so that a private request waits for the one before.
_ORDERED = frozenset({
    "bit2c", "bitbank", "bitfinex", "btcbox", "coincheck", "coinmate", "coinspot", "gemini", "independentreserve", "indodax", "kraken",
    "krakenfutures", "ndax", "p2b", "whitebit", "zaif",
})  # fmt: skip


class CcxtCore(BaseVenue):
    """An exchange of the ccxt library, without its calls; see ``CcxtVenue`` for the arguments."""

    exact_outcomes = True

    _ids_sent: frozenset[str] = CLIENT_IDS
    _ids_asked: frozenset[str] = BY_CLIENT_ID

    def __init__(
        self,
        exchange_id: str,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        ccxt_options: Mapping[str, Any] | None = None,
        paced: bool = True,
        settling_s: float | None = None,
        client_order_ids: bool | None = None,
        one_at_a_time: bool | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        self.name = self._name_of(exchange_id)
        self.exchange_id = exchange_id
        self._clock: Clock = clock if clock is not None else WallClock()
        self.keys = credentials if credentials is not None else Credentials()
        self._plain = PlainHttpCheck(self.name, allow=allow_plain_http)
        http_options = options if options is not None else HttpOptions()
        self.http = HttpClient("", clock=self._clock, options=http_options)
        wire = Wire(
            self.name,
            self._clock,
            self.http,
            ordered=exchange_id in _ORDERED if one_at_a_time is None else one_at_a_time,
        )
        self._objects = CcxtObjects(
            exchange_id,
            wire,
            self._clock,
            credentials=self.keys,
            options={**self._usual_options(), **(ccxt_options or {})},
            paced=paced,
            spot=not self.contracts_only,
        )
        if base:
            self._check_base(base)
            self._objects.set_base(check_base(base))
        sample = self._objects.sample
        self._has: Mapping[str, Any] = sample.has
        self.calls = CcxtCalls(
            self.name,
            self._clock,
            self._objects,
            wire,
            self.keys,
            http_options,
            tells_time=bool(sample.has.get("fetchTime")),
        )
        window_ms = sample.options.get("recvWindow")
        usual_s = float(window_ms) / 1000 + 1.0 if isinstance(window_ms, (int, float)) else _UNKNOWN_SETTLING_S
        self.settling_s = usual_s if settling_s is None else float(settling_s)
        self._sends_ids = exchange_id in self._ids_sent if client_order_ids is None else client_order_ids
        self._odd = OddRows(self.name)
        self._periods = _periods(sample)

    @staticmethod
    def _name_of(exchange_id: str) -> str:
        """The venue's name."""
        return f"ccxt:{exchange_id}"

    @staticmethod
    def _usual_options() -> Mapping[str, Any]:
        """Our own ``options`` of ccxt's objects; those of the user replace them."""
        return {}

    def account_id(self) -> str:
        """The venue, its host, and a digest of the access key; see ``Venue.account_id``."""
        if not self.keys:
            return ""
        digest = hashlib.sha256(f"{self.name}:{self.keys.access_key}".encode()).hexdigest()[:16]
        return f"{self.name}:{urlsplit(self.base()).netloc}:{digest}"

    # Markets

    def _markets(self, *, contracts: bool = False, max_age_s: float = math.inf) -> LoadedMarkets:
        return self._objects.load(self.calls.read, contracts=contracts, max_age_s=max_age_s)

    def _market(self, symbol: str) -> tuple[str, LoadedMarkets]:
        """The name of a symbol in ccxt, and the markets that it is in."""
        loaded = self._markets(contracts="." in symbol)
        return str(loaded.table.market(symbol)["symbol"]), loaded

    def _shown_as(self, name: str, loaded: LoadedMarkets) -> str:
        """FMZ's symbol of ccxt's; where it has none, ccxt's own."""
        return loaded.table.fmz(name) or name

    def _about(self, symbol: str, work: Callable[[Any, str], T], *, signed: bool = False) -> T:
        name, loaded = self._market(symbol)
        return self.calls.read(lambda api: work(api, name), signed=signed, markets=loaded)

    def _can(self, feature: str, call: str) -> None:
        if not self._has.get(feature):
            raise NotSupported(f"{self.name} does not support {call}: ccxt has no {feature} there")

    def markets(self) -> dict[str, Market]:
        """Loads ccxt's markets again: the spot ones, and contracts once they were asked for (or where ccxt loads all at once)."""
        loaded = self._markets(max_age_s=-1.0)
        mode = loaded.owner.precisionMode
        found = loaded.table.markets.items()
        return {
            symbol: convert.market_of(market, mode) for symbol, market in found if market.get("active") is not False
        }

    def rules(self, symbol: str) -> MarketRules:
        """The rules in ccxt's markets, which are reloaded unless they are less than 30 s old; see ``Venue.rules``."""
        loaded = self._markets(contracts="." in symbol, max_age_s=FRESH_S)
        return MarketRules.of(symbol, convert.market_of(loaded.table.market(symbol), loaded.owner.precisionMode))

    def last_reply(self) -> Reply | None:
        """The calling thread's last reply; see ``Venue.last_reply``."""
        return self.http.last_reply()

    # Connection

    def _check_base(self, url: str) -> None:
        if self.keys:
            self._plain.check(url)

    def base(self) -> str:
        """The base URL; see ``Venue.base``."""
        return self._objects.base

    def set_base(self, url: str) -> None:
        """Moves all of ccxt's URLs to another scheme and host, and drops markets, time and counts; see ``Venue.set_base``."""
        if url:
            self._check_base(url)
        self._objects.set_base(check_base(url) if url else "")
        if self.calls.time is not None:
            self.calls.time.forget()
        self.calls.doors.open_all()
        self.calls.wire.pace.forget()

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the total time-out of further calls; see ``Venue.set_timeout``."""
        self.http.set_timeout(timeout_ms)
        self.calls.timeout_ms = float(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """Sets the proxy of further calls; see ``Venue.set_proxy``."""
        self.http.set_proxy(proxy)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings go; see ``Venue.warn_with``."""
        self._odd.warn = warn
        self._plain.warn_with(warn)
        if self.keys:
            self._plain.check(self.base())

    def warm(self, connections: int) -> None:
        """Opens the calling thread's connection and measures the time; see ``Venue.warm``."""
        self.http.warm(self.base())
        if self.keys and self.calls.time is not None:
            self.calls.time.ready(renew=True)

    def close(self) -> None:
        """Closes the connections; see ``Venue.close``."""
        self.http.close()


def _periods(sample: Any) -> dict[int, str]:
    """The time frames by seconds, ascending; months are left out, because they have no fixed length."""
    found = {}
    for frame in sample.timeframes or {}:
        if frame[-1:] in "smhdw":
            found[int(sample.parse_timeframe(frame))] = frame
    return dict(sorted(found.items()))


def within(symbol: str, scope: str | None) -> bool:
    """Whether a symbol is in a scope: None is all of them, ``USDT.swap`` all such contracts."""
    if scope is None or symbol == scope:
        return True
    quote, dot, code = scope.partition(".")
    return bool(dot) and "_" not in quote and symbol.endswith(f"_{quote}.{code}")
