"""The quick ways of the calls that come at every bar: what the methods give, and every other case is theirs."""

from fmzthreads.backtest.face.exchange import BacktestExchange
from fmzthreads.structures.growing import GrowingRecords
from tests.helpers.backtests import MINUTE, Simulation, detail, series_of, simulation
from tests.helpers.threads import run_in_thread

BULL = (100.0, 110.0, 95.0, 105.0, 14.0)


def two_symbols(**options: object) -> Simulation:
    series = {
        "Binance/BTC_USDT": series_of([BULL] * 20),
        "Binance/ETH_USDT": series_of([tuple(2 * value for value in BULL)] * 20, market=detail("ETH_USDT")),
    }
    return simulation(series, minutes=20, exchanges=[options])


def test_a_rate_another_pair_and_stored_lists_are_the_methods() -> None:
    run = two_symbols()
    exchange = run.exchange
    for _ in range(3):
        records = exchange.GetRecords()
        assert records is not None
        assert records[0].Open == 100
    exchange.SetRate(2)
    assert exchange.GetRecords()[0].Open == 200  # type: ignore[index]
    assert exchange.GetTicker().Open > 180  # type: ignore[union-attr]
    exchange.SetRate(1)
    assert [exchange.GetRecords()[0].Open for _ in range(2)] == [100, 100]  # type: ignore[index]
    exchange.SetCurrency("ETH_USDT")
    assert [exchange.GetRecords()[0].Open for _ in range(2)] == [200, 200]  # type: ignore[index]
    assert exchange.GetTicker().Symbol == "ETH_USDT"  # type: ignore[union-attr]
    exchange.SetCurrency("BTC_USDT")
    assert [exchange.GetRecords()[0].Open for _ in range(2)] == [100, 100]  # type: ignore[index]
    assert exchange.GetTicker().Symbol == "BTC_USDT"  # type: ignore[union-attr]
    run.engine.lists_stored = True
    assert list.__len__(exchange.GetRecords()) > 0  # type: ignore[arg-type]


def test_another_period_in_between_is_noticed() -> None:
    quick, plain = two_symbols(), two_symbols()
    plain.engine.lock.shared = True
    for place in range(12):
        args = (MINUTE * 3 // 1000,) if place in {3, 4, 8} else ()
        seen = [run.exchange.GetRecords(*args) for run in (quick, plain)]
        assert type(seen[0]) is GrowingRecords
        assert list(seen[0]) == list(seen[1] or ())
        assert quick.engine.now_ms == plain.engine.now_ms


def test_a_cap_that_is_set_later_counts() -> None:
    exchange = two_symbols().exchange
    for cap in (None, 2, None):
        for _ in range(9):
            records = exchange.GetRecords()
        if cap:
            exchange.SetMaxBarLen(cap)
    assert records is not None
    assert len(records) == 2


def test_another_thread_ends_the_quick_way() -> None:
    run = two_symbols()
    run.exchange.GetRecords()
    run.exchange.GetRecords()
    assert not run.engine.lock.shared or not run.engine.lock.owner
    records = run_in_thread(run.exchange.GetRecords).result()
    assert run.engine.lock.shared
    assert records is not None
    before = run.engine.now_ms
    assert run.exchange.GetRecords() is not None
    assert run.engine.now_ms > before


def test_failures_on_purpose_come() -> None:
    run = two_symbols(fault_tolerant=1.0)
    assert [run.exchange.GetRecords() for _ in range(4)] == [None] * 4
    assert "GetRecords" not in vars(run.exchange)


def test_it_says_what_the_method_says() -> None:
    exchange = two_symbols().exchange
    assert exchange.GetRecords.__doc__ == BacktestExchange.GetRecords.__doc__
    assert exchange.GetRecords.__name__ == "GetRecords"
