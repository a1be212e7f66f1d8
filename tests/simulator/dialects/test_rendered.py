"""Pages of bars that are put together from kept rows say what the exchange says."""

from __future__ import annotations

import itertools
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.dialects.binance.order_pages import OrderPage, RenderedOrders
from fmzthreads.simulator.dialects.binance.parameters import BinanceParams
from fmzthreads.simulator.dialects.rendered import RenderedBars
from fmzthreads.simulator.engine.candles import BASES_S, MONTH_S, Candle
from fmzthreads.simulator.engine.orders import NewOrder, OrderView
from fmzthreads.simulator.transport.requests import Rendered, encode_json
from tests.helpers.simulators import simulator

BTC = "BTC_USDT"


def text(bar: Candle) -> bytes:
    return encode_json([bar.open_ms, str(bar.open), str(bar.close), str(bar.volume), bar.trades, bar.closed])


def expect(server: SimulatorServer, pages: RenderedBars, *args: int | None, offset_s: int = 0) -> None:
    period_s, limit, start_ms, end_ms = args
    assert period_s is not None
    assert limit is not None
    bars = server.exchange.bars(BTC, period_s, limit, start_ms, end_ms, offset_s=offset_s)
    opens, rows = pages.page(BTC, period_s, limit, start_ms, end_ms, offset_s)
    assert list(opens) == [bar.open_ms for bar in bars]
    assert rows == [text(bar) for bar in bars]


@pytest.mark.parametrize("period_s", [1, 60, 300, 43_200, 86_400, 604_800, MONTH_S])
def test_every_page_is_the_exchanges_own(period_s: int) -> None:
    dice = random.Random(period_s)
    clock = ManualClock(1_800_000_123)
    with simulator("binance", clock=clock) as server:
        pages = RenderedBars(server.exchange, text)
        now_ms = server.exchange.server_time_ms()
        for _ in range(40):
            step_ms = period_s * 1000
            start = now_ms - dice.randrange(-3, 300) * step_ms // 2 if dice.random() < 0.5 else None
            end = now_ms - dice.randrange(-3, 300) * step_ms // 3 if dice.random() < 0.5 else None
            expect(server, pages, period_s, dice.choice((1, 2, 50)), start, end, offset_s=dice.choice((0, 28_800)))
            if dice.random() < 0.5:
                clock.advance(dice.choice((0.4, 1, period_s)) if period_s < 3600 else 7)
                server.driver.step(1)
                now_ms = server.exchange.server_time_ms()


def test_the_beginning_of_history_is_no_page_of_nothing() -> None:
    with simulator("binance") as server:
        pages = RenderedBars(server.exchange, text)
        for _ in range(2):
            expect(server, pages, 604_800, 1000, None, None)
            expect(server, pages, 604_800, 5, 0, None)
            expect(server, pages, 604_800, 5, None, 1_000_000)


def test_a_closed_bar_is_rendered_once() -> None:
    made: list[int] = []

    def _render(bar: Candle) -> bytes:
        made.append(bar.open_ms)
        return text(bar)

    with simulator("binance", clock=ManualClock(1_800_000_030)) as server:
        pages = RenderedBars(server.exchange, _render)
        pages.page(BTC, 60, 100, None, None, 0)
        assert len(made) == 100
        pages.page(BTC, 60, 90, None, None, 0)
        assert made[100:] == [max(made)]  # only the running bar


def test_rendered_text_is_sent_as_it_is() -> None:
    assert encode_json(Rendered(b'{"a": 1}')) == b'{"a": 1}'
    assert json.loads(encode_json({"a": ["é", None]})) == {"a": ["é", None]}


@pytest.mark.parametrize(
    ("period_s", "limit", "offset_s", "back_days"),
    [(60, 1000, 0, 0), (43_200, 1000, 0, 0), (180, 500, 0, 0), (86_400, 300, 20_700, 0), (60, 300, 0, 900)],
)
def test_no_step_makes_more_than_a_few_bars(period_s: int, limit: int, offset_s: int, back_days: int) -> None:
    made: list[int] = []

    def _render(bar: Candle) -> bytes:
        made.append(bar.open_ms)
        return text(bar)

    with simulator("binance", clock=ManualClock(1_800_000_030)) as server:
        pages = RenderedBars(server.exchange, _render)
        end_ms = server.exchange.server_time_ms() - back_days * 86_400_000 if back_days else None
        counts = [0, *(len(made) for _ in pages.ahead(BTC, period_s, limit, None, end_ms, offset_s))]
        steps = [later - before for before, later in itertools.pairwise(counts)]
        assert sum(steps) == limit - 1 + (back_days > 0)
        assert (
            max(steps) * period_s <= 40 * max(base for base in BASES_S if not period_s % base and not offset_s % base)
            or max(steps) == 1
        )
        made.clear()
        expect(server, pages, period_s, limit, None, end_ms, offset_s=offset_s)
        assert len(made) <= 1, "only the running bar"
        assert not list(pages.ahead(BTC, period_s, limit, None, end_ms, offset_s)), "everything is kept"


def test_days_of_long_ago_are_made_a_few_a_step() -> None:
    with simulator("binance", clock=ManualClock(1_800_000_030)) as server:
        pages = RenderedBars(server.exchange, text)
        asked: list[int | None] = []
        bars = server.exchange.bars

        def _bars(instrument: str, period_s: int, limit: int = 500, *args: Any, **options: Any) -> list[Candle]:
            if period_s == 86_400:
                asked.append(options.get("end_ms"))
            return bars(instrument, period_s, limit, *args, **options)

        server.exchange.bars = _bars
        now_ms = server.exchange.server_time_ms()
        steps = sum(1 for _ in pages.ahead(BTC, 60, 1, None, now_ms - 900 * 86_400_000, 0))
        assert steps >= 15
        assert asked[:15] == [now_ms - 60 * 86_400_000 * (at + 1) for at in range(15)]


def test_bars_that_are_open_again_after_the_clock_was_set_back_are_rendered_again() -> None:
    clock = ManualClock(1_800_000_030)
    with simulator("binance", clock=clock) as server:
        pages = RenderedBars(server.exchange, text)
        clock.advance(60)
        server.driver.step(1)
        expect(server, pages, 60, 5, None, None)  # the bar of the opening is closed
        clock._now_ns -= 55_000_000_000
        for _ in range(20):
            server.driver.step(1)  # trades in it
        expect(server, pages, 60, 5, None, None)
        clock.advance(120)
        expect(server, pages, 60, 5, None, None)
        clock._now_ns -= 60_000_000_000
        for _ in range(20):
            server.driver.step(1)
        expect(server, pages, 300, 1, None, None)  # any page notices it, for all periods
        clock.advance(60)
        expect(server, pages, 60, 5, None, None)


def test_a_page_of_orders_renders_each_ended_order_once_and_a_hundred_a_step() -> None:
    made: list[int] = []

    def _describe(_params: BinanceParams, order: OrderView) -> dict[str, Any]:
        made.append(order.order_id)
        return {"id": order.order_id, "state": order.state}

    with simulator("binance") as server:
        exchange, account = server.exchange, server.exchange.account("user")
        ids = []
        for count in range(251):
            order = exchange.place(
                account, NewOrder(instrument=BTC, side="buy", price=Decimal(40_000), quantity=Decimal("0.001"))
            )
            ids.append(order.order_id)
            if count < 250:
                exchange.cancel(account, BTC, order.order_id)
        rows, params = RenderedOrders(_describe), BinanceParams({}, 0)
        for from_id in (None, ids[0]):
            page = OrderPage(instrument=BTC, from_id=from_id, start_ms=None, end_ms=None, limit=500)
            counts = [0, *(len(made) for _ in rows.ahead(params, exchange, account, page))]
            if from_id is None:
                assert counts == [0, 100, 200, 251]
            made.clear()
            assert [json.loads(row)["id"] for row in rows.page(params, exchange, account, page)] == ids
            assert made == ids[250:], "only the open order"
            made.clear()
        small = OrderPage(instrument=BTC, from_id=None, start_ms=None, end_ms=None, limit=3)
        assert [json.loads(row)["id"] for row in rows.page(params, exchange, account, small)] == ids[-3:]
