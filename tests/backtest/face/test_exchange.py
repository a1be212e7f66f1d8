"""FMZ's exchange object in a backtest: market data, settings, faults, Go, custom data."""

import json

import pytest

from fmzthreads.backtest.face.exchange import BacktestExchange
from fmzthreads.backtest.failures import NoData
from fmzthreads.backtest.nano import nano
from fmzthreads.clock import Signal
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.structures import Records
from fmzthreads.tasks.events import select
from fmzthreads.tasks.gather import gather
from tests.helpers.backtests import MINUTE, START, Simulation, detail, flat, series_of, simulation

BULL = (100.0, 110.0, 95.0, 105.0, 14.0)


def spot(minutes: int = 10, **options: object) -> Simulation:
    return simulation([BULL] * minutes, minutes=minutes, **options)


def futures(minutes: int = 10, **options: object) -> Simulation:
    swap = series_of([BULL] * minutes, market=detail("BTC_USDT.swap", volume_multiple=nano(0.1)))
    quarter = series_of([flat(7)] * minutes, market=detail("BTC_USDT.quarter"))
    series = {"Futures_Binance/BTC_USDT.swap": swap, "Futures_Binance/BTC_USDT.quarter": quarter}
    return simulation(series, minutes=minutes, exchanges=[{"eid": "Futures_Binance"}], **options)


def test_a_ticker() -> None:
    run = spot()
    ticker = run.exchange.GetTicker()
    assert ticker == {
        "Symbol": "BTC_USDT", "High": 100.01, "Low": 99.99, "Sell": 100.01, "Buy": 99.99, "Last": 100, "Open": 100, "Volume": 0,
        "Time": START, "OpenInterest": 0,
    }  # fmt: skip
    assert run.seconds() == 0.2
    later = run.exchange.GetTicker("BTC_USDT")
    assert later is not None
    assert (later.Last, later.Time, later.Volume) == (95, START + 23_200, 14 / 3 // 1e-9 * 1e-9)


def test_the_values_of_a_ticker_are_those_of_get_ticker() -> None:
    for options in ({}, {"exchanges": [{"fault_tolerant": 0.5}]}):
        structures, values = spot(**options), spot(**options)
        for run in (structures, values):
            run.exchange.SetRate(1.5)
        for place in range(12):
            ticker = structures.exchange.GetTicker("BTC_USDT" if place % 2 else "")
            if place == 6:  # another thread comes: from here on by the real lock
                values.engine.lock.shared = True
            row = values.exchange.ticker_values("BTC_USDT" if place % 2 else "")
            assert row == (None if ticker is None else tuple(ticker.values()))
            assert row is None or {type(value) for value in row[1:]} == {float}
        assert values.engine.now_ms == structures.engine.now_ms


def test_slippage_widens_the_spread() -> None:
    run = spot(exchanges=[{"slip_point": 1, "depth_levels": 3, "depth_amount": nano(7)}])
    ticker, depth = run.exchange.GetTicker(), run.exchange.GetDepth()
    assert ticker is not None
    assert depth is not None
    assert (ticker.Buy, ticker.Sell) == (99.98, 100.02)
    assert [level.Price for level in depth.Asks] == [100.02, 100.06, 100.1]
    assert [level.Price for level in depth.Bids] == [99.98, 99.94, 99.9]
    assert {level.Amount for level in depth.Asks + depth.Bids} == {7}
    assert depth.Time == START


def test_a_book_has_twenty_levels_or_fewer() -> None:
    run = spot()
    depth = run.exchange.GetDepth()
    assert depth is not None
    assert [level.Price for level in depth.Asks[:2]] == [100.01, 100.03]
    assert (len(depth.Asks), len(depth.Bids), depth.Asks[0].Amount) == (20, 20, 200)
    few = run.exchange.GetDepth("", 2)
    assert few is not None
    assert len(few.Asks) == 2
    assert run.exchange.GetDepth("", 0) is None
    assert "limit" in run.rows.errors[0]


def test_there_are_no_public_trades() -> None:
    assert spot().exchange.GetTrades() == []


def test_get_records_takes_all_forms() -> None:
    run = spot(30)
    run.engine.sleep(25 * MINUTE + 5000)
    exchange = run.exchange
    lengths = [
        len(records)
        for records in (
            exchange.GetRecords(), exchange.GetRecords(120), exchange.GetRecords(60, 7), exchange.GetRecords("BTC_USDT"),
            exchange.GetRecords("BTC_USDT", 300), exchange.GetRecords("BTC_USDT", 300, 2), exchange.GetRecords("", 300, 50),
            exchange.GetRecords(60.0), exchange.GetRecords(None, 300), exchange.GetRecords(-1),
        ) if records is not None
    ]  # fmt: skip
    assert lengths == [26, 13, 7, 26, 6, 2, 6, 26, 6, 26]
    shown = exchange.GetRecords(60, 3)
    assert type(shown) is Records
    assert [bar.Close for bar in shown] == [105, 105, 100]


@pytest.mark.parametrize("args", [(0.5,), ("BTC_USDT", "x"), (60, 1, 2), (60, -1), (True, 60)])
def test_other_forms_of_get_records_fail(args: tuple[object, ...]) -> None:
    run = spot()
    assert run.exchange.GetRecords(*args) is None
    (text,) = run.rows.errors
    assert text.startswith("GetRecords: ")


def test_set_max_bar_len_holds_for_later_bars() -> None:
    run = spot(30)
    run.engine.sleep(20 * MINUTE)
    run.exchange.GetRecords()
    run.exchange.SetMaxBarLen(5)
    assert len(run.exchange.GetRecords() or ()) == 21
    run.engine.sleep(MINUTE)
    assert len(run.exchange.GetRecords() or ()) == 5
    with pytest.raises(InputError):
        run.exchange.SetMaxBarLen(0)


def test_tickers_and_markets_are_those_of_the_symbols_that_were_used() -> None:
    series = {
        "Binance/BTC_USDT": series_of([BULL] * 9),
        "Binance/ETH_USDT": series_of([flat(7)] * 9, market=detail("ETH_USDT", raw={"minQty": 0.01, "maxNotional": 9})),
    }
    run = simulation(series, minutes=9)
    exchange = run.exchange
    assert [t.Symbol for t in exchange.GetTickers() or ()] == ["BTC_USDT"]
    assert list(exchange.GetMarkets()) == ["BTC_USDT"]
    exchange.GetDepth("ETH_USDT")
    assert [t.Symbol for t in exchange.GetTickers() or ()] == ["BTC_USDT", "ETH_USDT"]
    before = run.seconds()
    market = exchange.GetMarkets()["ETH_USDT"]
    assert market == {
        "Symbol": "ETHUSDT", "BaseAsset": "ETH", "QuoteAsset": "USDT", "TickSize": 0.01, "AmountSize": 0.00001, "PricePrecision": 2,
        "AmountPrecision": 5, "MinQty": 0.01, "MinNotional": 0.0, "MaxNotional": 9,
    }  # fmt: skip
    without = exchange.GetMarkets()["BTC_USDT"]
    assert (without.MinQty, without.MinNotional) == (without.AmountSize, 0.0)
    assert run.seconds() == before


def test_the_rate_multiplies_prices() -> None:
    run = spot()
    exchange = run.exchange
    assert exchange.SetRate(7) == 1
    ticker, depth, records = exchange.GetTicker(), exchange.GetDepth(), exchange.GetRecords()
    assert ticker is not None
    assert depth is not None
    assert records is not None
    assert (ticker.Last, ticker.Sell) == (700, 700.07)
    assert (depth.Asks[0].Price, records[-1].Close, records[-1].Volume) == (700.07, 700, 0)
    account = exchange.GetAccount()
    assert account is not None
    assert account.Balance == 70_000
    assert (exchange.GetRate(), exchange.SetRate(), exchange.GetRate()) == (7, 7, 1)
    with pytest.raises(InputError):
        exchange.SetRate(0)


def test_names_and_settings() -> None:
    run = spot(exchanges=[{"label": "mine", "fee_taker": nano(0.002)}])
    exchange = run.exchange
    assert (exchange.GetName(), exchange.GetLabel(), exchange.GetCurrency()) == ("Binance", "mine", "BTC_USDT")
    assert (exchange.GetBaseCurrency(), exchange.GetQuoteCurrency(), exchange.GetPeriod()) == ("BTC", "USDT", 60)
    assert (exchange.GetFee(), exchange.GetMinPrice(), exchange.GetMinStock()) == (
        {"Sell": 0.2, "Buy": 0.2},
        0.01,
        0.00001,
    )
    assert (exchange.SetBase("https://x.example"), exchange.GetBase(), exchange.SetProxy(""), exchange.SetTimeout(5)) == (
        "https://x.example", "", True, True,
    )  # fmt: skip
    assert (exchange.SetPrecision(1, 2), exchange.GetRawJSON(), exchange.GetLastError()) == (None, "", "")
    assert "BTC_USDT" in repr(exchange)
    assert run.seconds() == 0
    with pytest.raises(UnknownName, match="GetTicker"):
        exchange.GetTikcer  # noqa: B018


def test_the_last_error_of_each_exchange_is_given_once() -> None:
    run = simulation(
        {"Binance/BTC_USDT": series_of([BULL] * 9), "OKX/BTC_USDT": series_of([BULL] * 9)},
        minutes=9,
        exchanges=[{}, {"eid": "OKX"}],
    )
    one, other = run.exchanges
    one.CancelOrder(77)
    other.GetOrder(78)
    assert one.GetLastError() == "order already cancelled or not found"
    assert one.GetLastError() == ""
    assert other.GetLastError() == "order not found"


@pytest.mark.parametrize("wrong", [None, 7, True, ["buy"]])
def test_a_direction_that_is_no_text_is_refused(wrong: object) -> None:
    """It closed a long position."""
    exchange = futures().exchange
    assert exchange.Buy(-1, 1) == 1
    with pytest.raises(InputError, match="a direction must be text"):
        exchange.SetDirection(wrong)  # type: ignore[arg-type]
    assert exchange.Buy(-1, 1) == 2
    assert [position.Amount for position in exchange.GetPositions() or []] == [2]


def test_another_pair_becomes_current() -> None:
    series = {
        "Binance/BTC_USDT": series_of([BULL] * 9),
        "Binance/ETH_USDT": series_of([flat(7)] * 9, market=detail("ETH_USDT")),
    }
    exchange = simulation(series, minutes=9).exchange
    assert (exchange.GetTicker() or {})["Last"] == 100
    assert exchange.SetCurrency("ETH_USDT")
    assert (exchange.GetTicker() or {})["Last"] == 7
    assert exchange.IO("currency", "BTC_USDT")
    assert (exchange.GetTicker() or {})["Symbol"] == "BTC_USDT"
    with pytest.raises(InputError):
        exchange.SetCurrency("ETH")
    for args in ((), ("BTC_USDT", "swap")):
        with pytest.raises(InputError, match=r"IO\('currency'\) takes a pair such as 'BTC_USDT', got"):
            exchange.IO("currency", *args)


def test_a_symbol_that_there_is_not() -> None:
    exchange = spot().exchange
    with pytest.raises(NoData, match="XXX_USDT not found on Binance"):
        exchange.GetTicker("XXX_USDT")
    with pytest.raises(NoData, match="symbol BTC_USDT not set contract on Futures_Binance"):
        futures().exchange.GetTicker("BTC_USDT")
    assert exchange.GetOrders(7) == []  # type: ignore[arg-type]
    assert spot().exchange.CreateOrder(7, "buy", 1, 1) is None  # type: ignore[arg-type]


def test_contracts() -> None:
    run = futures()
    exchange = run.exchange
    assert exchange.GetContractType() == ""
    assert (exchange.GetTicker() or {})["Symbol"] == "BTC_USDT.swap"  # the default
    assert exchange.SetContractType("swap") == {
        "InstrumentID": "BTC_USDT.swap", "PriceTick": 0.01, "LotTick": 0.00001, "VolumeMultiple": 0.1,
    }  # fmt: skip
    exchange.SetContractType("quarter")
    assert exchange.GetContractType() == "quarter"
    assert (exchange.GetTicker() or {})["Last"] == 7
    with pytest.raises(NoData):
        exchange.SetContractType("next_quarter")
    assert (exchange.GetDepth() or {})["Asks"][0].Price == 7.01
    assert (exchange.GetTicker("BTC_USDT.swap") or {})["Symbol"] == "BTC_USDT.swap"
    with pytest.raises(InputError):
        exchange.SetContractType("")


def test_the_direction_decides_on_a_futures_exchange() -> None:
    run = futures()
    exchange = run.exchange
    exchange.SetMarginLevel(5)
    assert exchange.Sell(-1, 1, "note", 3) == 1  # the default direction is buy
    (position,) = exchange.GetPositions() or [{}]
    assert (position["Type"], position["MarginLevel"]) == (0, 5)
    exchange.SetDirection("sell")
    exchange.Buy(-1, 2)
    assert [position.Type for position in exchange.GetPosition() or ()] == [0, 1]
    assert [row[5:] for row in run.rows.orders] == [("note 3", "BTC_USDT.swap", "buy"), ("", "BTC_USDT.swap", "sell")]
    assert exchange.SetMarginLevel("BTC_USDT.quarter", 3)
    with pytest.raises(InputError):
        exchange.SetMarginLevel()
    with pytest.raises(InputError, match="can't switch mode"):
        exchange.IO("dual", 0)
    assert exchange.GetFundings() == []


def test_spot_orders_pass_to_the_desk() -> None:
    run = spot()
    exchange = run.exchange
    assert exchange.Buy(-1, 1000, "first", 1) == 1
    assert exchange.CreateOrder("", 'sell;{"x":1}', 120, 1) == 2
    assert [order.Id for order in exchange.GetOrders() or ()] == [2]
    assert exchange.ModifyOrder(2, "sell", 130, 1) == 3
    assert exchange.CancelOrder(3, "bye") is True
    assert [order.Id for order in exchange.GetHistoryOrders() or ()] == [1, 2, 3]
    assert [order.Id for order in exchange.GetHistoryOrders("BTC_USDT", 0, 2) or ()] == [1, 2]
    assert (exchange.GetOrder(1) or {})["Status"] == 1
    assert [asset.Currency for asset in exchange.GetAssets() or ()] == ["BTC", "USDT"]
    assert exchange.GetPositions() is None
    condition = {"ConditionType": 1, "TpTriggerPrice": 500, "TpOrderPrice": -1}
    assert exchange.CreateConditionOrder("BTC_USDT", "sell", 1, condition) == 4
    assert exchange.ModifyConditionOrder(4, "sell", 2, condition) == 4
    assert (exchange.GetConditionOrder(4) or {})["Amount"] == 2
    assert [order.Id for order in exchange.GetConditionOrders() or ()] == [4]
    assert exchange.CancelConditionOrder(4) is True
    assert [order.Id for order in exchange.GetHistoryConditionOrders() or ()] == [4]
    assert run.seconds() == 3.2


@pytest.mark.parametrize("args", [("x", 1), (1, None), (True, 1)])
def test_an_order_of_no_number_is_an_error_row(args: tuple[object, ...]) -> None:
    run = spot()
    assert run.exchange.Buy(*args) is None  # type: ignore[arg-type]
    assert run.rows.errors[0].startswith("Buy: ")
    assert run.exchange.CreateOrder("BTC_USDT", 7, 1, 1) is None  # type: ignore[arg-type]
    assert run.exchange.CreateConditionOrder("BTC_USDT", "buy", 1, 7) is None  # type: ignore[arg-type]
    assert len(run.rows.errors) == 3


def test_rows_without_orders() -> None:
    run = spot()
    exchange = run.exchange
    assert exchange.Log(0, 100.5, 2, "virtual", 1) == 1
    assert exchange.Log(1, 101, 3) == 2
    assert exchange.Log(2, 1) is True
    assert run.rows.orders == [
        (0, 1, 1, nano(100.5), nano(2), "virtual 1", "BTC_USDT", ""),
        (1, 1, 2, nano(101), nano(3), "", "BTC_USDT", ""),
        (2, 1, 1, 0, 0, "", "BTC_USDT", ""),
    ]
    assert exchange.Buy(-1, 100) == 1  # ids of orders are their own
    assert run.seconds() == 0.2


def test_commands() -> None:
    run = spot()
    exchange = run.exchange
    assert exchange.IO("api", "GET", "/x") is None
    assert exchange.Encode("md5", "raw", "hex", "x") is None
    assert run.rows.errors == ["IO('api') is not available in a backtest", "sandbox not support Encode"]
    assert (exchange.IO("base", "https://x.example"), exchange.IO("rate", "GetTicker", 1, "1s")) == (
        "https://x.example",
        True,
    )


def test_faults_on_purpose() -> None:
    def outcomes(seed: int, share: float = 0.3) -> list[bool]:
        run = spot(20, seed=seed, exchanges=[{"fault_tolerant": share}])
        results = [run.exchange.GetAccount() is None for _ in range(60)]
        assert run.rows.errors == ["FaultTolerant Test"] * sum(results)
        assert run.seconds() == 12.0
        return results

    first = outcomes(1)
    assert first[0] is True
    assert 5 <= sum(first) <= 35
    assert outcomes(1) == first
    assert outcomes(2) != first
    run = spot(exchanges=[{"fault_tolerant": 1.0}])
    assert run.exchange.GetTicker() is None
    assert run.exchange.GetRecords() is None
    assert run.exchange.GetDepth() is None
    assert run.exchange.CancelOrder(1) is False
    assert spot().exchange.GetAccount() is not None


def test_the_first_call_of_each_function_fails() -> None:
    run = spot(exchanges=[{"fault_tolerant": 1e-12}])
    calls = [run.exchange.GetTicker, run.exchange.GetRecords, run.exchange.GetOrders]
    assert [call() is None for call in calls for _ in range(2)] == [True, False] * 3


def test_go_makes_the_call_at_once() -> None:
    run = spot()
    handles = [run.exchange.Go("GetTicker"), run.exchange.Go("GetDepth"), run.exchange.Go("Buy", -1, 100)]
    assert run.seconds() == 0.6
    values = [handle.wait() for handle in handles]
    assert [ok for _, ok in values] == [True] * 3
    assert values[0].value.Last == 100
    assert values[2].value == 1
    assert handles[0].wait(10) == (None, False)
    assert "returns it only once" in run.rows.errors[0]
    with pytest.raises(UnknownName, match="GetTicker"):
        run.exchange.Go("GetTiker")
    with pytest.raises(UnknownName):
        run.exchange.Go("Go", "GetTicker")


def test_concurrent_calls_share_their_latency() -> None:
    series = {f"{eid}/BTC_USDT": series_of([BULL] * 9) for eid in ("Binance", "OKX")}
    run = simulation(series, minutes=9, exchanges=[{"eid": "Binance"}, {"eid": "OKX"}], concurrent_go=True)
    first, second = run.exchanges
    together = [first.Go("GetTicker"), second.Go("GetTicker"), first.Go("GetDepth"), second.Go("GetAccount")]
    assert run.seconds() == 0.2
    assert all(handle.wait().ok for handle in together)
    first.Go("GetAccount")  # after a wait: a call of its own
    assert run.seconds() == 0.4
    first.GetAccount()
    assert run.seconds() == 0.6
    second.Go("GetAccount")  # after another call
    assert run.seconds() == 0.8
    run.engine.sleep(1000)
    first.Go("GetAccount")
    second.Go("GetAccount")
    assert run.seconds() == 2.0
    second.GetAccount()  # the delay is back
    assert run.seconds() == 2.2


def test_a_concurrent_call_that_jumps_takes_the_others_along() -> None:
    series = {f"{eid}/BTC_USDT": series_of([BULL] * 9) for eid in ("Binance", "OKX")}
    run = simulation(series, minutes=9, exchanges=[{"eid": "Binance"}, {"eid": "OKX"}], concurrent_go=True)
    for exchange in run.exchanges:
        exchange.Go("GetTicker").wait()
    jumped, other = run.exchanges[0].Go("GetTicker"), run.exchanges[1].Go("GetDepth")
    assert run.seconds() == 23.2
    assert (jumped.wait().value.Last, other.wait().value.Asks[0].Price) == (95, 95.01)


def test_the_end_is_raised_by_go() -> None:
    run = spot()
    run.engine.sleep(10 * MINUTE)
    with pytest.raises(EOFError):
        run.exchange.Go("GetTicker")


def test_custom_data_show_only_the_past() -> None:
    run = spot(custom={"theirs": [(START - 5, "old"), (START + 1000, {"a": 1})]})
    exchange = run.exchange
    rows = [[START, 1], [START + 30_000, {"x": "é"}], [START + 60_000, 3]]
    assert exchange.SetData("mine", rows) == len(json.dumps(rows, separators=(",", ":"), ensure_ascii=False))
    assert exchange.GetData("mine") == {"Time": START, "Data": 1}
    assert exchange.GetData("theirs").Data == "old"
    assert exchange.GetData("theirs") == {"Time": START - 5, "Data": "old"}
    assert exchange.GetData("nothing") is None
    exchange.SetData("mine", [[START, 9]])  # ignored
    run.engine.sleep(30_000)
    assert exchange.GetData("mine") == {"Time": START + 30_000, "Data": {"x": "é"}}
    assert exchange.GetData("theirs", 0) == {"Time": START + 1000, "Data": {"a": 1}}
    assert run.seconds() == 30
    exchange.SetData("late", [[START + 10**9, 1]])
    assert exchange.GetData("late") is None
    for key, value in ((7, []), ("x", 5), ("x", [1]), ("x", [["a", 1]])):
        with pytest.raises(InputError):
            exchange.SetData(key, value)  # type: ignore[arg-type]


def test_all_methods_of_fmz_are_there() -> None:
    names = (
        "GetTicker GetTickers GetDepth GetTrades GetRecords GetMarkets GetRawJSON SetData GetData Buy Sell CreateOrder ModifyOrder CancelOrder "
        "GetOrder GetOrders GetHistoryOrders CreateConditionOrder ModifyConditionOrder CancelConditionOrder GetConditionOrder GetConditionOrders "
        "GetHistoryConditionOrders GetAccount GetAssets SetContractType GetContractType SetDirection SetMarginLevel GetPositions GetPosition "
        "GetFundings GetName GetLabel GetCurrency GetBaseCurrency GetQuoteCurrency SetCurrency GetPeriod SetMaxBarLen SetPrecision SetRate GetRate "
        "SetBase GetBase SetProxy SetTimeout Encode IO Go Log"
    )
    assert [name for name in names.split() if not callable(getattr(BacktestExchange, name, None))] == []


def test_handles_have_what_live_handles_have() -> None:
    series = {f"{eid}/BTC_USDT": series_of([BULL] * 9) for eid in ("Binance", "OKX")}
    run = simulation(series, minutes=9, exchanges=[{"eid": "Binance"}, {"eid": "OKX"}])
    handle = run.exchange.Go("GetTicker")
    assert (handle.name, handle.started_at, handle.finished_at) == ("GetTicker", 0, 0.2)
    assert (handle.done, handle.running, handle.cancelled, handle.taken, handle.error) == (
        True,
        False,
        False,
        False,
        None,
    )
    assert (handle.is_ready(), handle.cancel()) == (True, False)
    called: list[int] = []
    handle.add_ready_callback(lambda: called.append(1))
    assert called == [1]
    other = run.exchange.Go("GetDepth")
    assert select([handle, other], 1000) == [handle, other]
    assert run.seconds() == 0.4
    assert handle.wait().value.Last == 100
    assert handle.taken
    with pytest.raises(InputError):
        other.wait("soon")  # type: ignore[arg-type]


def test_gather_and_the_task_queue_work_over_a_backtest() -> None:
    series = {f"{eid}/BTC_USDT": series_of([BULL] * 9) for eid in ("Binance", "OKX")}
    run = simulation(series, minutes=9, exchanges=[{"eid": "Binance"}, {"eid": "OKX"}])
    first, second = gather(run.exchanges, "GetTicker", timeout_ms=5000)
    assert (first.Last, second.Last) == (100, 100)
    assert run.seconds() == 0.4


def test_the_clock_of_the_handles_is_the_backtests() -> None:
    run = spot()
    clock, signal = run.exchange.clock, Signal()
    clock.sleep(2)
    assert (clock.now(), clock.now_ns(), clock.monotonic()) == (START / 1000 + 2, (START + 2000) * 10**6, 2)
    assert clock.wait((signal,), 3) is False
    assert run.seconds() == 5
    run.engine.call_later(1000, signal.set)
    assert clock.wait((signal,), 60) is True
    assert run.seconds() == 6
    with pytest.raises(EOFError):
        clock.wait((Signal(),))


@pytest.mark.parametrize("args", [(), (0,), (2.5,), ("BTC_USDT.swap",), ("BTC_USDT.swap", 3, 4), (3, 4)])
def test_leverage_in_none_of_its_forms(args: tuple[object, ...]) -> None:
    run = simulation(
        {"Futures_Binance/BTC_USDT.swap": series_of([BULL] * 9, market=detail("BTC_USDT.swap"))},
        minutes=9,
        exchanges=[{"eid": "Futures_Binance"}],
    )
    with pytest.raises(InputError, match=r"level|SetMarginLevel"):
        run.exchange.SetMarginLevel(*args)
