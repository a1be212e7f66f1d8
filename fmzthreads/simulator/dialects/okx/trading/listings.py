"""OKX v5's lists of orders and fills ("Order Book Trading", "Trade" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....engine.accounts import OrderRecord, TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.reasons import Rejected
from ..parameters import OkxParams, OkxRefusal
from ..public.instruments import Instruments
from ..public.products import INST_TYPES, family_of, product_of
from .order_rows import STATES, OrderRows, order_type, sub_type

__all__ = ["OrderListings"]

_CLOSED = ("filled", "canceled", "mmp_canceled")
_FORGET_UNFILLED_MS = 2 * 3_600_000


class OrderListings:
    """The handlers that list orders and fills; each takes an account, the query and the time, and returns the rows of ``data``.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        rows: Renders orders and fills.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, rows: OrderRows) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._rows = rows

    def query(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/order."""
        instrument = self._instruments.instrument(params.required("instId"))
        order_id, own_id = params.integer("ordId"), params.optional("clOrdId")
        if order_id is None and own_id is None:
            raise OkxRefusal("50015", "Either parameter ordId or clOrdId is required", 400)
        try:
            order = self._exchange.order(account, instrument.id, order_id, None if order_id is not None else own_id)
        except Rejected as error:
            raise OkxRefusal("51603", "Order does not exist.") from error
        return [self._rows.describe(order)]

    def pending(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-pending: newest first."""
        return self._page(
            account, params, ("live", "partially_filled"), lambda record: not record.state.final, required=False
        )

    def history(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-history: closed orders, newest first; those without a fill for two hours only."""
        oldest_ms = params.now_ms - _FORGET_UNFILLED_MS
        return self._page(
            account, params, _CLOSED, lambda o: o.state.final and (o.done_lots > 0 or o.updated_ms >= oldest_ms)
        )

    def archive(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-history-archive: closed orders, newest first."""
        return self._page(account, params, _CLOSED, lambda record: record.state.final)

    def _page(
        self,
        account: TradingAccount,
        params: OkxParams,
        states: tuple[str, ...],
        listed: Callable[[OrderRecord], bool],
        *,
        required: bool = True,
    ) -> list[dict[str, Any]]:
        """One page by order id, newest first; renders only the orders of the page."""
        kind = params.choice("instType", INST_TYPES, required=required)
        name = params.optional("instId")
        instrument = self._instruments.instrument(name).id if name is not None else None
        state = params.choice("state", states)
        types = set((params.optional("ordType") or "").split(",")) - {""}
        begin, end = params.integer("begin"), params.integer("end")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, 100)
        family = params.optional("instFamily") or params.optional("uly")

        def _wanted(record: OrderRecord) -> bool:
            return (
                listed(record)
                and kind in {None, product_of(record.instrument).inst_type}
                and family in {None, family_of(record.instrument)}
                and (state is None or STATES[record.state] == state)
                and (not types or (record.request is not None and order_type(record.request) in types))
            )

        found = self._exchange.order_history(
            account, instrument, from_id=before + 1 if before is not None else None, below_id=after, start_ms=begin, end_ms=end,
            limit=limit, newest=True, where=_wanted,
        )  # fmt: skip
        return [self._rows.describe(order) for order in reversed(found)]

    def fills(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/fills and trade/fills-history: newest first, pages by billId."""
        return self._fills(account, params, required=False)

    def fills_history(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/fills-history."""
        return self._fills(account, params, required=True)

    def _fills(self, account: TradingAccount, params: OkxParams, *, required: bool) -> list[Any]:
        kind = params.choice("instType", INST_TYPES, required=required)
        name = params.optional("instId")
        instrument = self._instruments.instrument(name).id if name is not None else None
        order_id = params.integer("ordId")
        wanted = params.optional("subType")
        begin, end = params.integer("begin"), params.integer("end")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, 100)
        choosy = wanted is not None or (kind is not None and instrument is None)
        found = self._exchange.fills(
            account, instrument, order_id=order_id, fill_ids=(before + 1 if before is not None else None, after), start_ms=begin,
            end_ms=end, limit=None if choosy else limit, newest=True,
        )  # fmt: skip
        found = [
            fill
            for fill in found
            if wanted in {None, sub_type(fill)}
            and kind in {None, product_of(self._exchange.instrument(fill.instrument)).inst_type}
        ][-limit:]
        return [self._rows.describe_fill(fill) for fill in reversed(found)]
