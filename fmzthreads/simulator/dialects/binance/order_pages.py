"""Pages of orders as JSON text: an ended order is rendered once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...engine.orders import OrderView
from ...transport.requests import encode_json
from .parameters import BinanceParams

__all__ = ["OrderPage", "RenderedOrders"]

_KEPT_ROWS = 20_000  # beyond it they are rendered again
_ORDERS_A_STEP = 100  # rendered between two yields: about two milliseconds


@attrs.frozen(kw_only=True)
class OrderPage:
    """What a page of an account's orders is asked by (see ``SimulatedExchange.order_history``)."""

    instrument: str
    from_id: int | None
    start_ms: int | None
    end_ms: int | None
    limit: int

    @property
    def newest(self) -> bool:
        """Whether the limit leaves the newest orders."""
        return self.from_id is None and self.start_ms is None


class RenderedOrders:
    """Pages of orders. Not thread-safe: the event loop's.

    Args:
        describe: Makes what becomes JSON of an order.
    """

    def __init__(self, describe: Callable[[BinanceParams, OrderView], dict[str, Any]]) -> None:
        self._describe = describe
        self._kept: dict[tuple[int, bool], bytes] = {}  # by order id, and by whether times are in microseconds

    def page(
        self, params: BinanceParams, exchange: SimulatedExchange, account: TradingAccount, page: OrderPage
    ) -> list[bytes]:
        """The orders of a page, oldest first."""
        return [self._row(params, order) for order in _read(exchange, account, page)]

    def ahead(
        self, params: BinanceParams, exchange: SimulatedExchange, account: TradingAccount, page: OrderPage
    ) -> Iterator[None]:
        """Renders the ended orders of a page that are not kept yet, and yields after each hundred."""
        if len(self._kept) + page.limit > _KEPT_ROWS:
            self._kept.clear()
        left, below_id = page.limit, None
        while left > 0:
            part = attrs.evolve(page, limit=min(left, _ORDERS_A_STEP))
            orders = _read(exchange, account, part, below_id, newest=page.newest)
            before = len(self._kept)
            for order in orders:
                self._row(params, order)
            if len(self._kept) > before:
                yield
            left -= len(orders)
            if len(orders) < part.limit:
                return
            if page.newest:
                below_id = orders[0].order_id
            else:
                page = attrs.evolve(page, from_id=orders[-1].order_id + 1)

    def _row(self, params: BinanceParams, order: OrderView) -> bytes:
        """One order; rendered again while it has not ended."""
        if not order.state.final:
            return encode_json(self._describe(params, order))
        key = (order.order_id, params.microseconds)
        row = self._kept.get(key)
        if row is None:
            row = self._kept[key] = encode_json(self._describe(params, order))
        return row


def _read(
    exchange: SimulatedExchange,
    account: TradingAccount,
    page: OrderPage,
    below_id: int | None = None,
    *,
    newest: bool | None = None,
) -> list[OrderView]:
    return exchange.order_history(
        account, page.instrument, from_id=page.from_id, below_id=below_id, start_ms=page.start_ms, end_ms=page.end_ms,
        limit=page.limit, newest=newest,
    )  # fmt: skip
