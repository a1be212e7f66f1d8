"""How far a caller's clock may be off, to the millisecond, and how average prices are written."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.dialects.binance.symbols import fixed
from tests.helpers.simulators import BinanceCaller, OkxCaller, free_session, simulator

NOW = 1_800_000_000


def iso(time_ms: int) -> str:
    moment = datetime.datetime.fromtimestamp(time_ms // 1000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


@pytest.mark.parametrize("offset_ms", [0, 90_000, -90_000])
def test_binance_takes_times_from_the_window_to_a_second_ahead(offset_ms: int) -> None:
    with simulator("binance", clock=ManualClock(NOW)) as server, free_session() as session:
        call = BinanceCaller(server, session)
        server.faults.set(clock_offset_ms=offset_ms)
        venue_ms = server.exchange.server_time_ms() + offset_ms
        assert call.public("time").json()["serverTime"] == venue_ms
        for late_ms, status in ((5000, 200), (5001, 400), (0, 200), (-999, 200), (-1000, 400)):
            reply = call.signed("GET", "account", timestamp=venue_ms - late_ms)
            assert reply.status_code == status, late_ms
            assert status == 200 or reply.json()["code"] == -1021
        ahead = call.signed("GET", "account", timestamp=venue_ms + 1000).json()["msg"]
        assert ahead == "Timestamp for this request was 1000ms ahead of the server's time."
        late = call.signed("GET", "account", timestamp=venue_ms - 5001).json()["msg"]
        assert late == "Timestamp for this request is outside of the recvWindow."


@pytest.mark.parametrize("offset_ms", [0, 90_000, -90_000])
def test_okx_takes_times_within_thirty_seconds_either_way(offset_ms: int) -> None:
    with simulator("okx", clock=ManualClock(NOW)) as server, free_session() as session:
        call = OkxCaller(server, session)
        server.faults.set(clock_offset_ms=offset_ms)
        venue_ms = server.exchange.server_time_ms() + offset_ms
        for late_ms, code in ((30_000, "0"), (30_001, "50102"), (-30_000, "0"), (-30_001, "50102")):
            reply = call.signed("GET", "account/balance", headers={"OK-ACCESS-TIMESTAMP": iso(venue_ms - late_ms)})
            assert reply.json()["code"] == code, late_ms


def test_binances_average_is_the_money_of_five_minutes_by_their_amount() -> None:
    clock = ManualClock(NOW)
    with simulator("binance", clock=clock) as server, free_session() as session:
        call = BinanceCaller(server, session)
        for _ in range(3):
            server.driver.step(20)
            bars = server.exchange.bars("BTC_USDT", 60, 5)
            money = sum((bar.quote_volume for bar in bars), Decimal(0))
            amount = sum((bar.volume for bar in bars), Decimal(0))
            assert len(bars) == 5
            assert len({bar.close for bar in bars}) > 1
            assert call.public("avgPrice", symbol="BTCUSDT").json()["price"] == fixed(money / amount)
            clock.advance(61)


def test_okxs_average_price_has_at_most_sixteen_digits() -> None:
    with simulator("okx", clock=ManualClock(NOW)) as server, free_session() as session:
        call = OkxCaller(server, session)
        asks = server.exchange.depth("BTC_USDT", 3).asks
        size = asks[0][1] + asks[1][1] * 2 / 3
        size -= size % Decimal("0.00001")
        number = call.order(ordType="market", sz=str(size), tgtCcy="base_ccy").json()["data"][0]["ordId"]
        row = call.signed("GET", "trade/order", instId="BTC-USDT", ordId=number).json()["data"][0]
        fills = call.signed("GET", "trade/fills", ordId=number).json()["data"]
        money = sum((Decimal(fill["fillPx"]) * Decimal(fill["fillSz"]) for fill in fills), Decimal(0))
        assert len({fill["fillPx"] for fill in fills}) > 1
        average = money / Decimal(row["accFillSz"])
        assert Decimal(row["avgPx"]) == average.quantize(Decimal(1).scaleb(average.adjusted() - 15))
