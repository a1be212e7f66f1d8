"""A venue in memory whose answers, faults and delays are scripted by the test.

Orders rest until the test fills them (``fill``); the test sets books, tickers, bars and balances. Each call can be made to fail
(``fail``), to lose its reply after the venue has acted on it (``lose_reply``), or to wait until the test releases it (``hold``). Nothing
waits in real time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from ..clock import Clock, WallClock
from ..constants import (
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)  # fmt: skip
from ..errors import (
    DuplicateOrder,
    FmzError,
    InputError,
    OrderNotFound,
    OutcomeUnknown,
    UnknownSymbol,
    nearest,
    short_repr,
)
from ..exchange.market_rules import MarketRules
from ..exchange.venue import BaseVenue, OrderIntent
from ..fork import after_fork_in_child
from ..structures import Account, Asset, Depth, Info, Market, MarketOrder, Order, Record, Records, Ticker, Trade
from ..tasks.gate import pass_gate
from .scripting import Hold, KeptReply, Script

__all__ = ["FakeVenue"]

T = TypeVar("T")


class _Local(threading.local):
    reply: KeptReply | None = None


class FakeVenue(BaseVenue):
    """A scriptable venue in memory; thread-safe.

    Args:
        name: Its name.
        clock: Tells the time of orders and waits for latencies and holds.
        pairs: The pairs that it lists; each gets a market with tick 0.01, step 0.0001, minimum amount 0.0001 and minimum notional 5, a
            ticker, a
            book of five levels around 100, and a balance of 1,000,000 quote and 1,000 base.
        settling_s: For how many seconds after a lost reply "no such order" is not final.
    """

    def __init__(
        self,
        name: str = "Fake",
        *,
        clock: Clock | None = None,
        pairs: tuple[str, ...] = ("BTC_USDT", "ETH_USDT"),
        settling_s: float = 1.0,
    ) -> None:
        self.name = name
        self.settling_s = settling_s
        self.clock: Clock = clock if clock is not None else WallClock()
        self._lock = threading.RLock()  # guards everything below
        after_fork_in_child(self._start_anew)
        self._scripts: dict[str, Script] = {}
        self._local = _Local()
        self._next_id = 0
        self._url = "memory://fake"
        self._market_url = ""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""
        self.placed: list[OrderIntent] = []
        """Every intent that the venue accepted, in order."""
        self.timeout_ms = 0.0
        self.proxy = ""
        self.warmed = 0
        self.closed = False
        self.native_periods_s: tuple[int, ...] = (60, 300, 3600, 86400)
        self.market_rules: dict[str, Market] = {}
        self.books: dict[str, Depth] = {}
        self.bars: dict[tuple[str, int], list[Record]] = {}
        self.public_trades: dict[str, list[Trade]] = {}
        self.holdings: dict[str, float] = {}
        self.replies: dict[tuple[str, str], Any] = {}
        """The replies of ``request``, by method and resource."""
        self.requests: list[tuple[str, str, str, str]] = []
        """The calls of ``request``, in order."""
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[tuple[str, str], str] = {}
        for pair in pairs:
            self.list_pair(pair)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock."""
        self._lock = threading.RLock()

    # Set by the test

    def list_pair(self, pair: str, *, price: float = 100.0, **rules: Any) -> None:
        """Lists a pair.

        Args:
            pair: FMZ's symbol.
            price: The mid price of its book.
            rules: Fields of ``Market`` that differ from the defaults.
        """
        base, _, quote = pair.partition(".")[0].partition("_")
        market = Market(
            Symbol=base + quote,
            BaseAsset=base,
            QuoteAsset=quote,
            TickSize=0.01,
            AmountSize=0.0001,
            PricePrecision=2,
            AmountPrecision=4,
            MinQty=0.0001,
            MaxQty=100000.0,
            MinNotional=5.0,
            MaxNotional=9000000.0,
            Info=Info(),
        )
        market.update(rules)
        with self._lock:
            self.market_rules[pair] = market
            self.holdings.setdefault(base, 1000.0)
            self.holdings.setdefault(quote, 1_000_000.0)
        self.set_book(
            pair,
            asks=[(price + 0.01 * level, 1.0) for level in range(1, 6)],
            bids=[(price - 0.01 * level, 1.0) for level in range(1, 6)],
        )

    def set_book(self, pair: str, *, asks: list[tuple[float, float]], bids: list[tuple[float, float]]) -> None:
        """Sets the book of a pair from (price, amount) levels, the best first."""
        depth = Depth(
            Info=Info(Symbol=pair),
            Asks=[MarketOrder(Price=price, Amount=amount) for price, amount in asks],
            Bids=[MarketOrder(Price=price, Amount=amount) for price, amount in bids],
            Time=self._now_ms(),
        )
        with self._lock:
            self.books[pair] = depth

    def fail(self, method: str, *errors: FmzError | Callable[[], FmzError], always: bool = False) -> None:
        """Makes the next calls of a method raise, before the venue acts on them.

        Args:
            method: Its name in the port, such as ``"depth"`` or ``"place"``.
            errors: One for each coming call; a function is called to create each error.
            always: Whether the last one is raised by all later calls, until ``heal``.
        """
        self._known(method)
        with self._lock:
            script = self._scripts.setdefault(method, Script())
            if always and errors:
                script.always = errors[-1]
                errors = errors[:-1]
            script.faults.extend(errors)

    def lose_reply(self, method: str = "place", times: int = 1, error: FmzError | None = None) -> None:
        """Makes the next calls of a method raise after the venue has acted on them.

        Args:
            method: Its name in the port.
            times: The number of calls.
            error: What they raise; None for OutcomeUnknown.
        """
        self._known(method)
        with self._lock:
            self._scripts.setdefault(method, Script()).lost.extend([error] * times)

    def hold(self, method: str, calls: int = 1) -> Hold:
        """Blocks the next calls of a method, before the venue acts, until the test releases them."""
        self._known(method)
        hold = Hold(self.clock)
        with self._lock:
            self._scripts.setdefault(method, Script()).holds.extend([hold] * calls)
        return hold

    def delay(self, method: str, latency_s: float) -> None:
        """Makes every call of a method first sleep on the venue's clock; 0 ends this."""
        self._known(method)
        with self._lock:
            self._scripts.setdefault(method, Script()).latency_s = latency_s

    def heal(self, method: str = "") -> None:
        """Removes the script of one method, or of all; held calls are released."""
        with self._lock:
            names = [method] if method else list(self._scripts)
            scripts = [self._scripts.pop(name) for name in names if name in self._scripts]
        for script in scripts:
            for hold in script.holds:
                hold.release()

    def fill(self, order_id: str, amount: float | None = None, price: float | None = None) -> Order:
        """Fills an order completely or in part.

        Args:
            order_id: The order.
            amount: The amount to fill; None for the rest.
            price: The fill price; None for its own (the book's best for a market order).
        """
        with self._lock:
            order = self._orders[order_id]
            left = order.Amount - order.DealAmount
            part = left if amount is None else min(amount, left)
            at = price if price is not None else order.Price if order.Price > 0 else self._best(order)
            worth = order.AvgPrice * order.DealAmount + at * part
            order.DealAmount += part
            order.AvgPrice = worth / order.DealAmount if order.DealAmount else 0.0
            if order.DealAmount >= order.Amount:
                order.Status = ORDER_STATE_CLOSED
            return order.copy()

    def _best(self, order: Order) -> float:
        book = self.books[order.Symbol]
        levels = book.Asks if order.Type == ORDER_TYPE_BUY else book.Bids
        return float(levels[0].Price)

    def _known(self, method: str) -> None:
        if not callable(getattr(self, method, None)) or method.startswith("_"):
            raise InputError(f"the venue has no method {short_repr(method)} to script")

    def _now_ms(self) -> int:
        return int(self.clock.now() * 1000)

    def _serve(self, method: str, answer: Callable[[], T]) -> T:
        """Makes one call: counts, holds, delays, fails or answers it as scripted."""
        with self._lock:
            self.calls[method] += 1
            script = self._scripts.get(method)
            hold = script.holds.popleft() if script and script.holds else None
            fault = script.next_fault() if script else None
            latency_s = script.latency_s if script else 0.0
            lost = script is not None and fault is None and bool(script.lost)
            loss = script.lost.popleft() if script is not None and lost else None
        pass_gate()
        if hold is not None:
            hold.pause()
        if latency_s > 0:
            self.clock.sleep(latency_s)
        if fault is not None:
            raise fault
        with self._lock:
            result = answer()
            self._local.reply = KeptReply(result)
        if lost:
            raise loss or OutcomeUnknown(f"the reply of {method} was lost", request=f"FAKE {method}")
        return result

    def _check(self, symbol: str) -> str:
        if symbol not in self.market_rules:
            near = nearest(symbol, self.market_rules)
            raise UnknownSymbol(f"{self.name} does not list {short_repr(symbol)}{near}", request="FAKE")
        return symbol

    # The port

    def ticker(self, symbol: str) -> Ticker:
        """The best bid and ask of the book."""
        return self._serve("ticker", lambda: self._ticker(self._check(symbol)))

    def _ticker(self, symbol: str) -> Ticker:
        book = self.books[symbol]
        ask, bid = book.Asks[0].Price, book.Bids[0].Price
        last = round((ask + bid) / 2, 8)
        return Ticker(
            Info=Info(symbol=symbol),
            Symbol=symbol,
            High=ask,
            Low=bid,
            Sell=ask,
            Buy=bid,
            Last=last,
            Open=last,
            Volume=1.0,
            Time=self._now_ms(),
            OpenInterest=0,
        )

    def tickers(self) -> list[Ticker]:
        """The tickers of all pairs."""
        return self._serve("tickers", lambda: [self._ticker(symbol) for symbol in self.market_rules])

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """A copy of the book."""

        def _answer() -> Depth:
            book = self.books[self._check(symbol)]
            return Depth(
                Info=Info(book.Info),
                Asks=[level.copy() for level in book.Asks[:limit]],
                Bids=[level.copy() for level in book.Bids[:limit]],
                Time=book.Time,
            )

        return self._serve("depth", _answer)

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """What ``public_trades`` holds."""

        def _answer() -> list[Trade]:
            found = [trade.copy() for trade in self.public_trades.get(self._check(symbol), [])]
            return found[-limit:] if limit else found

        return self._serve("trades", _answer)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """What ``bars`` holds."""

        def _answer() -> Records:
            found = [bar.copy() for bar in self.bars.get((self._check(symbol), period_s), [])]
            return Records(found[-limit:] if limit else found)

        return self._serve("records", _answer)

    def periods_s(self) -> tuple[int, ...]:
        """What ``native_periods_s`` holds."""
        return self.native_periods_s

    def markets(self) -> dict[str, Market]:
        """Copies of ``market_rules``."""
        return self._serve("markets", lambda: {symbol: market.copy() for symbol, market in self.market_rules.items()})

    def rules(self, symbol: str) -> MarketRules:
        """The rules in ``market_rules`` of one symbol."""
        return self._serve("rules", lambda: MarketRules.of(symbol, self.market_rules[self._check(symbol)]))

    def account(self, symbol: str) -> Account:
        """The pair's holdings."""

        def _answer() -> Account:
            base, _, quote = self._check(symbol).partition(".")[0].partition("_")
            return Account(
                Info=Info(symbol=symbol),
                Balance=self.holdings.get(quote, 0.0),
                FrozenBalance=0.0,
                Stocks=self.holdings.get(base, 0.0),
                FrozenStocks=0.0,
            )

        return self._serve("account", _answer)

    def assets(self) -> list[Asset]:
        """All holdings that are not zero."""
        return self._serve(
            "assets",
            lambda: [
                Asset(Info=Info(), Currency=currency, Amount=amount, FrozenAmount=0.0)
                for currency, amount in self.holdings.items()
                if amount
            ],
        )

    def place(self, intent: OrderIntent) -> str:
        """Accepts an order, which rests until the test fills it."""
        return self._serve("place", lambda: self._accept(intent))

    def _accept(self, intent: OrderIntent) -> str:
        key = (self._check(intent.symbol), intent.client_order_id)
        if key in self._by_client_id:
            raise DuplicateOrder("the client order id is in use", request="FAKE place")
        self._next_id += 1
        order_id = f"{self.market_rules[intent.symbol].Symbol},{self._next_id}"
        self._by_client_id[key] = order_id
        self.placed.append(intent)
        self._orders[order_id] = Order(
            Info=Info(clientOrderId=intent.client_order_id),
            Symbol=intent.symbol,
            Id=order_id,
            Time=self._now_ms(),
            Price=-1.0 if intent.price is None else float(intent.price),
            Amount=float(intent.amount),
            DealAmount=0.0,
            AvgPrice=0.0,
            Status=ORDER_STATE_PENDING,
            Type=ORDER_TYPE_BUY if intent.side in {"buy", "closesell"} else ORDER_TYPE_SELL,
            Offset=ORDER_OFFSET_OPEN,
            ContractType="",
            Condition=None,
        )
        return order_id

    def cancel(self, order_id: str) -> None:
        """Cancels an open order."""

        def _answer() -> None:
            order = self._orders.get(order_id)
            if order is None or order.Status != ORDER_STATE_PENDING:
                raise OrderNotFound(f"no open order {short_repr(order_id)}", request="FAKE cancel")
            order.Status = ORDER_STATE_CANCELED

        self._serve("cancel", _answer)

    def _found(self, order_id: str | None) -> Order:
        if order_id is None or order_id not in self._orders:
            raise OrderNotFound(f"no order {short_repr(order_id)}", request="FAKE order")
        return self._orders[order_id].copy()

    def order(self, order_id: str) -> Order:
        """A copy of one order."""
        return self._serve("order", lambda: self._found(order_id))

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """A copy of one order."""
        key = (symbol, client_order_id)
        return self._serve("order_by_client_id", lambda: self._found(self._by_client_id.get(key)))

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Copies of the open orders."""

        def _answer() -> list[Order]:
            if symbol is not None:
                self._check(symbol)
            return [
                order.copy()
                for order in self._orders.values()
                if order.Status == ORDER_STATE_PENDING and symbol in {None, order.Symbol}
            ]

        return self._serve("orders", _answer)

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Copies of all orders of a symbol."""

        def _answer() -> list[Order]:
            self._check(symbol)
            found = [o.copy() for o in self._orders.values() if o.Symbol == symbol and since_ms <= o.Time]
            return found[:limit] if limit else found

        return self._serve("history_orders", _answer)

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """The entry of ``replies``; an empty dict if not found."""

        def _answer() -> Any:
            self.requests.append((http_method, resource, params, raw))
            return self.replies.get((http_method, resource), {})

        return self._serve("request", _answer)

    def places_order(self, http_method: str, resource: str) -> bool:
        """A POST to a path that ends with ``/order``."""
        return http_method == "POST" and resource.partition("?")[0].endswith("/order")

    def last_reply(self) -> KeptReply | None:
        """This thread's last reply, as JSON; None before the first."""
        return self._local.reply

    def set_base(self, url: str) -> None:
        """Takes the URL."""
        self._url = url

    def base(self) -> str:
        """The URL."""
        return self._url

    def set_market_base(self, url: str) -> None:
        """Takes the URL of market data."""
        self._market_url = url

    def market_base(self) -> str:
        """The URL of market data."""
        return self._market_url or self._url

    def set_timeout(self, timeout_ms: float) -> None:
        """Takes the time-out."""
        self.timeout_ms = timeout_ms

    def set_proxy(self, proxy: str) -> None:
        """Takes the proxy."""
        self.proxy = proxy

    def warm(self, connections: int) -> None:
        """Counts the calls."""
        with self._lock:
            self.warmed += 1

    def close(self) -> None:
        """Records that the venue was closed."""
        self.closed = True
