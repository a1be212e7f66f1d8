"""A simulated exchange that listens.

One venue's dialect, an account with funds, and a market that moves.
"""

from __future__ import annotations

import secrets
import ssl
import string
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs

from ..clock import Clock, WallClock
from ..errors import InputError, UnknownName, nearest, require
from .audit import FillAudit
from .contract_control import ContractAudit, ContractControl, contract_routes
from .control import control_routes
from .dialects.base import Dialect
from .dialects.binance.contracts.product_list import BinanceProducts, contract_dialects
from .dialects.binance.contracts.streams.site import BinanceSites, ContractSite
from .dialects.binance.rest import SimulatedBinance
from .dialects.binance.signatures import check_public_key
from .dialects.binance.streams.connections import BinanceSite
from .dialects.okx.rest import SimulatedOkx
from .dialects.okx.streams.connections import OkxSite
from .engine.exchange import SimulatedExchange
from .faults import Faults
from .market.bars import BarFile, load_bars
from .market.maker import MarketDriver, MarketMaker, MarketSettings
from .market.prices import BarReplay, PriceSource, PriceWalk
from .pairs import DEFAULT_PAIRS, TradedPair, contract_pairs, quarter_end_ms, read_pairs, swap_pairs
from .transport.below import BelowPath, check_below
from .transport.http import RestApp
from .transport.listener import ServingThread
from .transport.stream_settings import StreamSettings
from .transport.websocket import WsConnection

__all__ = ["DEFAULT_BALANCES", "PRODUCTS", "VENUES", "SimulatorServer"]

VENUES = ("binance", "okx")
PRODUCTS: Mapping[str, tuple[str, ...]] = {
    "binance": ("spot", "um", "cm", "quarter"),
    "okx": ("spot", "swap", "quarter"),
}
"""The products of each venue.

``um`` and ``cm`` are Binance's contracts in USDT and in the coin, ``swap`` is OKX's perpetual ones, ``quarter`` are contracts with a delivery.
"""

DEFAULT_BALANCES: Mapping[str, Decimal] = {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(200)}
"""What the account starts with."""

# Steps before the port opens, so that books are full and there have been trades; a replay begins at its beginning.
_WARM_UP_STEPS = 20
_LETTERS = string.ascii_letters + string.digits


@attrs.frozen(kw_only=True)
class _Credentials:
    """A key as each venue makes them."""

    key: str
    secret: str = attrs.field(repr=False)
    passphrase: str = attrs.field(repr=False)

    @classmethod
    def fresh(cls, venue: str) -> _Credentials:
        """A new key of the form that the venue gives out."""
        if venue == "okx":
            passphrase = "".join(secrets.choice(_LETTERS) for _ in range(16))
            return cls(key=str(uuid.uuid4()), secret=secrets.token_hex(16).upper(), passphrase=passphrase)
        key, secret = ("".join(secrets.choice(_LETTERS) for _ in range(64)) for _ in range(2))
        return cls(key=key, secret=secret, passphrase="")


class SimulatorServer:
    """One venue on the loopback, in its own thread, with real sockets.

    A context manager.

    ::

        with SimulatorServer("binance", seed=7) as venue:
            Exchange("Binance", "BTC_USDT", base=venue.base_url, access_key=venue.key, secret_key=venue.secret)

    Two servers with one seed follow one price, each with its own noise.

    Args:
        venue: ``binance`` or ``okx``.
        port: The port; 0 for one that is free.
        host: The address to listen on.
        path: The path below which the exchange lies, such as ``/gateway``; empty for the server's root.
        seed: What makes the market and the faults repeat.
        data: A file of bars (or bars already loaded) that the first symbol's price follows instead of a random walk.
        speed: Bars of ``data`` a second; 1/60 replays minutes in real time.
        data_origin_ms: The time that the replay begins at; None for the file's first bar. Two servers that replay files of different
            length stay side by side when they are given the same.
        symbols: What is traded: any pair with the price that it starts at, such as ``SOL_USDT=150``; BTC_USDT and ETH_USDT need no price,
            and neither does the first pair when ``data`` is given.
        products: What can be traded besides spot. Binance: ``um`` and ``cm``, the contracts on the coins of ``symbols``, each with an
            exchange and an account of its own, under the same key. OKX: ``swap``, linear and inverse swaps on the pairs, in spot's
            exchange and account. Both: ``quarter``, contracts that are delivered at the end of a quarter, beside ``um``, ``cm`` or ``swap``.
            Their prices follow spot's.
        delivery_ms: When the contracts of ``quarter`` are delivered, in milliseconds since the epoch; None for the last Friday of the
            quarter, 8:00 UTC, by the exchange's clock.
        balances: What the account starts with; by default ``DEFAULT_BALANCES``, and some of the base of each further pair.
        faults: What goes wrong; nothing when None. It can be changed at any time.
        rate_scale: The venue's request limits are multiplied by it; 0 switches them off.
        weight_window_s: The length of Binance's window of request weight, in whole seconds; tests of limits shorten its minute.
        settings: How the market behaves.
        step_s: Seconds between the market's steps.
        moving: Whether the market moves by itself; otherwise ``driver.step()`` moves it, after first steps that fill the books.
        clock: The exchange's clock; a wall clock when None.
        tls: What to serve TLS with; None for plain HTTP.
        streams: How the websockets behave; as the venue's when None.
        public_key: The public key in PEM of an Ed25519 API key (Binance), whose private key then signs the account's calls; empty for
            a secret (HMAC).

    Raises:
        UnknownName: There is no such venue, or a symbol has no starting price.
        InputError: Another argument does not fit, or the file cannot be read.
        MissingExtra: starlette or uvicorn is not installed.
        ConnectFailed: The port cannot be had.

    Attributes:
        venue: As given.
        products: What can be traded; spot always.
        exchange: The exchange itself, of spot.
        account: The account behind the key, of spot.
        faults: What goes wrong.
        driver: What moves the market.
        dialect: What answers.
        site: What speaks websocket.
        key: The API key.
        secret: The API secret.
        passphrase: What OKX asks for besides; empty for Binance.
    """

    def __init__(
        self,
        venue: str = "binance",
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        path: str = "",
        seed: int = 0,
        data: str | Path | BarFile | None = None,
        speed: float = 1.0,
        data_origin_ms: int | None = None,
        symbols: Iterable[str] = DEFAULT_PAIRS,
        products: Iterable[str] = ("spot",),
        delivery_ms: int | None = None,
        balances: Mapping[str, Decimal] | None = None,
        faults: Faults | None = None,
        rate_scale: float = 1.0,
        weight_window_s: int = 60,
        settings: MarketSettings | None = None,
        step_s: float = 0.1,
        moving: bool = True,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        streams: StreamSettings | None = None,
        public_key: str = "",
    ) -> None:
        _check_options(venue, rate_scale, weight_window_s, public_key)
        self._path = check_below(path)
        self.venue = venue
        self.products = _checked_products(venue, products)
        bars = load_bars(data) if isinstance(data, (str, Path)) else data
        pairs = read_pairs(venue, symbols, priced=bars is not None)
        clock = clock if clock is not None else WallClock()
        expiries = _expiries_ms(self.products, delivery_ms, int(clock.now() * 1000))
        swaps = swap_pairs(pairs, expiries) if venue == "okx" and expiries else []
        listed = [pair.instrument for pair in (*pairs, *(swap for swap, _ in swaps))]
        self.exchange = SimulatedExchange(listed, clock=clock)
        self.faults = faults if faults is not None else Faults(seed, self.exchange.clock)
        credentials = _Credentials.fresh(venue)
        self.key, self.secret, self.passphrase = credentials.key, credentials.secret, credentials.passphrase
        if balances is None:
            balances = {**{pair.instrument.base: pair.endowment for pair in pairs}, **DEFAULT_BALANCES}
        self.account = self.exchange.create_account("user", self.key, self.secret, self.passphrase, balances)
        self.account.public_key = public_key
        self._ledger = FillAudit(self.exchange, self.account)
        self.exchanges = {"spot": self.exchange}
        """The exchange of each product."""
        self.accounts = {"spot": self.account}
        """The account behind the key, in each product's exchange."""
        traded = [
            *((self.exchange, pair, pair.instrument.id) for pair in pairs),
            *((self.exchange, swap, followed) for swap, followed in swaps),
            *self._open_products(pairs, expiries, credentials, balances),
        ]
        self._contract_ledgers = {
            product: ContractAudit(exchange, self.accounts[product])
            for product, exchange in self.exchanges.items()
            if exchange is not self.exchange
        }

        def _prices(pair: TradedPair, followed: str) -> PriceSource:
            # Contracts follow the same price as spot: the same walk, or the same bars.
            if bars is not None and followed == pairs[0].instrument.id:
                return BarReplay(bars.bars, speed=speed, step_s=step_s, origin_ms=data_origin_ms)
            return PriceWalk(f"{seed}:{followed}", float(pair.price))

        maker = partial(MarketMaker, venue=venue, seed=seed, settings=settings, step_s=step_s)
        markets = [maker(exchange, pair.instrument.id, _prices(pair, followed)) for exchange, pair, followed in traded]
        self.driver = MarketDriver(self.exchange, markets, step_s=step_s)
        self._moving = moving
        self._first_steps = 1 if bars is not None else _WARM_UP_STEPS
        self.dialect, self.site = self._speak(rate_scale, weight_window_s, streams or StreamSettings())
        sockets = partial(WsConnection, site=self.site, below=self._path)
        self._wire = ServingThread(
            self._app(), host=host, port=port, name=f"fmzthreads-{venue}", tls=tls, sockets=sockets
        )

    def _open_products(
        self,
        pairs: list[TradedPair],
        expiries: Sequence[int],
        credentials: _Credentials,
        balances: Mapping[str, Decimal],
    ) -> list[tuple[SimulatedExchange, TradedPair, str]]:
        """Opens the products besides spot; see ``_open_product``. OKX's contracts are in spot's exchange and account."""
        opened: list[tuple[SimulatedExchange, TradedPair, str]] = []
        for product in self.products[1:]:
            if self.venue == "okx":
                self.exchanges[product], self.accounts[product] = self.exchange, self.account
            elif product != "quarter":  # which are among those of um and cm
                contracts = contract_pairs(product, pairs, expiries)
                opened += self._open_product(product, contracts, pairs, credentials, balances)
        return opened

    def _open_product(
        self,
        product: str,
        contracts: list[TradedPair],
        pairs: list[TradedPair],
        credentials: _Credentials,
        balances: Mapping[str, Decimal],
    ) -> list[tuple[SimulatedExchange, TradedPair, str]]:
        """Opens the exchange of a product of contracts.

        Returns:
            Its exchange, each contract, and the spot pair whose price it follows.
        """
        exchange = SimulatedExchange([pair.instrument for pair in contracts], clock=self.exchange.clock)
        settle = {pair.instrument.settle for pair in contracts}
        held = {asset: amount for asset, amount in balances.items() if asset in settle}
        self.exchanges[product] = exchange
        self.accounts[product] = exchange.create_account("user", credentials.key, credentials.secret, "", held)
        self.accounts[product].public_key = self.account.public_key
        of_coin = {pair.instrument.base: pair.instrument.id for pair in reversed(pairs)}
        return [(exchange, pair, of_coin[pair.instrument.base]) for pair in contracts]

    def _speak(
        self, rate_scale: float, weight_window_s: int, streams: StreamSettings
    ) -> tuple[Dialect[Any] | BinanceProducts, BinanceSite | OkxSite | BinanceSites]:
        """The venue's REST interface and its websockets."""
        if self.venue == "okx":
            okx = SimulatedOkx(self.exchange, self.faults, rate_scale=rate_scale)
            return okx, OkxSite(self.exchange, okx, self.faults, streams, rate_scale=rate_scale)
        binance = SimulatedBinance(self.exchange, self.faults, rate_scale=rate_scale, weight_window_s=weight_window_s)
        site = BinanceSite(self.exchange, binance, self.faults, streams, rate_scale=rate_scale)
        others = {name: exchange for name, exchange in self.exchanges.items() if name != "spot"}
        if not others:
            return binance, site
        dialects = contract_dialects(others, self.faults, rate_scale=rate_scale, weight_window_s=weight_window_s)
        sites = {
            name: ContractSite(others[name], dialect, self.faults, streams, rate_scale=rate_scale)
            for name, dialect in dialects.items()
        }
        return BinanceProducts(binance, dialects), BinanceSites(site, sites)

    def _app(self) -> Any:
        """The ASGI application.

        The simulator's own paths, and everything else to the dialect (Any: starlette is an extra).
        """
        rest = RestApp(self.dialect, self.faults)
        routes = control_routes(self.faults, self.state)
        if len(self.exchanges) > 1:
            routes += contract_routes(ContractControl(self.exchanges, self.accounts))
        app = require("starlette.routing", "server").Router(routes, redirect_slashes=False, default=rest)
        return BelowPath(app, self._path) if self._path else app

    def __repr__(self) -> str:
        return f"SimulatorServer({self.venue!r}, {self.base_url!r})"

    # --- where it is ---

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._wire.port

    @property
    def base_url(self) -> str:
        """The base URL for REST calls, without a trailing slash."""
        return self._wire.base_url + self._path

    @property
    def stream_url(self) -> str:
        """The base URL for websockets, without a trailing slash."""
        return "ws" + self.base_url.removeprefix("http")

    @property
    def contract_stream_urls(self) -> dict[str, str]:
        """The base URLs for the websockets of contracts, by ``um`` and ``cm``; what follows is as on the exchange's own hosts."""
        paths = {"um": "/fstream", "cm": "/dstream"}
        return {product: self.stream_url + paths[product] for product in self.products if product in paths}

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded of spot, as ``BTC_USDT``."""
        return tuple(instrument.id for instrument in self.exchange.instruments() if instrument.terms is None)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._wire.connections

    def state(self) -> dict[str, Any]:
        """The account to reconcile with, as ``GET /_simulator/state`` answers it.

        Products with an exchange of their own are under ``contracts``; OKX's swaps, in spot's account, are among its sums.
        """
        head = {"venue": self.venue, "symbols": list(self.symbols), "time_ms": self.exchange.server_time_ms()}
        answer = {**head, **self._ledger.state()}
        if self._contract_ledgers:
            answer["contracts"] = {product: ledger.state() for product, ledger in self._contract_ledgers.items()}
        return answer

    # --- life ---

    def start(self) -> SimulatorServer:
        """Fills the books, starts the market and serves; returns itself.

        Raises:
            FmzError: It could not start.
        """
        self.driver.step(self._first_steps)
        if self._moving:
            self.driver.start()
        try:
            self._wire.start()
        except BaseException:  # whatever ends the start, Ctrl-C too, must not leave the market's thread behind
            self.driver.stop()
            raise
        return self

    def stop(self) -> None:
        """Closes the port and all connections, and ends all threads.

        Requests that hang are dropped. Calling it again has no effect.
        """
        self._wire.stop()
        self.site.stop()
        self.driver.stop()
        self._ledger.close()
        for ledger in self._contract_ledgers.values():
            ledger.close()

    def refuse_connections(self, refuse: bool = True) -> None:
        """Closes the port so that connecting is refused, and drops all connections.

        Or opens it again.

        Raises:
            ConnectFailed: The port was taken by another process meanwhile.
        """
        self._wire.refuse_connections(refuse)

    def __enter__(self) -> SimulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _check_options(venue: str, rate_scale: float, weight_window_s: int, public_key: str) -> None:
    """Checks the venue's name and what goes with it.

    Raises:
        UnknownName: There is no such venue.
        InputError: Another argument does not fit.
    """
    if venue not in VENUES:
        raise UnknownName(f"no venue {venue!r} to simulate{nearest(venue, VENUES)}")
    if not 0 <= rate_scale <= 1e6:
        raise InputError(f"rate_scale must be from 0 to 1e6, got {rate_scale!r}")
    if type(weight_window_s) is not int or not 1 <= weight_window_s <= 86_400:
        raise InputError(f"weight_window_s must be a whole number from 1 to 86400, got {weight_window_s!r}")
    if public_key:
        if venue != "binance":
            raise InputError(f"only Binance has keys with a public key, not {venue!r}")
        check_public_key(public_key)


def _checked_products(venue: str, products: Iterable[str]) -> tuple[str, ...]:
    """The products in the venue's order; spot is always among them.

    Raises:
        UnknownName: The venue has no such product.
    """
    asked = {products} if isinstance(products, str) else set(products)
    known = PRODUCTS[venue]
    for product in asked:
        if product not in known:
            raise UnknownName(f"no product {product!r} of {venue} to simulate{nearest(product, known)}")
    return tuple(product for product in known if product == "spot" or product in asked)


def _expiries_ms(products: tuple[str, ...], delivery_ms: int | None, now_ms: int) -> tuple[int, ...]:
    """When the contracts of each coin end, in milliseconds since the epoch; 0 for the perpetual one.

    Raises:
        InputError: Binance's quarterly contracts are to be traded without a family, or a delivery without them, or in the past.
    """
    lasting = (0,) if any(product in products for product in ("um", "cm", "swap")) else ()
    if "quarter" not in products:
        if delivery_ms is not None:
            raise InputError("delivery_ms is for the product 'quarter', which is not among the products")
        return lasting
    if not lasting:
        raise InputError("the product 'quarter' needs another one of contracts: 'um' or 'cm' (Binance), 'swap' (OKX)")
    ends_ms = quarter_end_ms(now_ms) if delivery_ms is None else delivery_ms
    if ends_ms <= now_ms:
        raise InputError(f"delivery_ms must be later than now ({now_ms}), got {ends_ms!r}")
    return (*lasting, ends_ms)
