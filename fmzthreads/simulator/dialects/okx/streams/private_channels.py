"""OKX v5's private channels ("Trading Account" and "Order Book Trading" in OKX's API guide)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.events import AccountEvent, OrderEvent
from ....engine.instruments import Instrument, Kind
from ....engine.margin.positions import PositionView
from ....engine.orders import FillView, Finish, State, TimeInForce
from ....transport.topics import Feed, Listener
from ...fields import plain_decimal
from ..accounts.balances import OkxAccounts
from ..rest import SimulatedOkx
from .instrument_choice import InstrumentChoice
from .private_topic import GatheredTopic, PrivateTopic

__all__ = ["AccountTopic", "BalanceAndPositionTopic", "OrdersTopic"]

# A post-only order is announced only after it has entered the book.
_BOOK_ENTRY_S = 0.002
_CAUSES = {
    "funding": "funding_fee",
    "liquidation": "liquidation",
    "delivery": "delivered",
    "margin": "adjust_margin",
}
"""The ``eventType`` of a change of balances or positions that no order made, by the engine's reason."""

_POSITION_FIELDS = (
    "posId", "tradeId", "instId", "instType", "mgnMode", "posSide", "ccy", "posCcy", "avgPx", "nonSettleAvgPx", "settledPnl", "uTime",
)  # fmt: skip
_EMPTY_FIELDS = (
    "fillPxVol",
    "fillPxUsd",
    "fillMarkVol",
    "fillFwdPx",
    "fillMarkPx",
    "fillIdxPx",
    "amendSource",
    "amendResult",
    "reqId",
    "msg",
)


class OrdersTopic(PrivateTopic):
    """The channel ``orders``: one message for each change.

    Args:
        feed: The source of events.
        account: The account.
        dialect: Renders orders.
        choice: The instruments to report.
    """

    def __init__(self, feed: Feed, account: TradingAccount, dialect: SimulatedOkx, choice: InstrumentChoice) -> None:
        super().__init__(feed, account)
        self._exchange = dialect.exchange
        self._rows = dialect.rows
        self._request_ids = dialect.orders.request_ids
        self._choice = choice
        self._held: dict[int, tuple[OrderEvent, asyncio.TimerHandle]] = {}

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(OrderEvent, self.account.name, self._changed)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(OrderEvent, self.account.name, self._changed)
        for _, timer in self._held.values():
            timer.cancel()
        self._held.clear()

    def _changed(self, event: OrderEvent) -> None:
        order = event.order
        if not self._choice.includes(order.instrument):
            return
        if order.time_in_force is TimeInForce.POST_ONLY and order.state is State.NEW:
            timer = asyncio.get_running_loop().call_later(_BOOK_ENTRY_S, self._let_go, order.order_id)
            self._held[order.order_id] = (event, timer)
            return
        if order.finish is Finish.POST_ONLY and order.order_id in self._held:
            self._held.pop(order.order_id)[1].cancel()
        self._let_go(order.order_id)
        self.say([self._row(event)])

    def _let_go(self, order_id: int) -> None:
        held = self._held.pop(order_id, None)
        if held is not None:
            held[1].cancel()
            self.say([self._row(held[0])])

    def _row(self, event: OrderEvent) -> dict[str, Any]:
        order, fill = event.order, event.fill
        row = self._rows.describe(order)
        row.pop("cancelSourceReason", None)
        row.update(dict.fromkeys(_EMPTY_FIELDS, ""))
        if event.amended:
            row.update(amendSource="1", amendResult="0", reqId=self._request_ids.get(order.order_id, ""))
        price = order.price if order.price is not None else order.average_price
        size = order.quantity if order.quantity is not None else order.filled
        instrument = self._exchange.instrument(order.instrument)
        row.update(
            avgPx=plain_decimal(order.average_price) if order.average_price is not None else "0",
            notionalUsd=plain_decimal(_dollars(instrument, price, size)) if price is not None else "",
            fillNotionalUsd=plain_decimal(order.filled_quote) if order.filled else "",
            fillPnl=plain_decimal(fill.profit) if fill is not None else "0",
            lastPx=plain_decimal(fill.price) if fill is not None else "",
            code="0",
            **_fill_fields(fill),
        )
        if fill is not None and instrument.terms is not None:
            prices = self._exchange.contracts.prices(instrument.id)
            row.update(fillMarkPx=plain_decimal(prices.mark), fillIdxPx=plain_decimal(prices.index))
        return row


def _dollars(instrument: Instrument, price: Decimal, size: Decimal) -> Decimal:
    """What an order is worth in its quote currency."""
    value = size * instrument.contract_value
    return value if instrument.kind is Kind.INVERSE else price * value


def _fill_fields(fill: FillView | None) -> dict[str, str]:
    """The fields about the fill of this change."""
    if fill is None:
        return {
            "fillPx": "", "fillSz": "0", "fillTime": "", "tradeId": "", "fillFee": "0", "fillFeeCcy": "", "execType": "",
        }  # fmt: skip
    return {
        "fillPx": plain_decimal(fill.price),
        "fillSz": plain_decimal(fill.quantity),
        "fillTime": str(fill.time_ms),
        "tradeId": str(fill.trade_id),
        "fillFee": plain_decimal(-fill.fee),
        "fillFeeCcy": fill.fee_asset,
        "execType": "M" if fill.is_maker else "T",
    }


class AccountTopic(GatheredTopic[str]):
    """The channel ``account``: a snapshot, collected changes, and periodic snapshots.

    Args:
        feed: The source of events.
        account: The account.
        accounts: Renders balances.
        now_ms: The venue's time.
        currency: The only currency to report; None for all.
        regular: Whether to send periodic snapshots too.
    """

    def __init__(
        self,
        feed: Feed,
        account: TradingAccount,
        accounts: OkxAccounts,
        now_ms: Callable[[], int],
        currency: str | None,
        *,
        regular: bool,
    ) -> None:
        super().__init__(feed, account, regular=regular)
        self._accounts = accounts
        self._now_ms = now_ms
        self._currency = currency

    def snapshot(self, to: Listener | None = None) -> None:
        """Sends all balances."""
        only = [self._currency] if self._currency is not None else None
        row = self._accounts.describe(self.account, only, self._now_ms())
        self.say([row], to, eventType="snapshot", curPage=1, lastPage=True)

    def changes(self, event: AccountEvent) -> Iterable[str]:
        """The currencies whose balance has changed."""
        return (asset for asset in event.balances if self._currency in {None, asset})

    def send(self, changed: Collection[str]) -> None:
        """Sends the balances of these currencies."""
        row = self._accounts.describe(self.account, sorted(changed), self._now_ms(), zeros=True)
        self.say([row], eventType="event_update")


class BalanceAndPositionTopic(PrivateTopic):
    """The channel ``balance_and_position``: a snapshot, then changed balances with their trades.

    Args:
        feed: The source of events.
        account: The account.
        dialect: Renders positions.
        now_ms: The venue's time.
    """

    def __init__(self, feed: Feed, account: TradingAccount, dialect: SimulatedOkx, now_ms: Callable[[], int]) -> None:
        super().__init__(feed, account)
        self._exchange = dialect.exchange
        self._instruments = dialect.instruments
        self._positions = dialect.positions
        self._now_ms = now_ms
        self._totals: dict[str, Decimal] = {}
        self._trades: list[dict[str, str]] = []

    def start(self) -> None:
        """Begins to listen."""
        with self._exchange.lock:
            self.feed.watch(OrderEvent, self.account.name, self._filled)
            self.feed.watch(AccountEvent, self.account.name, self._changed)
            self._totals = {asset: balance.total for asset, balance in self._exchange.balances(self.account).items()}

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(OrderEvent, self.account.name, self._filled)
        self.feed.unwatch(AccountEvent, self.account.name, self._changed)

    def join(self, listener: Listener) -> None:
        """Sends a snapshot to a new listener."""
        held = {asset: total for asset, total in self._totals.items() if total}
        views = self._exchange.contracts.positions(self.account) if self._instruments.has_contracts else []
        self._send("snapshot", held, [view for view in views if view.quantity], [], listener)

    def _filled(self, event: OrderEvent) -> None:
        if event.fill is not None:
            name = self._instruments.name(event.fill.instrument)
            self._trades.append({"instId": name, "tradeId": str(event.fill.trade_id)})

    def _changed(self, event: AccountEvent) -> None:
        moved = {
            asset: balance.total
            for asset, balance in event.balances.items()
            if balance.total != self._totals.get(asset)
        }
        if not moved and not event.positions:
            return  # only the frozen part of a balance changed
        self._totals.update(moved)
        trades, self._trades = self._trades, []
        kind = _CAUSES.get(event.reason) or ("filled" if trades else "delivered")
        self._send(kind, moved, event.positions, trades, None)

    def _send(
        self,
        kind: str,
        totals: dict[str, Decimal],
        views: Iterable[PositionView],
        trades: list[dict[str, str]],
        to: Listener | None,
    ) -> None:
        now = str(self._now_ms())
        cash = [{"ccy": asset, "cashBal": plain_decimal(total), "uTime": now} for asset, total in totals.items()]
        rows = (self._positions.describe(self.account, view) for view in views)
        held = [
            {**{field: row[field] for field in _POSITION_FIELDS}, "pos": row["pos"]} for row in rows if row is not None
        ]
        self.say([{"pTime": now, "eventType": kind, "balData": cash, "posData": held, "trades": trades}], to)
