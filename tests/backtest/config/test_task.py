import json

import pytest

from fmzthreads.backtest.config.task import (
    DataFacts,
    check_keys,
    header_task,
    ignored_keys,
    read_config,
    settings_of,
    unknown_keys,
)
from fmzthreads.backtest.nano import ONE
from fmzthreads.errors import InputError, UnknownName

HEADER = """backtest
start: 2024-01-01 00:00:00
end: 2024-01-03 00:00:00
period: 1h
basePeriod: 15m
exchanges: [{"eid":"Binance","currency":"ETH_USDT","balance":5000,"stocks":0,"fee":[0.075,0.1]},{"eid":"Futures_OKX","currency":"BTC_USDT"}]
args: [["fast", 5]]
btNetDelay: 300
some other line
"""


def test_a_header_as_fmz_writes_it() -> None:
    task = header_task(HEADER)
    settings = settings_of(task)
    assert (settings.start_ms, settings.end_ms) == (1704067200000, 1704240000000)
    assert (settings.period_ms, settings.base_period_ms, settings.snapshot_ms) == (3_600_000, 900_000, 300_000)
    assert settings.net_delay_ms == 200
    first, second = settings.exchanges
    assert (first.eid, first.currency, first.balance, first.stocks) == ("Binance", "ETH_USDT", 5000 * ONE, 0)
    assert (first.fee_maker, first.fee_taker) == (750_000, 1_000_000)
    assert (second.index, second.balance, second.stocks) == (1, 10_000 * ONE, 3 * ONE)
    assert (second.fee_maker, second.fee_taker) == (300_000, 300_000)
    assert second.is_futures
    assert not first.is_futures
    assert ignored_keys(task) == ["btNetDelay"]
    assert task["args"] == [["fast", 5]]


def test_json_of_a_header_may_go_on_over_lines() -> None:
    text = 'backtest\nexchanges: [\n  {"eid": "OKX",\n   "currency": "BTC_USDT"}\n]\nperiod: 5m\n'
    task = header_task(text)
    assert task["exchanges"] == [{"eid": "OKX", "currency": "BTC_USDT"}]
    assert task["period"] == "5m"


def test_keys_that_no_setting_has_are_named() -> None:
    text = """
        start: 2024-01-01
        participaton: 0.5
        btSlipPoint: 3
        exchanges: [
          {"eid": "Binance",
           "currency": "BTC_USDT"}
        ]
        By ann: moving averages
    """
    assert unknown_keys(text) == ["'participaton'; did you mean 'participation'?"]
    with pytest.raises(UnknownName, match="VCtx has the unknown key 'perod'; did you mean 'period'"):
        check_keys({"perod": "1m"}, "VCtx")


def test_two_exchanges_of_one_id_describe_a_market_alike() -> None:
    details = {"BTC_USDT": {"quotePrecision": 1}}
    row = {"eid": "Binance", "currency": "BTC_USDT", "details": details}
    assert len(settings_of({"exchanges": [row, row]}).exchanges) == 2
    other = {**row, "details": {"BTC_USDT": {"quotePrecision": 2}}}
    with pytest.raises(InputError, match=r"exchanges\[1\]: other details of BTC_USDT"):
        settings_of({"exchanges": [row, other]})


def test_json_that_is_none_is_shown() -> None:
    with pytest.raises(InputError, match="the header: exchanges is not JSON"):
        header_task("backtest\nexchanges: [{eid: 1}]\n")


def test_a_task_of_the_engine_gives_the_same_settings() -> None:
    settings = settings_of(header_task(HEADER))
    again = settings_of(json.loads(json.dumps(settings.task)))
    assert again.exchanges == settings.exchanges
    assert (again.start_ms, again.end_ms, again.period_ms, again.base_period_ms, again.snapshot_ms) == (
        settings.start_ms, settings.end_ms, settings.period_ms, settings.base_period_ms, settings.snapshot_ms,
    )  # fmt: skip


def test_engine_keys_of_an_exchange_and_options() -> None:
    settings = settings_of({
        "start": "2024-01-01", "end": "2024-01-02", "options": {"SnapshotPeriod": 900_000, "NetDelay": 50},
        "exchanges": [{"eid": "Futures_Binance", "currency": "BTC_USDT", "raw": {
            "PreBarLen": 10, "MaxBarLen": 300, "SlipPoint": 2, "DepthDeep": 5, "DepthAmount": 1.5, "MarginCurrency": "BTC", "FeeMin": 0.5,
            "FaultTolerant": 0.1, "TimezoneOffset": 0, "Label": "mine"}, "details": {"BTC_USDT.swap": {"quotePrecision": 1, "priceTick": 0.1,
            "volumeTick": 0.001, "basePrecision": 3, "volumeMultiple": 100, "marginLevel": 20, "symbolFunding": ""}}}],
    })  # fmt: skip
    exchange = settings.exchanges[0]
    assert (settings.snapshot_ms, settings.net_delay_ms) == (900_000, 50)
    assert (exchange.pre_bar_len, exchange.max_bar_len, exchange.slip_point, exchange.depth_levels) == (10, 300, 2, 5)
    assert (exchange.depth_amount, exchange.margin_currency, exchange.fee_min) == (1_500_000_000, "BTC", 500_000_000)
    assert (exchange.fault_tolerant, exchange.timezone_offset_ms, exchange.label) == (0.1, 0, "mine")
    detail = exchange.details["BTC_USDT.swap"]
    assert (detail.price_tick, detail.volume_tick, detail.volume_multiple) == (100_000_000, 1_000_000, 100 * ONE)
    assert (detail.contract_type, detail.symbol_funding, detail.symbol_index) == ("swap", "", None)
    assert detail.is_contract


def test_bars_stand_in_for_what_the_task_leaves_out() -> None:
    facts = DataFacts(period_ms=300_000, first_ms=1000, end_ms=900_000_000)
    settings = settings_of({}, facts=facts)
    assert (settings.start_ms, settings.end_ms, settings.base_period_ms) == (1000, 900_000_000, 300_000)
    assert settings_of({"start": 1, "basePeriod": "1m"}, facts=facts).base_period_ms == 60_000
    assert settings_of({"period": "1d"}).base_period_ms == 3_600_000


def test_real_ticks_and_choices() -> None:
    settings = settings_of({"mode": "1", "compat": "fmz", "go": "concurrent", "seed": 7, "timezone": "+08:00", "start": "2024-01-01 08:00:00",
                            "end": "2024-01-02"})  # fmt: skip
    assert (settings.real_ticks, settings.compat_fmz, settings.concurrent_go) == (True, True, True)
    assert (settings.base_period_ms, settings.seed, settings.timezone) == (1000, 7, "+08:00")
    assert settings.start_ms == 1704067200000


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"start": "2024-01-02", "end": "2024-01-01"}, "is not after the start"),
        ({"exchanges": [{"currency": "BTC_USDT"}]}, r"exchanges\[0\]: eid is None, expected FMZ's id"),
        ({"exchanges": [{"eid": "OKX", "balance": "much"}]}, r"exchanges\[0\]: Balance is 'much', expected a number"),
        ({"exchanges": [{"eid": "OKX", "balance": -1}]}, r"Balance is -1, expected a number of at least 0"),
        ({"exchanges": [{"eid": "OKX", "fee": 0.1}]}, r"fee is 0.1, expected \[maker, taker\] in percent"),
        ({"exchanges": [{"eid": "OKX", "depthDeep": 21}]}, "DepthDeep is 21, expected 1 to 20"),
        ({"exchanges": [{"eid": "OKX", "curency": "BTC_USDT"}]}, "unknown key 'curency'; did you mean 'currency'"),
        ({"exchanges": [{"eid": "OKX", "raw": {"PreBar": 1}}]}, "raw has the unknown key 'PreBar'"),
        ({"exchanges": [{"eid": "OKX", "details": {"X": {"quotePrecision": 12}}}]}, "quotePrecision is 12, expected a whole number of 0 to 9"),
        ({"exchanges": "OKX"}, "exchanges is 'OKX', expected a list"),
        ({"options": {"NetDely": 1}}, "unknown key 'NetDely'; did you mean 'NetDelay'"),
        ({"options": [1]}, "options is .*expected an object"),
        ({"compat": "okx"}, "compat is 'okx', expected fmz"),
        ({"mode": 2}, r"mode is 2, expected 0 \(bars\) or 1 \(recorded order books\)"),
        ({"options": {"Mode": "tick"}}, "mode is 'tick', expected 0"),
        ({"exchanges": [{"eid": "A", "raw": {"BasePeriod": 1}}, {"eid": "B", "raw": {"BasePeriod": 2}}]}, "expected one for all"),
    ],
)  # fmt: skip
def test_what_is_not_valid_is_named(task: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_of({"start": "2024-01-01", "end": "2024-01-02", **task} if "start" not in task else task)


def test_currencies_without_a_quote() -> None:
    rows = [{"eid": "Futures_BitMEX", "currency": "XBT"}, {"eid": "Futures_CTP", "currency": "FUTURES"}]
    settings = settings_of({"exchanges": rows})
    assert [exchange.currency for exchange in settings.exchanges] == ["XBT_USD", "FUTURES_CNY"]
    assert settings.exchanges[0].fee_maker == 80_000


def test_config_files() -> None:
    assert read_config('{"start": "2024-01-01", "Options": {}}', "c.json")["start"] == "2024-01-01"
    with pytest.raises(InputError, match=r"c.json is not JSON"):
        read_config("{", "c.json")
    with pytest.raises(InputError, match="expected a JSON object"):
        read_config("[]", "c.json")
    with pytest.raises(UnknownName, match="unknown key 'strat'; did you mean 'start'"):
        read_config('{"strat": 1}', "c.json")


def test_the_days_of_a_year_and_the_period_of_snapshots() -> None:
    assert (settings_of({}).year_days, settings_of({}).snapshot_ms) == (365, 3_600_000)
    assert settings_of({"yearDays": 252}).year_days == settings_of({"options": {"yearDays": "252"}}).year_days == 252
    assert settings_of({"snapshotPeriod": "15m"}).snapshot_ms == 900_000
    assert settings_of({"snapshotPeriod": "15m", "options": {"SnapshotPeriod": 60_000}}).snapshot_ms == 900_000
    for task, message in (
        ({"yearDays": 0}, "yearDays is 0, expected more than 0 days"),
        ({"yearDays": "x"}, "yearDays is 'x', expected a number"),
        ({"snapshotPeriod": "x"}, "snapshotPeriod is 'x'"),
    ):
        with pytest.raises(InputError, match=message):
            settings_of(task)


def test_the_decimals_of_an_exchange() -> None:
    rows = [
        {"eid": "OKX", "currency": "BTC_USDT", "quotePrecision": 1},
        {"eid": "Binance", "currency": "BTC_USDT", "basePrecision": 4},
    ]
    found = settings_of({"exchanges": rows}).exchanges
    assert [(one.quote_precision, one.base_precision, one.details) for one in found] == [(1, None, {}), (None, 4, {})]
    with pytest.raises(InputError, match="quotePrecision is 11, expected a whole number of 0 to 9"):
        settings_of({"exchanges": [{**rows[0], "quotePrecision": 11}]})
