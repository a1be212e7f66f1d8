"""Both sides of each venue's orders in the soak of orders: what the venue has heard, and what our order log and our reading of the venue say."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter, deque
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from fmzthreads.constants import PD_LONG
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.events import ConditionEvent, OrderEvent
from fmzthreads.simulator.engine.orders import OrderOrigin

SPOT_SYMBOLS = ("BTC_USDT", "ETH_USDT", "SOL_USDT")
FUNDED = "BTC_USDT.swap"  # whose funding is paid now and then
_TEN_DAYS_MS = 864_000_000
KEPT = 1_000_000  # ended orders and fills that a venue remembers: all of a run
LIQUIDATED = "SOL_USDT.swap"  # traded with isolated margin, so that its liquidation leaves the rest alone


class Fill(NamedTuple):
    """A fill: the venue's number of the order, the trade, price and amount."""

    order: str
    trade: str
    price: Decimal
    amount: Decimal


class VenueBook:
    """What one market of a venue has heard of each order, taken from its own events.

    Args:
        server: The simulated venue.
        name: FMZ's name of the market.
        product: The simulator's product.
    """

    def __init__(self, server: SimulatorServer, name: str, product: str) -> None:
        self.server, self.name, self.product = server, name, product
        self.exchange, self.account = server.exchanges[product], server.accounts[product]
        self.contracts = product != "spot"
        # A simulated account remembers the newest 10,000 ended orders and fills; both markets of OKX have one account.
        self.account.history = KEPT
        self.account.fills = deque(self.account.fills, maxlen=KEPT)
        self._lock = threading.Lock()  # guards the maps
        self.orders: dict[str, tuple[str, Decimal]] = {}
        """Client order id, and what was filled, by the venue's number; without the orders that condition orders placed."""
        self.conditions: dict[str, str] = {}
        """Client order id by the number of a condition order."""
        self.children: dict[str, str] = {}
        """The order that a condition order placed, by the condition order's number."""
        self.forced: dict[str, Decimal] = {}
        """What was filled of the orders that the venue made itself."""
        self.fills: set[Fill] = set()
        self.moments: dict[tuple[str, str], float] = {}
        """When each trade of an order was made, those of the venue's own orders among them, by this machine's clock."""
        self.signed: Counter[str] = Counter()  # the position of each contract by all fills
        self.funding: list[Decimal] = []
        if self.contracts:
            # Funding that falls due by itself, every eight hours, would not be among what is kept here.
            self.exchange.contracts.set_funding(
                FUNDED, Decimal("0.0001"), self.exchange.server_time_ms() + _TEN_DAYS_MS
            )
        self.exchange.subscribe(self._take, (OrderEvent, ConditionEvent))

    def _take(self, event: Any) -> None:
        if event.account != self.account.name:
            return
        with self._lock:
            if isinstance(event, ConditionEvent):
                view = event.condition
                if ("." in view.request.order.instrument) != self.contracts:
                    return  # of the other market in the same account
                self.conditions[str(view.condition_id)] = view.request.client_id
                if view.order_id is not None:
                    self.children[str(view.condition_id)] = str(view.order_id)
            elif ("." in event.order.instrument) == self.contracts:
                self._take_order(event)

    def _take_order(self, event: OrderEvent) -> None:
        order, fill, number = event.order, event.fill, str(event.order.order_id)
        if fill is not None:
            self.signed[order.instrument] += fill.quantity * (1 if fill.side == "buy" else -1)  # type: ignore[assignment]
        if fill is not None:
            self.moments[number, str(fill.trade_id)] = time.time()
        if order.origin is not OrderOrigin.USER:
            self.forced[number] = order.filled
            return
        if "condition" not in order.extra:
            self.orders[number] = (order.client_id, order.filled)
        if fill is not None:
            self.fills.add(Fill(number, str(fill.trade_id), fill.price, fill.quantity))

    def pay_funding(self) -> None:
        """Pays funding of one contract now, and keeps what the account got or paid."""
        with self.exchange.lock:
            margin = self.account.margin
            before = margin.incomes[-1].number if margin is not None and margin.incomes else 0
            self.exchange.contracts.pay_funding(FUNDED)
            lines = margin.incomes if margin is not None else ()
            self.funding += [line.amount for line in lines if line.number > before and line.kind == "funding"]

    def liquidate(self) -> None:
        """Moves the mark price of one contract so far that its position is liquidated, until the market's next step."""
        contracts = self.exchange.contracts
        mark = contracts.prices(LIQUIDATED).mark
        for factor in ("0.5", "2"):
            contracts.set_prices(LIQUIDATED, mark=mark * Decimal(factor))

    def positions(self) -> dict[str, Decimal]:
        """The venue's open positions, signed."""
        found: Counter[str] = Counter()
        for view in self.exchange.contracts.positions(self.account):
            if view.quantity:
                found[view.instrument] += view.quantity  # type: ignore[assignment]
        return dict(found)  # type: ignore[arg-type]

    def balanced(self) -> bool:
        """Whether the venue's balances are what they were at first plus what fills and payments changed."""
        state = self.server.state()
        own = state["contracts"][self.product] if self.exchange is not self.server.exchange else state
        return bool(own["reconciled"])


@attrs.define
class OurReading:
    """What our own calls say at the end.

    Attributes:
        filled: What was filled of each order, by the venue's number.
        forced: The same of orders that are marked as the venue's own.
        signed: The position by these orders.
        positions: ``GetPositions``, signed.
        funding: ``GetFundingPayments``.
    """

    filled: dict[str, float] = attrs.field(factory=dict)
    forced: dict[str, float] = attrs.field(factory=dict)
    signed: dict[str, Decimal] = attrs.field(factory=dict)
    positions: dict[str, Decimal] = attrs.field(factory=dict)
    funding: list[float] = attrs.field(factory=list)


def read_venue(book: VenueBook, began_ms: int) -> OurReading:
    """Reads history, positions and funding payments as a strategy would."""
    server, found = book.server, OurReading()
    keys = {"access_key": server.key, "secret_key": server.secret, "passphrase": server.passphrase}
    with Exchange(
        book.name, "BTC_USDT", base=server.base_url, errors="raise", durability="memory", share_limits=False, **keys
    ) as exchange:
        for pair in SPOT_SYMBOLS:
            symbol = f"{pair}.swap" if book.contracts else pair
            signed = Decimal(0)
            for order in exchange.GetHistoryOrders(symbol, began_ms, 10**9):
                number = order.Id.rpartition(",")[2]
                (found.forced if order.get("MadeBy") else found.filled)[number] = order.DealAmount
                signed += Decimal(repr(order.DealAmount)) * (1 if order.Type == 0 else -1)
            if book.contracts and signed:
                found.signed[symbol] = signed
        if book.contracts:
            for held in exchange.GetPositions("USDT.swap"):
                amount = Decimal(repr(held.Amount)) * (1 if held.Type == PD_LONG else -1)
                found.positions[held.Symbol] = found.positions.get(held.Symbol, Decimal(0)) + amount
            found.funding = [one.Amount for one in exchange.GetFundingPayments(FUNDED, began_ms, 10**6)]
    return found


@attrs.frozen
class OurLog:
    """The order log of the strategy: rows of placements and condition orders, and fills."""

    rows: list[tuple[str, str, str, str, str]]
    """Account, kind, client order id, fate, order id."""
    fills: list[tuple[str, Fill]]
    """Account, and the fill."""

    def of(self, name: str) -> OurLog:
        """The part of one market."""
        head = f"{name}:"
        return OurLog(
            [row for row in self.rows if row[0].startswith(head)],
            [one for one in self.fills if one[0].startswith(head)],
        )


def read_log(home: str) -> OurLog:
    """Reads the order log's file."""
    (file,) = Path(home).glob("soak*/orders.sqlite3")
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(
            "SELECT account, kind, client_order_id, fate, order_id FROM intents WHERE kind IN ('order', 'condition')"
        ).fetchall()
        fills = connection.execute("SELECT account, order_id, trade_id, price, amount FROM fills").fetchall()
    return OurLog(
        rows,
        [(one[0], Fill(_number(one[1]), one[2], Decimal(one[3]), Decimal(one[4]))) for one in fills],
    )


def _number(order_id: str) -> str:
    return order_id.rpartition(",")[2].removeprefix("algo")


def compare(book: VenueBook, log: OurLog, read: OurReading) -> dict[str, int]:
    """Both sides of one market's orders; every number but those that are named ``at the venue`` should be 0."""
    ours = {_number(row[4]): row[2] for row in log.rows if row[1] == "order" and row[3] == "placed"}
    waiting = {_number(row[4]): row[2] for row in log.rows if row[1] == "condition" and row[3] == "placed"}
    theirs = {number: key for number, (key, _) in book.orders.items()}
    filled = {number: amount for number, (_, amount) in book.orders.items()}
    placed_by = {row[4].rpartition(",")[2] for row in log.rows if row[1] == "condition"}
    our_fills = {
        fill._replace(order=book.children.get(fill.order, fill.order)) if f"algo{fill.order}" in placed_by else fill
        for _, fill in log.fills
    }
    keys = Counter(row[2] for row in log.rows)
    return {
        "orders at the venue": len(theirs),
        "condition orders at the venue": len(book.conditions),
        "triggered at the venue": len(book.children),
        "fills at the venue": len(book.fills),
        "forced orders at the venue": len(book.forced),
        "funding payments at the venue": len(book.funding),
        "known there only": len(theirs.keys() - ours.keys()) + len(book.conditions.keys() - waiting.keys()),
        "known here only": len(ours.keys() - theirs.keys()) + len(waiting.keys() - book.conditions.keys()),
        "under another client id": sum(theirs[one] != ours[one] for one in theirs.keys() & ours.keys())
        + sum(book.conditions[one] != waiting[one] for one in book.conditions.keys() & waiting.keys()),
        "client ids used twice": sum(n - 1 for n in Counter([*theirs.values(), *book.conditions.values()]).values())
        + sum(n - 1 for n in keys.values()),
        "not settled": sum(row[3] in {"sending", "unknown"} for row in log.rows),
        "filled amounts that differ": sum(
            read.filled.get(number) != float(amount)
            for number, amount in filled.items()
            if number in read.filled or amount
        ),
        "fills known there only": len(book.fills - our_fills),
        "fills known here only": len(our_fills - book.fills),
        "forced orders that differ": int({n: float(a) for n, a in book.forced.items()} != read.forced),
        "positions that differ": int(book.contracts and not _one_position(book, read)),
        "funding that differs": int(sorted(map(float, book.funding)) != sorted(read.funding)),
        "balances that differ": int(not book.balanced()),
    }


def _one_position(book: VenueBook, read: OurReading) -> bool:
    """Whether positions are the signed fills, on both sides, and both sides have the same."""
    by_fills = {symbol: amount for symbol, amount in book.signed.items() if amount}
    return by_fills == book.positions() == read.positions == read.signed
