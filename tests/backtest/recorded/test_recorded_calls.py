"""Market calls over recorded books: ticker, depth, trades, records, and the clock."""

import pytest

from fmzthreads.backtest.recorded.recording import Recording
from tests.helpers.backtests import START
from tests.helpers.recorded_books import BookTest

TICKS = [
    (0, [(101, 1), (102, 2)], [(100, 1), (99, 5)]),
    (1, [(101, 4)], [(100, 2)], [(0.5, 0, 101, 1), (0.9, 1, 100, 3)]),
    (2, [(103, 1)], [(102, 1)], [(1.5, 0, 102, 0.5)]),
    (65, [(104, 1)], [(103, 1)], [(64, 0, 104, 2)]),
]


def test_the_recorded_book_and_ticker() -> None:
    test = BookTest(TICKS)
    depth = test.exchange.GetDepth()
    assert depth == {
        "Asks": [{"Price": 101.0, "Amount": 1.0}, {"Price": 102.0, "Amount": 2.0}],
        "Bids": [{"Price": 100.0, "Amount": 1.0}, {"Price": 99.0, "Amount": 5.0}],
        "Time": START,
    }
    ticker = test.at(1).GetTicker()
    assert ticker is not None
    assert (ticker.Buy, ticker.Sell, ticker.Last, ticker.Volume, ticker.Time) == (100, 101, 100, 4, START + 1000)
    limited = test.at(2).GetDepth("", 1)
    assert limited is not None
    assert [len(limited.Asks), len(limited.Bids)] == [1, 1]
    assert test.exchange.ticker_values() is not None


def test_calls_go_from_tick_to_tick_as_over_bars() -> None:
    test = BookTest(TICKS, net_delay_ms=200)
    seen = []
    for call in ("GetTicker", "GetTicker", "GetDepth", "GetTicker", "GetTicker"):
        getattr(test.exchange, call)()
        seen.append((test.engine.now_ms - START) / 1000)
    assert seen == [0.2, 1.0, 1.2, 2.0, 65.0]
    with pytest.raises(EOFError):
        test.exchange.GetTicker()


def test_each_trade_is_given_once() -> None:
    test = BookTest(TICKS)
    assert test.exchange.GetTrades() == []
    trades = test.at(2).GetTrades() or []
    assert [(trade.Time - START, trade.Type, trade.Price, trade.Amount) for trade in trades] == [
        (500, 0, 101, 1),
        (900, 1, 100, 3),
        (1500, 0, 102, 0.5),
    ]
    assert len({trade.Id for trade in trades}) == 3
    assert [trade.Price for trade in test.at(70).GetTrades() or []] == [104]


def test_bars_are_made_of_the_trades() -> None:
    test = BookTest(TICKS)
    records = test.at(70).GetRecords(60) or []
    assert [(r.Time - START, r.Open, r.High, r.Low, r.Close, r.Volume) for r in records] == [
        (0, 100.5, 102, 100, 102, 4.5),
        (60_000, 104, 104, 104, 104, 2),
    ]


def test_bars_do_not_depend_on_when_they_are_asked_for() -> None:
    ticks = [(n, [(101 + n % 7, 1)], [(100 + n % 7, 1)], [(n, 0, 101 + n % 7, 1)]) for n in range(600)]
    often, once = BookTest(ticks), BookTest(ticks)
    for second in range(0, 590, 10):
        records = often.at(second).GetRecords(7)
    assert list(records or ()) == list(once.at(580).GetRecords(7) or ())


def test_history_before_the_start_counts_for_records_only() -> None:
    recording = Recording("Binance/BTC_USDT")
    for n in range(-120, 60):
        recording.add(START + n * 1000, [(200 + n, 1)], [(199 + n, 1)])
    recording.close()
    test = BookTest(recording)
    ticker = test.exchange.GetTicker()
    assert ticker is not None
    assert ticker.Time == START
    assert len(test.exchange.GetRecords(60) or ()) == 3


def test_rates_apply_to_recorded_prices() -> None:
    test = BookTest(TICKS)
    test.exchange.SetRate(2)
    depth, trades = test.exchange.GetDepth(), test.at(1).GetTrades()
    assert depth is not None
    assert depth.Asks[0].Price == 202
    assert trades is not None
    assert trades[0].Price == 202


def test_a_side_that_is_empty_shows_the_last_price() -> None:
    test = BookTest([(0, [], [(100, 1)], [(0, 0, 101, 1)])])
    ticker = test.exchange.GetTicker()
    assert ticker is not None
    assert (ticker.Sell, ticker.Buy) == (101, 100)
    order = test.exchange.Buy(105, 1)
    assert test.order(order)[0] == 0


def test_long_recordings_are_read_in_blocks() -> None:
    recording = Recording("Binance/BTC_USDT")
    for n in range(3000):
        recording.add(START + n * 1000, [(101 + n, 1)], [(100 + n, 1)])
    recording.close()
    test = BookTest(recording)
    for second in (5, 255, 256, 257, 1800, 2999):
        depth = test.at(second).GetDepth()
        assert depth is not None
        assert (depth.Time - START, depth.Asks[0].Price) == (second * 1000, 101 + second)


def test_the_newest_thousand_trades() -> None:
    test = BookTest(
        [(0, [(101, 1)], [(100, 1)]), (5, [(101, 1)], [(100, 1)], [(1, 0, 101, n + 1) for n in range(1500)])]
    )
    trades = test.at(5).GetTrades() or []
    assert [trades[0].Amount, trades[-1].Amount, len(trades)] == [501, 1500, 1000]


def test_prices_are_found_over_all_blocks() -> None:
    recording = Recording("Binance/BTC_USDT")
    lasts = [100 + n // 10 for n in range(700)]
    for n, last in enumerate(lasts):
        recording.add(START + n * 1000, [(last + 1, 1)], [(last - 1, 1)], last=last)
    recording.close()
    test = BookTest(recording)
    test.at(699).GetTicker()
    [feed] = test.engine.parts[0].table.feeds.values()
    for price in (99, 100, 105, 130, 169, 170):
        for after, until in ((-1, 699), (300, 600), (5, 290)):
            numbers = range(after + 1, until + 1)
            above = next((n for n in numbers if lasts[n] >= price), -1)
            below = next((n for n in numbers if lasts[n] <= price), -1)
            assert feed.first_at_or_above(price * 10**9, after, until) == above
            assert feed.first_at_or_below(price * 10**9, after, until) == below
