"""The calls of FMZ's exchange object; ``table.py`` has them by name.

Each works on the settings of the moment when it was made. They raise; ``Exchange`` turns that into FMZ's None or False.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import attrs

from ...arguments import exact_decimal, real_number, whole_number
from ...constants import LOG_TYPE_BUY, LOG_TYPE_CANCEL, LOG_TYPE_SELL
from ...errors import (
    InputError,
    NotSupported,
    UnknownName,
    short_repr,
)
from ...structures import (
    Account,
    Asset,
    Depth,
    Fee,
    Market,
    Order,
    Records,
    Ticker,
    Trade,
)
from ..contracts.closing import capped_amount, closes
from ..contracts.directions import is_buy, side_of
from ..io import run_command
from ..keys.encoding_face import encode_with_keys, hmac_with_keys
from ..live_account.events import AccountUpdate
from ..live_account.live import ACCOUNT_CHANNELS
from ..live_books import DEFAULT_MAX_AGE_MS, check_channel
from ..market_rules import MarketRules
from ..order_log import IntentRecord
from ..order_request import prepare
from .arguments import history_arguments, record_arguments
from .base import check_id
from .contracts import ContractCalls

__all__ = ["Operations"]

_TICKER_PRICES = ("High", "Low", "Sell", "Buy", "Last", "Open")
_BAR_PRICES = ("Open", "High", "Low", "Close")

_USD_CNY = "FMZ_USDCNY"


class Operations(ContractCalls):
    """The calls of one exchange object under one snapshot of its settings."""

    # Market

    def ticker(self, symbol: Any = "") -> Ticker:
        """One ticker, from the live book if it is valid."""
        name = self.settings.symbol_of(symbol)
        self._begin("GetTicker", name)
        ticker = self.core.live.ticker(name) or self.core.venue.ticker(name)
        if self.core.host.holdings is not None:
            self.core.host.holdings.see_price(name, ticker["Last"])
        return self._scaled(ticker, _TICKER_PRICES)

    def tickers(self) -> list[Ticker]:
        """All tickers."""
        self._count("GetTickers")
        return [self._scaled(ticker, _TICKER_PRICES) for ticker in self.core.venue.tickers()]

    def depth(self, symbol: Any = "", limit: Any = None) -> Depth:
        """The order book, from the live one if it is valid."""
        name = self.settings.symbol_of(symbol)
        levels = None if limit is None else whole_number("limit", limit, least=1)
        self._begin("GetDepth", name)
        depth = self.core.live.depth(name, levels) or self.core.venue.depth(name, levels)
        if self.core.host.holdings is not None and depth.Bids:
            self.core.host.holdings.see_price(name, depth.Bids[0]["Price"])
        if self.settings.rate != 1:
            for level in (*depth.Asks, *depth.Bids):
                self._scaled(level, ("Price",))
        return depth

    def subscribe(self, channel: Any, symbol: Any = "", max_age_ms: Any = None, wait_ms: Any = None) -> bool:
        """Starts a live book."""
        check_channel(channel)
        name = self.settings.symbol_of(symbol)
        age_ms = DEFAULT_MAX_AGE_MS if max_age_ms is None else float(exact_decimal("max_age_ms", max_age_ms))
        wait = 0.0 if wait_ms is None else float(exact_decimal("wait_ms", wait_ms))
        if age_ms <= 0 or wait < 0:
            raise InputError(
                f"max_age_ms must be above 0 and wait_ms 0 or more, got {short_repr(max_age_ms)} and {short_repr(wait_ms)}"
            )
        self.core.markets.prefetch(name)
        if channel in ACCOUNT_CHANNELS:
            self.core.accounts.subscribe(channel, name, wait / 1000)
        else:
            self.core.live.subscribe(name, age_ms / 1000, wait / 1000)
        return True

    def unsubscribe(self, channel: Any, symbol: Any = "") -> bool:
        """Ends a live book."""
        check_channel(channel)
        name = self.settings.symbol_of(symbol)
        if channel in ACCOUNT_CHANNELS:
            return self.core.accounts.unsubscribe(channel, name)
        return self.core.live.unsubscribe(name)

    def updates(self) -> list[AccountUpdate]:
        """What the user streams have told since the last call."""
        self.core.clock.stop.check()
        return self.core.accounts.updates()

    def trades(self, symbol: Any = "") -> list[Trade]:
        """The latest public trades."""
        name = self.settings.symbol_of(symbol)
        self._begin("GetTrades", name)
        return [self._scaled(trade, ("Price",)) for trade in self.core.venue.trades(name)]

    def records(self, *args: Any) -> Records:
        """Bars; the forms of ``GetRecords``."""
        name, period_s, limit = record_arguments(self.settings, args)
        self.core.advise_period(period_s)
        self._begin("GetRecords", name)
        settings = self.settings
        bars = self.core.bars.get(name, period_s, limit, settings.bar_cap, settings.first_bars)
        if self.core.host.holdings is not None and bars:
            self.core.host.holdings.see_price(name, bars[-1]["Close"])
        for bar in bars if settings.rate != 1 else ():
            self._scaled(bar, _BAR_PRICES)
        return bars

    def markets(self) -> dict[str, Market]:
        """All markets, fetched again."""
        self._count("GetMarkets")
        markets = self.core.venue.markets()
        self.core.markets.compare(markets)
        return markets

    # Account

    def account(self) -> Account:
        """Free and frozen currency of the current pair."""
        name = self._current()
        self._begin("GetAccount", name)
        account = self.core.venue.account(name)
        if self.core.host.holdings is not None:
            self.core.host.holdings.see_account(self.core, name, account)
        return account

    def assets(self) -> list[Asset]:
        """All holdings."""
        symbol = self._current() if self.settings.contracts_of else ""
        self._count("GetAssets")
        return self.core.venue.margin_assets(symbol) if symbol else self.core.venue.assets()

    # Orders

    def buy(self, price: Any, amount: Any, *tail: Any) -> str:
        """A buy of the current symbol; of a contract as the direction says."""
        return self._order("Buy", self._current(), self._side("Buy"), price, amount, tail)

    def sell(self, price: Any, amount: Any, *tail: Any) -> str:
        """A sale of the current symbol; of a contract as the direction says."""
        return self._order("Sell", self._current(), self._side("Sell"), price, amount, tail)

    def _side(self, verb: Literal["Buy", "Sell"]) -> str:
        direction = self.settings.direction
        return verb.lower() if not direction else side_of(verb, direction)

    def create_order(self, symbol: Any, side: Any, price: Any, amount: Any, *tail: Any) -> str:
        """An order of any symbol and side."""
        return self._order("CreateOrder", self.settings.symbol_of(symbol), side, price, amount, tail)

    def _order(self, method: str, symbol: str, side: Any, price: Any, amount: Any, tail: tuple[Any, ...]) -> str:
        core, settings = self.core, self.settings
        intent, own_id = prepare(self._request(symbol, side, price, amount), self._rules, core.orders.new_id)
        if closes(intent.side) and settings.contracts_of:
            positions = self._positions(symbol, amounts_only=True)
            held = capped_amount(symbol, intent.side, intent.amount, positions)
            intent = attrs.evolve(intent, amount=held)
        if core.limits.active:
            core.limits.acquire(method)
        order_id = self._placed(method, intent, own_id)
        self._write_line(
            method,
            LOG_TYPE_BUY if is_buy(intent.side) else LOG_TYPE_SELL,
            symbol=intent.symbol,
            price=-1.0 if intent.price is None else float(intent.price * settings.rate),
            amount=float(intent.amount),
            order_id=order_id,
            tail=tail,
        )
        return order_id

    def cancel_order(self, order_id: Any, *tail: Any) -> bool:
        """Cancels an order."""
        check_id(order_id)
        self._count("CancelOrder")
        self.core.orders.cancel(order_id)
        self.core.accounts.distrust(order_id)
        self._write_line("CancelOrder", LOG_TYPE_CANCEL, symbol="", price=0.0, amount=0.0, order_id=order_id, tail=tail)
        return True

    def order(self, order_id: Any) -> Order:
        """One order."""
        check_id(order_id)
        self._count("GetOrder")
        return self._shown([self.core.venue.order(order_id)])[0]

    def orders(self, symbol: Any = "") -> list[Order]:
        """Open orders."""
        scope = self._scope(symbol)
        if scope is None and not self.core.venue.lists_all_orders:
            scope = self._current()
        self._count("GetOrders")
        live = self.core.accounts.orders(scope)
        return self._shown(self.core.venue.orders(scope) if live is None else live)

    def history_orders(self, *args: Any) -> list[Order]:
        """Orders of the past; the forms of ``GetHistoryOrders``."""
        name, since_ms, limit = history_arguments(self.settings, args, "GetHistoryOrders")
        self._count("GetHistoryOrders")
        return self._shown(self.core.venue.history_orders(name, since_ms, limit))

    def reconcile(self, fills: bool = False) -> list[IntentRecord]:
        """Asks again about each order and cancel whose outcome is unknown, those of earlier runs among them."""
        return self.core.orders.reconcile(fills=bool(fills))

    # The rest

    def io(self, command: Any, *args: Any) -> Any:
        """A command of ``IO``."""
        self.core.clock.stop.check()
        return run_command(self.core, command, args)

    def encode(
        self,
        algo: Any,
        input_format: Any,
        output_format: Any,
        data: Any,
        key_format: Any = None,
        key: Any = None,
    ) -> str | bytes:
        """Encodes with the account's keys."""
        return encode_with_keys(self.core, algo, input_format, output_format, data, key_format, key)

    def hmac(self, algo: Any, output_format: Any, data: Any, key: Any = "{{secretkey}}") -> str | bytes:
        """Signs with the account's keys."""
        return hmac_with_keys(self.core, algo, output_format, data, key)

    def min_amount(self) -> float:
        """The minimum order amount of the current symbol."""
        return _known("minimum amount", self._rules(self._current()), lambda rules: rules.min_amount)

    def min_price(self) -> float:
        """The price step of the current symbol."""
        return _known("price step", self._rules(self._current()), lambda rules: rules.tick)

    def fee(self) -> Fee:
        """The taker's fees of the current symbol, in percent."""
        _, taker = self.core.venue.fee_rates(self._current())
        return Fee(Sell=taker * 100, Buy=taker * 100)

    def usd_cny(self) -> float:
        """The exchange rate that the environment names."""
        text = os.environ.get(_USD_CNY, "")
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not 0 < rate < 1e6:
            shown = f"{_USD_CNY} is {short_repr(text)}" if text else f"{_USD_CNY} is not set"
            raise NotSupported(f"no source of the rate of USD to CNY is known: {shown}, expected a rate such as 7.1")
        return rate

    def log(self, kind: Any, price: Any, amount: Any = 0, *tail: Any) -> None:
        """Writes an order line without an order."""
        if type(kind) is not int or kind not in {LOG_TYPE_BUY, LOG_TYPE_SELL, LOG_TYPE_CANCEL}:
            raise UnknownName(f"no order type {short_repr(kind)}; valid: LOG_TYPE_BUY, LOG_TYPE_SELL, LOG_TYPE_CANCEL")
        cancel = kind == LOG_TYPE_CANCEL
        numbers = (0.0, 0.0) if cancel else (real_number("price", price), real_number("amount", amount))
        self.core.host.order_line(
            kind,
            source=self.core.label,
            symbol="" if cancel else self.settings.symbol,
            price=numbers[0],
            amount=numbers[1],
            order_id=(price if isinstance(price, str) else short_repr(price)) if cancel else "",
            tail=tail,
        )


def _known(what: str, rules: MarketRules | None, pick: Callable[[MarketRules], Decimal | None]) -> float:
    found = pick(rules) if rules is not None else None
    if found is None:
        raise NotSupported(f"the venue does not say the {what} of this market")
    return float(found)
