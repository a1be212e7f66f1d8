from array import array
from collections.abc import Mapping

import pytest

from fmzthreads.backtest.config.settings import ExchangeSettings, MarketDetail
from fmzthreads.backtest.data import local_bars
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.data.local_bars import LocalBars, facts_of
from fmzthreads.backtest.data.raw_series import RawSeries
from fmzthreads.backtest.data.row_spill import RowSpill
from fmzthreads.backtest.data.scaling import scaled
from fmzthreads.backtest.failures import NoData
from fmzthreads.errors import InputError, OperationFailed
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.long_data import small_limits

MINUTE = 60_000


def series(count: int, *, start: int = 0, step: int = MINUTE, price: float = 100.25) -> RawSeries:
    prices = [price + row for row in range(count)]
    return RawSeries(
        time=array("q", (start + row * step for row in range(count))),
        open=array("d", prices),
        high=array("d", (value + 2 for value in prices)),
        low=array("d", (value - 1 for value in prices)),
        close=array("d", (value + 1 for value in prices)),
        volume=array("d", [1.5] * count),
    )


def source(raw: Mapping[str, RawSeries], *exchanges: ExchangeSettings) -> LocalBars:
    return LocalBars(raw, exchanges or (ExchangeSettings(eid="Binance"),))


def test_bars_are_scaled_by_the_details() -> None:
    detail = MarketDetail(
        symbol="BTC_USDT", base_currency="BTC", quote_currency="USDT", base_precision=3, quote_precision=1
    )
    exchange = ExchangeSettings(eid="Binance", details={"BTC_USDT": detail})
    bars = source({"Binance/BTC_USDT": series(2)}, exchange).bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE)
    assert bars.detail is detail
    assert list(bars.open) == [1002, 1012]  # 1002.5 is rounded to even
    assert list(bars.volume) == [1500, 1500]
    assert bars.period_ms == MINUTE


def test_bars_without_details_keep_the_decimals_of_the_data() -> None:
    bars = source({"": series(2)}).bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE)
    assert (bars.detail.quote_precision, bars.detail.base_precision) == (2, 5)
    assert (bars.detail.price_tick, bars.detail.volume_tick) == (10_000_000, 10_000)
    assert list(bars.close) == [10125, 10225]


def test_the_window_is_half_open() -> None:
    found = source({"": series(10)}).bars("Binance", "BTC_USDT", MINUTE, 2 * MINUTE, 5 * MINUTE)
    assert list(found.time) == [2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert list(found.close) == [10325, 10425, 10525]


def test_longer_base_periods_are_aggregated() -> None:
    found = source({"": series(10)}).bars("Binance", "BTC_USDT", 5 * MINUTE, 0, 8 * MINUTE)
    assert list(found.time) == [0, 5 * MINUTE]
    assert (list(found.open), list(found.close)) == ([10025, 10525], [10525, 10825])
    assert (list(found.high), list(found.low)) == ([10625, 10925], [9925, 10425])
    assert list(found.volume) == [750000, 450000]  # the bars at or after the end are not in it
    assert found.period_ms == 5 * MINUTE


def test_days_begin_at_midnight_in_shanghai() -> None:
    hour = 60 * MINUTE
    found = source({"": series(48, step=hour)}).bars("Binance", "BTC_USDT", 24 * hour, 0, 48 * hour, fill=True)
    assert list(found.time) == [-8 * hour, 16 * hour, 40 * hour]


def test_a_shorter_base_period_than_the_bars_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"have a period of 60 s, which does not divide the base period of 1 s; set basePeriod"
    ):
        source({"": series(10)}).bars("Binance", "BTC_USDT", 1000, 0, MINUTE)
    with pytest.raises(NoData):
        source({"": series(10)}).bars("Binance", "BTC_USDT", 90_000, 0, MINUTE, fill=True)


def test_names_of_series() -> None:
    bars = source(
        {"Binance/BTC_USDT": series(1, price=1), "ETH_USDT": series(1, price=2)},
        ExchangeSettings(eid="Binance"), ExchangeSettings(eid="OKX"),
    )  # fmt: skip
    assert list(bars.bars("Binance", "BTC_USDT", MINUTE, 0, MINUTE).open) == [1]
    assert list(bars.bars("OKX", "ETH_USDT", MINUTE, 0, MINUTE).open) == [2]
    with pytest.raises(NoData, match=r"symbol BTC_USDT not found on OKX.*Binance/BTC_USDT"):
        bars.bars("OKX", "BTC_USDT", MINUTE, 0, MINUTE)
    assert bars.symbols("Binance") == ["BTC_USDT", "ETH_USDT"]


def test_a_series_without_a_name_is_the_only_exchanges_own_symbol() -> None:
    bars = source({"": series(1)}, ExchangeSettings(eid="Futures_OKX", currency="BTC_USDT"))
    assert len(bars.bars("Futures_OKX", "BTC_USDT.swap", MINUTE, 0, MINUTE)) == 1
    for symbol in ("ETH_USDT.swap", "BTC_USDT.funding"):
        with pytest.raises(NoData):
            bars.bars("Futures_OKX", symbol, MINUTE, 0, MINUTE)
    two = source({"": series(1)}, ExchangeSettings(eid="OKX"), ExchangeSettings(eid="Binance"))
    with pytest.raises(NoData):
        two.bars("OKX", "BTC_USDT", MINUTE, 0, MINUTE)


def test_no_bars_in_the_time_asked_for() -> None:
    with pytest.raises(NoData, match=r"its bars go from 0 to 540000 ms, asked for 600000 to 900000"):
        source({"": series(10)}).bars("Binance", "BTC_USDT", MINUTE, 600_000, 900_000)
    with pytest.raises(NoData, match="has no bars"):
        source({"": RawSeries()}).bars("Binance", "BTC_USDT", MINUTE, 0, 1)


def test_numbers_that_do_not_fit_are_named() -> None:
    raw = series(2)
    raw.volume[1] = 1e18
    detail = MarketDetail(symbol="BTC_USDT", base_currency="BTC", quote_currency="USDT", base_precision=8)
    exchange = ExchangeSettings(eid="Binance", details={"BTC_USDT": detail})
    with pytest.raises(InputError, match=r"volume: 1e\+18 with 8 decimals is not a finite number"):
        source({"": raw}, exchange).bars("Binance", "BTC_USDT", MINUTE, 0, MINUTE)
    raw = series(2)
    raw.volume[1] = 1e15
    assert source({"": raw}).bars("Binance", "BTC_USDT", MINUTE, 0, MINUTE).detail.base_precision == 3


@needs_fork
def test_a_child_that_is_forked_while_bars_are_scaled_does_not_take_half_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bars = source({"": series(3)})
    told: list[object] = []

    def _in_child() -> object:
        with pytest.raises(OperationFailed, match="forked while the bars of"):
            bars.bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE)
        return "refused"

    def _scaled(raw: RawSeries, detail: MarketDetail) -> BarSeries:
        told.append(in_fork(_in_child))
        return scaled(raw, detail)

    monkeypatch.setattr(local_bars, "scaled", _scaled)
    assert list(bars.bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE).close) == [10125, 10225, 10325]
    assert told == ["refused"]


def test_bars_whose_scaling_was_interrupted_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def _interrupted(raw: RawSeries, detail: MarketDetail) -> BarSeries:
        raise KeyboardInterrupt

    bars = source({"": series(3)})
    with monkeypatch.context() as patch:
        patch.setattr(local_bars, "scaled", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            bars.bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE)
    for _ in range(2):
        with pytest.raises(OperationFailed, match="came while the bars of"):
            bars.bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE)


def test_facts_are_what_all_series_share() -> None:
    facts = facts_of({"a": series(10), "b": series(5, start=2 * MINUTE, step=5 * MINUTE), "c": RawSeries()})
    assert (facts.period_ms, facts.first_ms, facts.end_ms) == (MINUTE, 2 * MINUTE, 10 * MINUTE)
    assert facts_of({}).period_ms is None


@pytest.mark.parametrize("count", [10, 60_000])
def test_numpy_and_plain_python_scale_alike(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    fast = source({"": series(count)}).bars("Binance", "BTC_USDT", MINUTE, 0, 2**62)
    monkeypatch.setattr("fmzthreads.backtest.data.scaling.fast_numpy", lambda count: None)
    plain = source({"": series(count)}).bars("Binance", "BTC_USDT", MINUTE, 0, 2**62)
    assert (fast.open, fast.close, fast.volume, fast.detail) == (plain.open, plain.close, plain.volume, plain.detail)


def test_the_rows_of_a_funding_series_are_payments_whatever_the_base_period() -> None:
    hours = 8 * 60 * MINUTE
    bars = source({"BTC_USDT.funding": series(3, step=hours, price=1), "BTC_USDT.index": series(3, step=hours)})
    found = bars.bars("Binance", "BTC_USDT.funding", 5 * MINUTE, 0, 3 * hours)
    assert list(found.time) == [0, hours, 2 * hours]
    with pytest.raises(InputError, match="does not divide the base period"):
        bars.bars("Binance", "BTC_USDT.index", 5 * MINUTE, 0, 3 * hours)


def test_the_decimals_of_the_exchange_go_before_those_of_the_data() -> None:
    exchange = ExchangeSettings(eid="Binance", quote_precision=1, base_precision=2)
    bars = source({"": series(2)}, exchange).bars("Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE)
    assert (bars.detail.quote_precision, bars.detail.base_precision) == (1, 2)
    assert (list(bars.open), list(bars.volume)) == ([1002, 1012], [150, 150])
    bars = source({"": series(2)}, ExchangeSettings(eid="Binance", base_precision=0)).bars(
        "Binance", "BTC_USDT", MINUTE, 0, 10 * MINUTE
    )
    assert (bars.detail.quote_precision, bars.detail.base_precision) == (2, 0)


@pytest.mark.parametrize("exchange", [{}, {"quote_precision": 3}])
def test_a_contract_without_details_names_the_rates_that_there_are(exchange: dict[str, int]) -> None:
    hours = 8 * 60 * MINUTE
    raw = {
        "Futures_Binance/BTC_USDT.swap": series(9), "ETH_USDT.swap": series(9), "BTC_USDT": series(9),
        "Futures_Binance/BTC_USDT.funding": series(3, step=hours, price=1), "ETH_USDT.index": series(9),
        "Other/ETH_USDT.funding": series(3, step=hours, price=1),
    }  # fmt: skip
    bars = source(raw, ExchangeSettings(eid="Futures_Binance", **exchange))
    named = {
        symbol: (detail.symbol_funding, detail.symbol_index)
        for symbol in ("BTC_USDT.swap", "ETH_USDT.swap", "BTC_USDT", "BTC_USDT.funding")
        for detail in [bars.bars("Futures_Binance", symbol, MINUTE, 0, 3 * hours).detail]
    }
    assert named == {
        "BTC_USDT.swap": ("BTC_USDT.funding", ""),
        "ETH_USDT.swap": ("", "ETH_USDT.index"),
        "BTC_USDT": ("", ""),
        "BTC_USDT.funding": ("", ""),
    }


def market(symbol: str, prices: int, level: int = 5) -> MarketDetail:
    return MarketDetail(
        symbol=symbol, base_currency="BTC", quote_currency="USDT", base_precision=3, quote_precision=prices,
        margin_level=level * 10**9,
    )  # fmt: skip


def test_two_exchanges_of_one_id_have_details_of_their_own() -> None:
    btc, eth = market("BTC_USDT", 1, 7), market("ETH_USDT", 0, 3)
    local = source(
        {"Binance/BTC_USDT": series(2), "Binance/ETH_USDT": series(2)},
        ExchangeSettings(eid="Binance", currency="BTC_USDT", details={"BTC_USDT": btc}),
        ExchangeSettings(eid="Binance", currency="ETH_USDT", details={"ETH_USDT": eth}),
        ExchangeSettings(eid="Binance", currency="LTC_USDT", quote_precision=4),
    )
    assert local.bars("Binance", "BTC_USDT", MINUTE, 0, MINUTE).detail is btc
    assert local.bars("Binance", "ETH_USDT", MINUTE, 0, MINUTE).detail is eth
    both = ExchangeSettings(eid="Binance"), ExchangeSettings(eid="Binance")
    assert len(source({"": series(2)}, *both).bars("Binance", "BTC_USDT", MINUTE, 0, MINUTE)) == 1


@pytest.mark.parametrize("stored", [False, True])
def test_exchanges_that_share_bars_have_decimals_of_their_own(monkeypatch: pytest.MonkeyPatch, stored: bool) -> None:
    raw = series(2, price=100.123)
    if stored:
        small_limits(monkeypatch)
        with RowSpill(1) as spill:
            spill.take({"": raw})
            raw.stored = spill.finish({"": raw})[""]
    local = source(
        {"BTC_USDT": raw},
        ExchangeSettings(eid="Binance", details={"BTC_USDT": market("BTC_USDT", 1)}),
        ExchangeSettings(eid="OKX", details={"BTC_USDT": market("BTC_USDT", 4)}),
        ExchangeSettings(eid="Huobi"),
    )
    for _ in range(2):
        for eid, places, price in (("Binance", 1, 1001), ("OKX", 4, 1001230), ("Huobi", 3, 100123)):
            found = local.bars(eid, "BTC_USDT", MINUTE, 0, MINUTE)
            assert (found.detail.quote_precision, list(found.open)) == (places, [price])


def test_contracts_that_share_bars_without_a_name_are_described_each() -> None:
    local = source({"": series(2)}, ExchangeSettings(eid="Futures_Binance"))
    for contract in ("swap", "quarter"):
        found = local.bars("Futures_Binance", f"BTC_USDT.{contract}", MINUTE, 0, MINUTE)
        assert (found.detail.symbol, found.detail.contract_type) == (f"BTC_USDT.{contract}", contract)
