"""Funding: amounts as FMZ's published engine (fmzquant/backtest_javascript) posts them, once an event, on the position held at its time."""

from __future__ import annotations

from array import array

import pytest

from fmzthreads.backtest.config.settings import MarketDetail
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.trading.desk import Desk
from fmzthreads.backtest.trading.funding import NO_FUNDING, FundingCalendar
from fmzthreads.structures.value_objects import evolve
from tests.helpers.price_market import Bench, PriceMarket, futures_bench

SWAP = "BTC_USDT.swap"
HOUR = 3_600_000


def series(symbol: str, rows: dict[int, float], digits: int, period_ms: int = HOUR) -> BarSeries:
    detail = MarketDetail(symbol=symbol, base_currency="BTC", quote_currency="USDT", quote_precision=digits)
    prices = array("q", (round(price * 10**digits) for price in rows.values()))
    return BarSeries(
        detail=detail, period_ms=period_ms, time=array("q", rows), open=prices, high=prices, low=prices, close=prices
    )


def funded(
    rates: dict[int, float],
    index: dict[int, float] | None = None,
    *,
    coin: bool = False,
    compat: bool = False,
    funding: str | None = None,
    symbol_index: str | None = None,
    multiple: float | None = None,
    digits: int = 8,
) -> Bench:
    """A futures exchange at 1600 whose funding is due at given times."""
    bench = futures_bench(coin=coin, stocks=10 if coin else 0, maker=0, taker=0, multiple=multiple)
    market = bench.main.detail
    bench.main.detail = evolve(market, symbol_funding=funding, symbol_index=symbol_index)
    pair = market.symbol.partition(".")[0]
    known = {f"{pair}.funding": series(f"{pair}.funding", rates, digits)} if rates else {}
    if index is not None:
        known[f"{pair}.index"] = series(f"{pair}.index", index, 2)

    def series_of(symbol: str) -> BarSeries:
        if symbol not in known:
            raise NoData(f"no bars of {symbol}")
        return known[symbol]

    bench.desk = Desk(
        bench.desk.settings,
        lambda symbol: bench.markets[symbol],
        bench.rows,
        lambda: bench.now_ms,
        delay=bench._wait,
        series_of=series_of,
        compat_fmz=compat,
    )
    bench.price(1600)
    return bench


def wallet(bench: Bench) -> dict[str, float]:
    row: dict[str, float] = bench.desk.snapshot([bench.main])["Assets"][0]
    return row


def test_a_long_pays_and_a_short_receives() -> None:
    bench = funded({5000: 0.0007}, {0: 990})
    bench.desk.place(SWAP, "buy", -1, 3)
    bench.desk.place(SWAP, "sell", -1, 2)
    before = bench.desk.account(SWAP).Balance
    bench.now_ms = 4999
    assert bench.desk.account(SWAP).Balance == before
    bench.now_ms = 5000
    assert bench.desk.account(SWAP).Balance == pytest.approx(before - 0.6934851, abs=1e-12)
    bench.now_ms = 9000
    bench.desk.settle()
    assert wallet(bench)["Funding"] == -0.6934851


def test_a_net_short_receives() -> None:
    bench = funded({5000: 0.0007}, {0: 990})
    bench.desk.place(SWAP, "sell", -1, 1)
    bench.now_ms = 6000
    assert wallet(bench)["Funding"] == 0.6934851


def test_in_coins_the_value_is_contracts_over_the_fair_price() -> None:
    bench = funded({5000: 0.001}, {0: 1600}, coin=True)
    bench.desk.place("BTC_USD.swap", "buy", -1, 32)
    bench.now_ms = 6000
    assert wallet(bench)["Funding"] == -(int(3200 / 1601.6 * 1e9) // 1000) / 1e9


def test_each_event_counts_the_position_of_its_time() -> None:
    """A position that grew between two events, seen by one late settlement."""
    bench = funded({2500: 0.001, 3500: 0.001, 4500: 0.001}, {0: 1000})
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(SWAP, "buy", 1590, 2)
    bench.desk.place(SWAP, "buy", 1580, 4)
    bench.price(1595)  # 2000
    bench.price(1585)  # 3000: the second order
    bench.price(1575)  # 4000: the third order
    bench.price(1600)  # 5000
    assert (bench.desk.positions() or [])[0].Amount == 7
    assert wallet(bench)["Funding"] == pytest.approx(-1.001 * (1 + 3 + 7), abs=1e-12)


def test_a_fill_in_the_same_millisecond_comes_after_the_event() -> None:
    bench = funded({2000: 0.001}, {0: 1000})
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(SWAP, "buy", 1590, 5)
    bench.price(1585)  # 2000
    assert (bench.desk.positions() or [])[0].Amount == 6
    assert wallet(bench)["Funding"] == -1.001
    closed = funded({2000: 0.001}, {0: 1000})
    closed.desk.place(SWAP, "buy", -1, 1)
    closed.now_ms = 2000
    closed.desk.place(SWAP, "closebuy", -1, 1)
    assert closed.desk.positions() == []
    assert wallet(closed)["Funding"] == -1.001
    opened = funded({2000: 0.001}, {0: 1000})
    opened.now_ms = 2000
    opened.desk.place(SWAP, "buy", -1, 1)
    opened.now_ms = 3000
    assert wallet(opened)["Funding"] == 0


def test_the_child_of_a_condition_order_that_comes_after_an_event_does_not_pay() -> None:
    bench = funded({2150: 0.001}, {0: 1000})
    bench.desk.place_condition(SWAP, "buy", 1, {"ConditionType": 2, "SlTriggerPrice": 1610, "SlOrderPrice": -1})
    bench.desk._delay = bench._wait
    bench.price(1620)  # the order is placed at 2200, after the event that this settlement has not reached
    bench.desk.settle()
    assert [o.Time for o in bench.desk.history()] == [2200]
    assert wallet(bench)["Funding"] == 0


def test_the_index_shows_no_more_than_was_known() -> None:
    index = series("BTC_USDT.index", {0: 1000}, 2)
    index.close = array("q", [2000_00])
    bench = funded({5000: 0.001, HOUR + 1: 0.001}, {})
    bench.desk._funding._series_of = lambda symbol: (
        index if symbol.endswith(".index") else series(symbol, {5000: 0.001, HOUR + 1: 0.001}, 8)
    )
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.now_ms = 5000
    assert wallet(bench)["Funding"] == -1.001
    bench.now_ms = HOUR + 1
    assert wallet(bench)["Funding"] == -3.003


def test_without_an_index_the_price_before_the_event_counts() -> None:
    bench = funded({2000: 0.001})
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.price(1700)  # in the event's millisecond
    assert wallet(bench)["Funding"] == -1.6016


def test_a_series_that_no_market_names_may_be_missing() -> None:
    bench = funded({})
    assert bench.desk.place(SWAP, "buy", -1, 1) == 1
    assert bench.desk.fundings(SWAP) == []
    with pytest.raises(NoData):
        funded({}, compat=True).desk.place(SWAP, "buy", -1, 1)
    with pytest.raises(NoData):
        funded({}, funding="BTC_USDT.other").desk.place(SWAP, "buy", -1, 1)


def test_a_market_without_funding_asks_for_nothing() -> None:
    bench = funded({5000: 0.001}, funding="")
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.now_ms = 9000
    assert wallet(bench)["Funding"] == 0


def test_the_next_payment_is_shown() -> None:
    bench = funded({HOUR: 0.0001, 3 * HOUR: -0.0002}, {0: 1000})
    assert bench.desk.fundings(SWAP) == [
        {"Symbol": SWAP, "Interval": 2 * HOUR, "Time": HOUR, "Rate": 0.0001},
    ]
    bench.now_ms = HOUR
    assert [row.Time for row in bench.desk.fundings(SWAP)] == [3 * HOUR]
    bench.now_ms = 3 * HOUR
    assert bench.desk.fundings(SWAP) == []


@pytest.mark.parametrize("digits", [8, 9, 12])
def test_a_payment_by_hand_with_a_multiple(digits: int) -> None:
    """0.01 BTC a contract, 7 contracts net, index 990, rate 0.0007: 7 x 0.01 x 990 x 1.0007 x 0.0007."""
    bench = funded({5000: 0.0007}, {0: 990}, multiple=0.01, digits=digits)
    bench.desk.place(SWAP, "buy", -1, 9)
    bench.desk.place(SWAP, "sell", -1, 2)
    bench.now_ms = 5000
    assert wallet(bench)["Funding"] == pytest.approx(-7 * 0.01 * 990 * 1.0007 * 0.0007, abs=5e-9)


def test_the_index_that_begins_at_the_moment_of_an_event_counts_and_one_that_ends_there_has_closed() -> None:
    for at_ms, fair in ((HOUR, 2000), (2 * HOUR, 3000)):
        index = series("BTC_USDT.index", {0: 1000, HOUR: 2000}, 2)
        index.close = array("q", [1500_00, 3000_00])
        rates = series("BTC_USDT.funding", {at_ms: 0.001}, 8)
        bench = funded({at_ms: 0.001}, {})
        bench.desk._funding._series_of = {"BTC_USDT.index": index, "BTC_USDT.funding": rates}.__getitem__
        bench.desk.place(SWAP, "buy", -1, 1)
        bench.now_ms = at_ms
        assert wallet(bench)["Funding"] == pytest.approx(-fair * 1.001 * 0.001, abs=1e-9)


def test_a_market_that_names_no_index_on_purpose_goes_by_its_own_price() -> None:
    bench = funded({5000: 0.001}, {0: 990}, symbol_index="")
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.now_ms = 5000
    assert wallet(bench)["Funding"] == -1.6016


def test_two_contracts_pay_at_their_own_times() -> None:
    calls = {"A_USDT.funding": {3000: 0.001, 9000: 0.002}, "B_USDT.funding": {2000: 0.004, 3000: 0.008}}
    calendar = FundingCalendar(lambda symbol: series(symbol, calls.get(symbol, {0: 1000}), 8))
    for name in "AB":
        detail = evolve(
            funded({}).main.detail, symbol=f"{name}_USDT.swap", symbol_funding=f"{name}_USDT.funding", symbol_index=None
        )
        calendar.watch(PriceMarket(detail, 0), 0)
    seen = []
    while calendar.next_ms < NO_FUNDING:
        event = calendar.pop()
        seen.append((event.time_ms, event.view.detail.symbol[0], event.rate))
    assert sorted(seen) == [
        (2000, "B", 4_000_000), (3000, "A", 1_000_000), (3000, "B", 8_000_000), (9000, "A", 2_000_000)
    ]  # fmt: skip
    assert [time_ms for time_ms, _, _ in seen] == [2000, 3000, 3000, 9000]


@pytest.mark.parametrize(("event_ms", "held"), [(2999, 1), (3000, 1), (3001, 3), (3100, 3), (3200, 3), (3201, 5)])
def test_what_a_condition_order_opens_does_not_pay_an_event_of_its_delay(event_ms: int, held: int) -> None:
    """Its order is placed a network delay after the settlement that it triggers in, here at 3200 ms; a resting order is filled at 3000 ms."""
    bench = funded({event_ms: 0.001}, {0: 1000})
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.place(SWAP, "buy", 1590, 2)
    bench.desk.place_condition(SWAP, "buy", 2, {"ConditionType": 1, "TpTriggerPrice": 1550, "TpOrderPrice": -1})
    bench.price(1600)
    bench.price(1500)  # 3000: fills the resting order, and triggers
    bench.desk.account(SWAP)
    assert [(o.Time, o.Status) for o in bench.desk.history()] == [(1000, 1), (1000, 1), (3200, 1)]
    bench.now_ms = 4000
    assert wallet(bench)["Funding"] == pytest.approx(-1.001 * held)
