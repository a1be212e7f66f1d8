"""OKX v5's statement of an account ("Get bills details" in OKX's API guide)."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs

from ....engine.accounts import TradingAccount
from ....engine.events import AccountEvent, Event, OrderEvent
from ....engine.exchange import SimulatedExchange
from ....engine.orders import FillView, OrderOrigin, OrderView
from ...fields import plain_decimal
from ..parameters import OkxParams
from ..public.instruments import Instruments
from ..public.products import INST_TYPES, contract_type, product_of
from ..trading.order_rows import sub_type

__all__ = ["Bills"]

_KEPT = 10_000  # of trades, and as many of all else, per account
_WEEK_MS = 7 * 86_400_000
_TYPES = {OrderOrigin.USER: "2", OrderOrigin.LIQUIDATION: "5", OrderOrigin.ADL: "9", OrderOrigin.DELIVERY: "3"}
_FORCED_SUBTYPES = {
    OrderOrigin.LIQUIDATION: {"long": "104", "short": "105", "buy": "106", "sell": "107"},
    OrderOrigin.ADL: {"long": "125", "short": "126", "buy": "127", "sell": "128"},
    OrderOrigin.DELIVERY: {"long": "112", "short": "113", "buy": "113", "sell": "112"},
}


@attrs.frozen(kw_only=True)
class _Bill:
    """One row, and its number."""

    bill_id: int
    row: dict[str, Any]


class Bills:
    """The statements of all accounts, written from the exchange's events, and the handlers that read them.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._trades: dict[str, deque[_Bill]] = {}
        self._others: dict[str, deque[_Bill]] = {}  # funding and the like, which many trades must not push out
        with exchange.lock:  # no fill may come between the look at the balances and the first event
            self._known = {
                (account.name, asset): account.balance(asset).total
                for account in exchange.accounts()
                if not account.house
                for asset in account.balances()
            }
            exchange.subscribe(self._take, (OrderEvent, AccountEvent))

    # --- asking ---

    def recent(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/bills: of the last seven days, newest first."""
        return self._page(account, params, params.now_ms - _WEEK_MS)

    def archive(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/bills-archive: all that are kept, newest first."""
        return self._page(account, params, 0)

    def _page(self, account: TradingAccount, params: OkxParams, oldest_ms: int) -> list[Any]:
        kind = params.choice("instType", INST_TYPES)
        name = params.optional("instId")
        if name is not None:
            self._instruments.instrument(name)
        contract = params.choice("ctType", ("linear", "inverse"))
        fields = {
            field: params.optional(field) for field in ("ccy", "mgnMode", "type", "subType") if params.optional(field)
        }
        begin, end = params.integer("begin"), params.integer("end")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, 100)
        found: list[dict[str, Any]] = []
        with self._exchange.lock:
            for bill in self._newest_first(account.name):
                traded = self._instruments.find(bill.row["instId"])
                if (
                    int(bill.row["ts"]) >= max(oldest_ms, begin or 0)
                    and (end is None or int(bill.row["ts"]) <= end)
                    and (after is None or bill.bill_id < after)
                    and (before is None or bill.bill_id > before)
                    and name in {None, bill.row["instId"]}
                    and kind in {None, bill.row["instType"]}
                    and (contract is None or (traded is not None and contract_type(traded) == contract))
                    and all(bill.row[field] == value for field, value in fields.items())
                ):
                    found.append(bill.row)
                    if len(found) == limit:
                        break
        return found

    def _newest_first(self, account: str) -> Iterator[_Bill]:
        kinds = [reversed(kind.get(account, ())) for kind in (self._trades, self._others)]
        return heapq.merge(*kinds, key=lambda bill: -bill.bill_id)

    # --- writing, with the exchange's lock held ---

    def _take(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            if event.fill is not None:
                self._filled(event.account, event.order, event.fill)
        elif isinstance(event, AccountEvent):
            if event.reason == "funding":
                self._funded(event)
            else:
                for asset in event.balances:
                    self._moved(event, asset)

    def _changed(self, account: str, asset: str, expected: Decimal | None = None) -> Decimal:
        """How far a balance has changed since it was last asked for.

        ``expected`` is the change of a balance that is asked for the first time, of an account made later than this; None for all of it.
        """
        now = self._exchange.account(account).balance(asset).total
        before = self._known.get((account, asset))
        self._known[account, asset] = now
        if before is None:
            return now if expected is None else expected
        return now - before

    def _filled(self, account: str, order: OrderView, fill: FillView) -> None:
        instrument = self._exchange.instrument(fill.instrument)
        row = self._row(fill.instrument, fill.time_ms)
        row.update(
            type=_TYPES[order.origin],
            ordId=str(order.order_id),
            clOrdId=order.client_id,
            tag=order.extra.get("tag", ""),
            tradeId=str(fill.trade_id),
            execType="M" if fill.is_maker else "T",
            fillTime=str(fill.time_ms),
            px=plain_decimal(fill.price),
            pnl=plain_decimal(fill.profit),
            fee=plain_decimal(-fill.fee),
        )
        if product_of(instrument).contracts:
            self._contract_filled(account, order, fill, row)
            return
        buys = fill.side == "buy"
        got = fill.quantity if buys else fill.quote_quantity
        paid = fill.quote_quantity if buys else fill.quantity
        row.update(mgnMode="cash", subType="1" if buys else "2")
        received = self._changed(account, fill.fee_asset, got - fill.fee)
        self._write(account, fill.fill_id, {**row, "sz": plain_decimal(got)}, fill.fee_asset, received)
        paid_in = instrument.quote if buys else instrument.base
        spent = self._changed(account, paid_in, -paid)
        self._write(account, None, {**row, "sz": plain_decimal(paid), "fee": "0"}, paid_in, spent)

    def _contract_filled(self, account: str, order: OrderView, fill: FillView, row: dict[str, Any]) -> None:
        instrument, prices = (
            self._exchange.instrument(fill.instrument),
            self._exchange.contracts.prices(fill.instrument),
        )
        change = self._changed(account, instrument.settle, fill.profit - fill.fee)
        row.update(
            mgnMode="isolated" if order.isolated else "cross",
            subType=_sub_type(order, fill),
            sz=plain_decimal(fill.quantity),
            fillMarkPx=plain_decimal(prices.mark),
            fillIdxPx=plain_decimal(prices.index),
        )
        if order.isolated:
            holder = self._exchange.account(account)
            view = self._exchange.contracts.position(holder, fill.instrument, fill.position_side, True)
            row.update(
                posBal=plain_decimal(view.isolated_wallet), posBalChg=plain_decimal(fill.profit - fill.fee - change)
            )
        self._write(account, fill.fill_id, row, instrument.settle, change)

    def _funded(self, event: AccountEvent) -> None:
        instrument = self._exchange.instrument(event.instrument)
        view = next((one for one in event.positions if one.instrument == event.instrument), None)
        row = self._row(event.instrument, event.time_ms)
        isolated, amount = view is not None and view.isolated, event.amount
        row.update(
            type="8",
            subType="174" if amount >= 0 else "173",
            mgnMode="isolated" if isolated else "cross",
            pnl=plain_decimal(amount),
            sz=plain_decimal(abs(view.quantity)) if view is not None else "0",
            px=plain_decimal(self._exchange.contracts.prices(event.instrument).mark),
        )
        if isolated and view is not None:
            row.update(posBalChg=plain_decimal(amount), posBal=plain_decimal(view.isolated_wallet))
        change = self._changed(event.account, instrument.settle, Decimal(0) if isolated else amount)
        self._write(event.account, None, row, instrument.settle, change)

    def _moved(self, event: AccountEvent, asset: str) -> None:
        """A change of a balance that no fill and no funding explains."""
        change = self._changed(event.account, asset)
        if not change:
            return
        view = next(iter(event.positions), None)
        row = self._row(view.instrument if view is not None else "", event.time_ms)
        if event.reason == "margin" and view is not None:
            row.update(
                type="6", subType="161" if change > 0 else "160", mgnMode="isolated", sz=plain_decimal(abs(change)),
                posBal=plain_decimal(view.isolated_wallet), posBalChg=plain_decimal(-change),
            )  # fmt: skip
        elif event.reason == "liquidation":
            row.update(type="5", subType="", pnl=plain_decimal(change), sz=plain_decimal(abs(change)))
        else:
            row.update(
                type="1", subType="11" if change > 0 else "12", sz=plain_decimal(abs(change)), to="18" if change > 0 else "6",
            )  # fmt: skip
            row["from"] = "6" if change > 0 else "18"
        self._write(event.account, None, row, asset, change)

    def _row(self, instrument: str, time_ms: int) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(dict.fromkeys(_ZERO_FIELDS, "0"))
        row["ts"] = str(time_ms)
        if instrument:
            traded = self._exchange.instrument(instrument)
            row.update(instType=product_of(traded).inst_type, instId=self._instruments.name(instrument))
        return row

    def _write(self, account: str, number: int | None, row: dict[str, Any], asset: str, change: Decimal) -> None:
        """Adds a row; None for a number of its own."""
        number = self._exchange.take_fill_id() if number is None else number
        row.update(
            billId=str(number), ccy=asset, balChg=plain_decimal(change), bal=plain_decimal(self._known[account, asset])
        )
        kept = self._trades if row["tradeId"] else self._others
        kept.setdefault(account, deque(maxlen=_KEPT)).append(_Bill(bill_id=number, row=row))


def _sub_type(order: OrderView, fill: FillView) -> str:
    """Of a fill of a contract."""
    side = fill.position_side
    if order.origin is not OrderOrigin.USER:
        return _FORCED_SUBTYPES[order.origin][side if side != "net" else fill.side]
    return sub_type(fill)


_EMPTY_FIELDS = (
    "clOrdId", "earnAmt", "earnApr", "execType", "fillFwdPx", "fillIdxPx", "fillMarkPx", "fillMarkVol", "fillPxUsd", "fillPxVol",
    "fillTime", "from", "instId", "instType", "mgnMode", "notes", "ordId", "px", "subType", "tag", "to", "tradeId",
)  # fmt: skip
_ZERO_FIELDS = ("fee", "interest", "pnl", "posBal", "posBalChg", "sz")
