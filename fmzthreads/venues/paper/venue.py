"""A venue on paper: market data of a real one, orders and balances of a paper account. No key is used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from ...clock import Clock
from ...constants import PD_LONG, PD_SHORT
from ...errors import FmzError, InputError, InvalidOrder, NotSupported, StopRequested, short_repr
from ...exchange.contracts.converter import Contract
from ...exchange.contracts.port import FundingPayment, PositionMode
from ...exchange.contracts.scopes import scope_includes
from ...exchange.host import QuietHost
from ...exchange.live_books import LiveBooks
from ...exchange.market_rules import MarketBook, MarketRules, cut, plain_text
from ...exchange.venue import BaseVenue, LastReply, OrderFill, OrderIntent, Venue
from ...fork import after_fork_in_child
from ...streams.book.source import BookSource
from ...structures import Account, Asset, Depth, Funding, Market, Order, Position, Records, Ticker, Trade
from ...structures.base import Info
from .liquidity import sides_of
from .margin_watch import PaperMarginWatch
from .money.contract_money import profit_of
from .money.positions import PaperPosition
from .orders import PaperOrder
from .settings import Paper
from .sharing import PAPER_ACCOUNTS
from .watch import MarketWatch

__all__ = ["PaperVenue"]

_LEVELS = 100
_MORE_LEVELS = 1000
_LIVE_AGE_S = 2.0
_BARS = 1000
_MINUTE_S = 60
_MOST_LEVEL = 200


class PaperVenue(BaseVenue):
    """Fills orders against a real market's book and trades, with money on paper.

    Args:
        market: The venue that the market data comes from; made without keys.
        paper: The account.
        folder: Where its file is kept unless ``paper`` names one; None for memory.
        clock: Tells the time, and is waited on for the latency.
        watching: Whether a thread looks at the market while orders rest; otherwise ``look`` must be called.

    Raises:
        OperationFailed: The file cannot be used, or another process trades with it.
    """

    exact_outcomes = True
    settling_s = 0.0

    def __init__(
        self, market: Venue, paper: Paper, folder: Path | None, clock: Clock, *, watching: bool = True
    ) -> None:
        self.name = market.name
        self.market = market
        self.paper = paper
        self._clock = clock
        file = paper.file
        if file is None and folder is not None:
            file = folder / f"paper-{''.join(c if c.isalnum() else '_' for c in market.name)}.sqlite3"
        self.account_file = file
        self._accounts = PAPER_ACCOUNTS
        self.book = self._accounts.open(file, paper, clock)
        self.margin = PaperMarginWatch(self.book)
        self.contracts_only = market.contracts_only
        self.default_contract = market.default_contract
        self._rules = MarketBook(market.rules, clock)
        self._live = LiveBooks(market, QuietHost(clock), f"{market.name} on paper")
        self._start_anew()
        after_fork_in_child(self._start_anew)
        self._streamed: set[str] = set()
        self._warn: Callable[[str], object] = str
        self._warned = False
        self._watch = MarketWatch(self, clock, float(paper.poll_ms) / 1000) if watching else None
        self._missed = {order.symbol for order in self.book.open_orders()}  # what rested while nothing looked
        if self._watched() and self._watch is not None:
            self._watch.wake()

    def account_id(self) -> str:
        """The venue and the account's file; see ``Venue.account_id``."""
        return f"paper:{self.name}:{self.account_file or 'memory'}"

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """Matches an order after the latency; see ``Venue.place``."""
        self._check_supported(intent)
        rules = self._rules.rules(intent.symbol)
        _check_filters(intent, rules)
        self._stream(intent.symbol)
        self._travel()
        with self._turn(intent.symbol):
            order = self.book.place(intent, rules.bounds(market=intent.price is None).step, self._depth(intent))
        if self._watch is not None and (order.is_open or "." in order.symbol):
            self._watch.wake()
        return order.id

    def _check_supported(self, intent: OrderIntent) -> None:
        if "." in intent.symbol:
            self._learn(intent.symbol)
        elif intent.side not in {"buy", "sell"}:
            raise InputError(f"the side of a spot order must be 'buy' or 'sell', got {short_repr(intent.side)}")
        if intent.options:
            names = ", ".join(sorted(intent.options))
            raise NotSupported(f"paper trading knows no further options of an order, got {names}; nothing was sent")

    def _learn(self, symbol: str) -> Contract:
        contract = self.market.contract(symbol)
        self.book.learn(contract)
        return contract

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _streamed and _turns
        self._turns: dict[str, threading.Lock] = {}  # held from the reading of a symbol's book until it is matched

    def _travel(self) -> None:
        if self.paper.latency_ms:
            self._clock.sleep(float(self.paper.latency_ms) / 1000)

    def _turn(self, symbol: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(symbol, threading.Lock())

    def _stream(self, symbol: str) -> None:
        """Starts the live book of a symbol at its first order; without one the book is fetched for each order."""
        with self._lock:
            if symbol in self._streamed:
                return
            self._streamed.add(symbol)
        try:
            self._live.subscribe(symbol, _LIVE_AGE_S)
        except StopRequested:
            raise
        except FmzError:
            pass

    def _depth(self, intent: OrderIntent | None, symbol: str = "") -> Depth:
        """The book now, with more levels if an order needs them."""
        symbol = symbol or (intent.symbol if intent is not None else "")
        depth = self._live.depth(symbol, None) or self.market.depth(symbol, _LEVELS)
        if intent is None:
            return depth
        levels = depth["Asks" if intent.side in {"buy", "closesell"} else "Bids"]
        if len(levels) < _LEVELS:
            return depth
        quote = intent.price is None and intent.side == "buy" and "." not in intent.symbol
        found = sum(Decimal(repr(one["Amount"])) * (Decimal(repr(one["Price"])) if quote else 1) for one in levels)
        return depth if found >= intent.amount else self.market.depth(symbol, _MORE_LEVELS)

    def cancel(self, order_id: str) -> None:
        """Cancels an open order after the latency; see ``Venue.cancel``."""
        self._travel()
        self.book.cancel(order_id)

    def look(self) -> bool:
        """Looks at the market of each symbol with resting orders or a position; returns whether there still are such."""
        for symbol in sorted(self._watched()):
            try:
                with self._turn(symbol):
                    self._look_at(symbol)
                self._warned = False
            except StopRequested:
                raise
            except FmzError as error:
                if not self._warned:
                    self._warned = True
                    self._warn(f"resting paper orders of {symbol} cannot be matched; it is tried again: {error}")
        return bool(self._watched())

    def _watched(self) -> set[str]:
        held = {one.symbol for one in self.book.held()}
        return held | {order.symbol for order in self.book.open_orders()}

    def _look_at(self, symbol: str) -> None:
        contract = self._learn(symbol) if "." in symbol else None
        if symbol in self._missed:
            self.book.catch_up(symbol, self.market.records(symbol, _MINUTE_S, _BARS))
            self._missed.discard(symbol)
        trades = self.market.trades(symbol)
        depth = self._depth(None, symbol)
        self.book.look(symbol, trades, depth)
        if contract is None:
            return
        fundings = [one for one in self._fundings(symbol) if one["Symbol"] == symbol]
        mark = _mark_of(fundings[0] if fundings else None, depth)
        if mark is not None:
            lost = self.margin.see(contract, mark, fundings[0] if fundings else None)
            if lost:
                self._warn(f"the paper account was {lost}")

    def _fundings(self, symbol: str) -> list[Funding]:
        try:
            return self.market.fundings(symbol)
        except NotSupported:
            return []

    def order(self, order_id: str) -> Order:
        """One order; see ``Venue.order``."""
        return self.book.order(order_id).shown()

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One order; see ``Venue.order_by_client_id``."""
        return self.book.order_by_client_id(symbol, client_order_id).shown()

    def orders(self, symbol: str | None = None) -> list[Order]:
        """The open orders; see ``Venue.orders``."""
        return [order.shown() for order in self.book.open_orders() if scope_includes(symbol, order.symbol)]

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """All orders of a symbol; see ``Venue.history_orders``."""
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {short_repr(since_ms)} and {short_repr(limit)}")
        return [order.shown() for order in self.book.history(symbol, since_ms, limit)]

    def fills(self, order: Order) -> list[OrderFill]:
        """The fills of an order; ``Info.how`` says why each was made. See ``Venue.fills``."""
        found: PaperOrder = self.book.order(order["Id"])
        return [fill.shown(place) for place, fill in enumerate(self.book.store.fills(found.number))]

    # Account

    def account(self, symbol: str) -> Account:
        """The paper balances of the pair, or of a contract's margin currency; see ``Venue.account``."""
        base, _, quote = symbol.partition(".")[0].partition("_")
        balances = self.book.balances
        found = Account(
            Info=Info(paper=True),
            Balance=float(balances.free(quote)),
            FrozenBalance=float(balances.frozen(quote)),
            Stocks=float(balances.free(base)),
            FrozenStocks=float(balances.frozen(base)),
        )
        if "." in symbol:
            equity, profit = self.margin.equity(self._learn(symbol).margin_currency)
            found.update(Equity=float(equity), UPnL=float(profit))
        return found

    def positions(self, symbol: str | None = None) -> list[Position]:
        """The paper positions; see ``Venue.positions``."""
        return [self._shown(one) for one in self.book.held() if scope_includes(symbol, one.symbol)]

    def _shown(self, position: PaperPosition) -> Position:
        contract = self._learn(position.symbol)
        mark = self.margin.mark(position.symbol) or position.price
        side = "closebuy" if position.long else "closesell"
        closing = sum((one.left for one in self.book.open_orders(position.symbol) if one.side == side), Decimal(0))
        return Position(
            Info=Info(paper=True, markPrice=float(mark)),
            Symbol=position.symbol,
            MarginLevel=float(self.book.level(position.symbol)),
            Amount=float(position.amount),
            FrozenAmount=float(closing),
            Price=float(position.price),
            Profit=float(profit_of(contract, position, position.amount, mark)),
            Type=PD_LONG if position.long else PD_SHORT,
            ContractType=position.symbol.partition(".")[2],
            Margin=float(position.margin),
        )

    def position_mode(self) -> PositionMode:
        """Always hedge mode: a long and a short position lie beside each other."""
        return "hedge"

    def set_margin_level(self, symbol: str, level: int) -> float:
        """For what is opened from now on; see ``ContractPort.set_margin_level``."""
        if not 1 <= level <= _MOST_LEVEL:
            raise InputError(f"a leverage on paper is from 1 to {_MOST_LEVEL}, got {short_repr(level)}")
        self.book.set_level(symbol, Decimal(level))
        return float(level)

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """Those of the paper account; see ``ContractPort.funding_payments``."""
        rows = [
            FundingPayment(
                Info=Info(paper=True),
                Id=str(place),
                Symbol=one.symbol,
                Amount=float(one.amount),
                Currency=one.currency,
                Time=one.time_ms,
            )
            for place, one in enumerate(self.book.store.payments())
            if one.time_ms >= since_ms and (scope_includes(symbol, one.symbol))
        ]
        return (rows[:limit] if since_ms else rows[-limit:]) if limit else rows

    def assets(self) -> list[Asset]:
        """All paper balances that are not zero; see ``Venue.assets``."""
        return [
            Asset(Info=Info(paper=True), Currency=currency, Amount=float(free), FrozenAmount=float(frozen))
            for currency, (free, frozen) in self.book.balances.rows.items()
            if free or frozen
        ]

    def margin_assets(self, symbol: str) -> list[Asset]:
        """That of the contract's margin currency; see ``ContractPort.margin_assets``."""
        currency = self._learn(symbol).margin_currency
        return [asset for asset in self.assets() if asset["Currency"] == currency]

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """Those of the paper account; see ``Venue.fee_rates``."""
        return float(self.paper.maker_fee), float(self.paper.taker_fee)

    # Market data, of the real venue

    def ticker(self, symbol: str) -> Ticker:
        """See ``Venue.ticker``."""
        return self.market.ticker(symbol)

    def tickers(self) -> list[Ticker]:
        """See ``Venue.tickers``."""
        return self.market.tickers()

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """See ``Venue.depth``; what paper orders took is not missing in it."""
        return self.market.depth(symbol, limit)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """See ``Venue.trades``; paper orders are not among them."""
        return self.market.trades(symbol, limit)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """See ``Venue.records``."""
        return self.market.records(symbol, period_s, limit)

    def periods_s(self) -> tuple[int, ...]:
        """See ``Venue.periods_s``."""
        return self.market.periods_s()

    def markets(self) -> dict[str, Market]:
        """See ``Venue.markets``."""
        return self.market.markets()

    def rules(self, symbol: str) -> MarketRules:
        """See ``Venue.rules``."""
        return self.market.rules(symbol)

    def contract(self, symbol: str) -> Contract:
        """See ``ContractPort.contract``."""
        return self.market.contract(symbol)

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """See ``Venue.fundings``."""
        return self.market.fundings(symbol)

    def book_source(self, symbol: str) -> BookSource:
        """See ``Venue.book_source``."""
        return self.market.book_source(symbol)

    # Raw calls and the connection

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """Public GETs alone: there are no keys, and nothing may be changed. See ``Venue.request``."""
        if str(http_method).upper() != "GET":
            raise NotSupported(
                f"paper trading sends nothing that could change an account, got {short_repr(http_method)} {short_repr(resource)}"
            )
        return self.market.request(http_method, resource, params, raw)

    def io(self, command: str, *args: object) -> Any:
        """The commands of the real venue; they hold for its market data alone. See ``Venue.io``."""
        return self.market.io(command, *args)

    def last_reply(self) -> LastReply | None:
        """See ``Venue.last_reply``."""
        return self.market.last_reply()

    def base(self) -> str:
        """See ``Venue.base``."""
        return self.market.base()

    def set_base(self, url: str) -> None:
        """See ``Venue.set_base``."""
        self.market.set_base(url)
        self._rules.forget()
        self._live.renew()

    def market_base(self) -> str:
        """See ``Venue.market_base``."""
        return self.market.market_base()

    def set_market_base(self, url: str) -> None:
        """See ``Venue.set_market_base``."""
        self.market.set_market_base(url)
        self._live.renew()

    def set_timeout(self, timeout_ms: float) -> None:
        """See ``Venue.set_timeout``."""
        self.market.set_timeout(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """See ``Venue.set_proxy``."""
        self.market.set_proxy(proxy)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """See ``Venue.warn_with``."""
        self._warn = warn
        self.market.warn_with(warn)

    def warm(self, connections: int) -> None:
        """See ``Venue.warm``."""
        self.market.warm(connections)

    def close(self) -> None:
        """Ends the matching and closes the account's file: open orders go on when it is opened again."""
        if self._watch is not None:
            self._watch.close()
        self._live.close()
        self.market.close()
        self._accounts.leave(self.book)


def _mark_of(funding: Funding | None, depth: Depth) -> Decimal | None:
    """The mark price that the venue shows beside the funding, else the middle of the book; None without either."""
    row = funding.get("Info") if funding is not None else None
    shown = row.get("markPrice") or row.get("markPx") if isinstance(row, dict) else None
    if shown:
        return Decimal(str(shown))
    asks, bids = sides_of(depth)
    return (asks[0][0] + bids[0][0]) / 2 if asks and bids else None


def _check_filters(intent: OrderIntent, rules: MarketRules) -> None:
    """Refuses what the venue's filters would refuse.

    Raises:
        InvalidOrder: A filter refuses it.
    """
    bounds = rules.bounds(market=intent.price is None)
    in_quote = intent.price is None and intent.side == "buy" and "." not in intent.symbol
    if intent.price is not None and rules.tick and cut(intent.price, rules.tick) != intent.price:
        raise InvalidOrder(
            f"the price {plain_text(intent.price)} of {intent.symbol} is no multiple of the tick {plain_text(rules.tick)}"
        )
    if not in_quote and bounds.step and cut(intent.amount, bounds.step) != intent.amount:
        raise InvalidOrder(
            f"the amount {plain_text(intent.amount)} of {intent.symbol} is no multiple of the step {plain_text(bounds.step)}"
        )
    try:
        if not in_quote:
            rules.check_amount(intent.amount, market=intent.price is None)
        if "." not in intent.symbol and (in_quote or intent.price is not None):
            value = intent.amount if in_quote else intent.amount * (intent.price or 0)
            rules.check_notional(value, market=in_quote)
    except InputError as error:
        raise InvalidOrder(f"a filter of {intent.symbol} refuses the order: {error}") from error
