"""The engine: time, sleeping, snapshots of accounts, the end."""

import pytest

from fmzthreads.backtest.nano import nano
from tests.helpers.backtests import MINUTE, START, FixedSource, detail, flat, series_of, simulation

BULL = (100.0, 110.0, 95.0, 105.0, 14.0)


def stamps(snapshots: list[list[object]]) -> list[float]:
    return [(stamp - START) / 1000 for stamp, _ in snapshots]  # type: ignore[operator]


def test_a_sleep_cuts_its_length_and_ignores_nothing() -> None:
    run = simulation([BULL] * 10, minutes=10)
    run.engine.sleep(1500.9)
    assert run.seconds() == 1.5
    for length in (0, -5, 0.9, -0.1):
        run.engine.sleep(length)
    assert run.seconds() == 1.5


def test_a_sleep_up_to_the_end_is_allowed_and_one_beyond_it_is_the_end() -> None:
    run = simulation([BULL] * 10, minutes=10)
    run.engine.sleep(10 * MINUTE)
    assert run.seconds() == 600
    with pytest.raises(EOFError, match="EOF"):
        run.engine.sleep(1)
    other = simulation([BULL] * 10, minutes=10)
    with pytest.raises(EOFError, match="EOF"):
        other.engine.sleep(10 * MINUTE + 1)
    assert other.seconds() == 600


def test_a_call_that_ends_after_the_end_is_the_end_and_its_result_is_lost() -> None:
    run = simulation([BULL] * 10, minutes=10)
    run.engine.sleep(10 * MINUTE - 100)
    with pytest.raises(EOFError):
        run.exchange.GetAccount()
    assert run.seconds() == 600
    exact = simulation([BULL] * 10, minutes=10)
    exact.engine.sleep(10 * MINUTE - 200)
    assert exact.exchange.GetAccount() is not None  # it ended exactly at the end
    with pytest.raises(EOFError):
        exact.exchange.GetTicker()


def test_no_order_is_placed_at_the_end_or_after_the_data() -> None:
    run = simulation([BULL] * 10, minutes=10)
    run.engine.sleep(10 * MINUTE - 200)
    with pytest.raises(EOFError):
        run.exchange.Buy(-1, 100)
    ended = simulation([BULL] * 3, minutes=10)
    ended.engine.sleep(3 * MINUTE + 58_000)
    with pytest.raises(EOFError):
        ended.exchange.Buy(-1, 100)
    assert not run.rows.orders
    assert not ended.rows.orders


def test_snapshots_are_taken_in_sleeps_after_calls_and_at_the_end() -> None:
    run = simulation([BULL] * 20, minutes=20)
    run.exchange.GetTicker()
    run.engine.sleep(7 * MINUTE)
    run.engine.sleep(3 * MINUTE - 300)
    run.exchange.GetAccount()
    run.engine.finish()
    assert stamps(run.engine.snapshots) == [0, 300, 600, 900, 1200]
    assert run.seconds() == 1200


def test_a_call_that_fails_takes_no_snapshot() -> None:
    run = simulation([BULL] * 20, minutes=20)
    run.exchange.GetTicker()
    run.engine.sleep(5 * MINUTE - 300)
    assert run.exchange.CancelOrder(7) is False
    assert run.exchange.GetOrder(7) is None
    assert stamps(run.engine.snapshots) == [0]
    run.exchange.GetOrders()
    assert stamps(run.engine.snapshots) == [0, 300]


def test_a_snapshot_holds_each_exchange_and_its_symbols() -> None:
    source = {
        "Binance/BTC_USDT": series_of([BULL] * 9),
        "OKX/BTC_USDT": series_of([flat(50)] * 9),
        "OKX/ETH_USDT": series_of([flat(7)] * 9, market=detail("ETH_USDT")),
    }
    run = simulation(source, minutes=9, exchanges=[{"eid": "Binance", "stocks": nano(2)}, {"eid": "OKX"}])
    run.engine.sleep(1000)
    assert [list(part["Symbols"]) for part in run.engine.snapshots[0][1]] == [[], []]
    run.exchange.GetTicker()
    run.exchanges[1].GetTicker("ETH_USDT")
    run.exchanges[1].GetTicker()
    run.engine.sleep(5 * MINUTE)
    _, parts = run.engine.snapshots[1]
    assert [part["Id"] for part in parts] == ["Binance", "OKX"]
    assert [(name, row["Last"]) for part in parts for name, row in part["Symbols"].items()] == [
        ("BTC_USDT", 100), ("ETH_USDT", 7), ("BTC_USDT", 50),
    ]  # fmt: skip


def test_orders_settle_until_the_end_after_the_strategy_has_ended() -> None:
    rows = [flat(100)] * 5 + [flat(90)] * 5
    run = simulation(rows, minutes=10)
    assert run.exchange.Buy(95, 1) == 1
    run.engine.finish()
    (state,) = run.engine.final_state()
    assert state["account"]["Stocks"] == 1
    assert [order["Status"] for order in state["historyOrders"]] == [1]
    assert (state["openOrders"], state["conditionOrders"], state["positions"]) == ([], [], None)
    assert (state["name"], state["currency"]) == ("Binance", "BTC_USDT")
    assert run.seconds() == 600


def test_the_final_state_lists_all_orders() -> None:
    run = simulation([flat(100)] * 10, minutes=10, net_delay_ms=0)
    for _ in range(150):
        order = run.exchange.Buy(50, 0.1)
        assert run.exchange.CancelOrder(order)
    run.engine.finish()
    (state,) = run.engine.final_state()
    assert len(state["historyOrders"]) == 150


def test_the_delay_of_a_triggered_order_is_swallowed_by_a_sleep() -> None:
    swap = series_of([flat(100)] * 4 + [flat(90)] * 16, market=detail("BTC_USDT.swap"))
    run = simulation({"Futures_Binance/BTC_USDT.swap": swap}, minutes=20, exchanges=[{"eid": "Futures_Binance"}])
    exchange = run.exchange
    exchange.SetDirection("buy")
    exchange.Buy(-1, 1)
    order = exchange.CreateConditionOrder(
        "BTC_USDT.swap", "closebuy", 1, {"ConditionType": 2, "SlTriggerPrice": 95, "SlOrderPrice": -1}
    )
    assert order == 2
    before = run.seconds()
    run.engine.sleep(round((300 - before) * 1000))  # up to the stamp at which it triggers
    assert run.seconds() == 300
    assert exchange.GetPositions() == []
    assert run.seconds() == 300.2
    assert exchange.GetOrder(3).Time == START + 300_200
    ticker = exchange.GetTicker()
    assert (ticker.Time, ticker.Last) == (START + 358_000, 90)  # the tick of 300 s was consumed by the order


def test_history_reaches_back_as_far_as_the_settings_say() -> None:
    def asked(**options: object) -> int:
        run = simulation([BULL] * 3, minutes=3, exchanges=[{"pre_bar_len": options.pop("pre", None)}], **options)
        run.exchange.GetTicker()
        (first,) = run.source.asked
        assert first[:3] == ("Binance", "BTC_USDT", run.engine.settings.base_period_ms)
        assert first[4] == run.engine.settings.end_ms
        return (START - int(str(first[3]))) // 1000

    # The examples of the published engine.
    assert asked(pre=10, period_ms=900_000, base_ms=300_000) == 9000
    assert asked(pre=5000, period_ms=900_000, base_ms=300_000) == 2_700_000
    assert asked(pre=1000, period_ms=3_600_000) == 600_000
    assert asked() == 200 * 60


def test_a_symbol_is_loaded_once_and_at_its_first_use() -> None:
    run = simulation([BULL] * 5, minutes=5)
    run.engine.sleep(1000)
    assert run.source.asked == []
    for _ in range(3):
        run.exchange.GetTicker()
    assert len(run.source.asked) == 1


def fill_case(base_rows: int, **exchange: object) -> tuple[FixedSource, list[float], list[int]]:
    history = -base_rows * MINUTE
    series = series_of([flat(n + 1) for n in range(base_rows + 10)], start_ms=START + history)
    older = series_of([flat(n + 1000) for n in range(96)], start_ms=START - 96 * 15 * MINUTE, period_ms=15 * MINUTE)
    run = simulation(
        {"Binance/BTC_USDT": series, "Binance/BTC_USDT/900000": older},
        minutes=10,
        exchanges=[{"pre_bar_len": 40, **exchange}],
    )
    records = run.exchange.GetRecords(1800)
    assert records is not None
    return run.source, [bar.Close for bar in records], [(bar.Time - START) // MINUTE for bar in records]


def test_longer_periods_are_filled_up_with_older_bars() -> None:
    source, closes, minutes = fill_case(45)
    assert source.asked[1:] == [("Binance", "BTC_USDT", 900_000, START - 39 * 30 * MINUTE, START - 30 * MINUTE, True)]
    assert minutes == list(range(-39 * 30, 1, 30))
    assert closes[-1] == 46
    assert closes[-3] == 1093


def test_nothing_is_filled_up_when_the_data_begin_later() -> None:
    source, closes, minutes = fill_case(31)  # 40 would have been in the range
    assert len(source.asked) == 1
    assert minutes == [-60, -30, 0]
    assert closes[0] == 1


def test_the_first_bar_stays_when_there_are_no_older_ones() -> None:
    run = simulation([flat(n + 1) for n in range(50)], minutes=50, exchanges=[{"pre_bar_len": 0}])
    run.engine.sleep(40 * MINUTE)
    records = run.exchange.GetRecords(900)
    assert records is not None
    assert [bar.Open for bar in records] == [1, 16, 31]


def test_prices_go_back_with_the_clock_when_a_sleep_swallows_a_delay() -> None:
    swap = series_of([flat(100)] * 4 + [(90, 97, 80, 92)] * 16, market=detail("BTC_USDT.swap"))
    run = simulation(
        {"Futures_Binance/BTC_USDT.swap": swap}, minutes=20, exchanges=[{"eid": "Futures_Binance"}], net_delay_ms=30_000
    )
    exchange = run.exchange
    exchange.Buy(-1, 1)
    exchange.CreateConditionOrder(
        "BTC_USDT.swap", "closebuy", 1, {"ConditionType": 2, "SlTriggerPrice": 95, "SlOrderPrice": -1}
    )
    run.engine.sleep(300_000 - round(run.seconds() * 1000))  # the order that is placed at 300 s takes 30 s
    assert run.seconds() == 300
    assert run.engine.parts[0].table.feeds["BTC_USDT.swap"].last_price() == nano(90)
    assert exchange.GetOrder(3).Time == START + 330_000
