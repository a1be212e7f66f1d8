"""The fills and the bars of a backtest that has ended, for its figures and its report."""

from __future__ import annotations

from ...structures.value_objects import evolve
from ..config.settings import BacktestSettings
from ..data.bars import BarSeries
from ..engine.engine import BacktestEngine, ExchangeParts
from ..metrics.fills import BacktestFill
from ..nano import to_float
from ..trading.margin import MarginAccount
from ..trading.orders import DeskOrder

__all__ = ["engine_bars", "engine_fills", "known_settings"]

_POSITIONS = {"buy": "long", "closebuy": "long", "sell": "short", "closesell": "short"}


def engine_bars(engine: BacktestEngine) -> dict[tuple[int, str], BarSeries]:
    """The bars of the symbols that were traded or looked at, by exchange and symbol; history is included."""
    return {
        (number, symbol): feed.series
        for number, part in enumerate(engine.parts)
        for symbol, feed in part.table.feeds.items()
    }


def known_settings(engine: BacktestEngine, *, finished: bool) -> BacktestSettings:
    """The settings that figures are computed by: with the markets as the data describe them, and of a run that was stopped with the time until then."""
    settings = engine.settings
    exchanges = [
        evolve(
            part.settings,
            details={**part.settings.details, **{symbol: feed.detail for symbol, feed in part.table.feeds.items()}},
        )
        for part in engine.parts
    ]
    end_ms = settings.end_ms if finished else max(settings.start_ms + 1, min(engine.now_ms, settings.end_ms))
    return evolve(settings, exchanges=tuple(exchanges), end_ms=end_ms)


def engine_fills(engine: BacktestEngine) -> list[BacktestFill]:
    """One fill for each order that was filled at all, at its average price, by time.

    Its time is that of the tick that first reached its price: an order that was filled in parts counts as if that had been then. The middle of
    the book is that of the tick at which the order was placed.
    """
    found = [
        _fill(number, part, order) for number, part in enumerate(engine.parts) for order in part.desk.dealt_orders()
    ]
    return sorted(found, key=lambda fill: fill.time_ms)


def _fill(number: int, part: ExchangeParts, order: DeskOrder) -> BacktestFill:
    ledger, detail = part.desk.ledger, order.detail
    hedged = isinstance(ledger, MarginAccount) and ledger.dual
    price, amount = to_float(order.average), to_float(order.deal)
    taker = order.crosses(order.birth)
    return BacktestFill(
        time_ms=_filled_ms(order, taker=taker),
        exchange=number,
        symbol=detail.symbol,
        order_id=str(order.id),
        side="buy" if order.is_buy else "sell",
        position=_POSITIONS[order.direction] if hedged else "net",
        price=price,
        amount=amount,
        fee=to_float(order.fee),
        mid=to_float(order.birth.last),
    )


def _filled_ms(order: DeskOrder, *, taker: bool) -> int:
    if order.filled_ms >= 0:  # as recorded books know it
        return order.filled_ms
    if taker:
        return order.time_ms
    view = order.view
    find = view.first_at_or_below if order.is_buy else view.first_at_or_above
    number = find(order.trigger(), order.birth.number, max(order.seen, order.birth.number))
    return view.tick_at(number).time_ms if number >= 0 else order.time_ms
