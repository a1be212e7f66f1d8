"""Pages of bars that are put together from kept rows say what the exchange says."""

from __future__ import annotations

import json
import random

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.dialects.rendered import RenderedBars
from fmzthreads.simulator.engine.candles import MONTH_S, Candle
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
