import pytest

from fmzthreads.backtest.nano import ONE, nano
from fmzthreads.backtest.result.log import RunLog, plain
from fmzthreads.errors import InputError


def log_at(now: list[int]) -> RunLog:
    return RunLog(lambda: now[0])


def test_rows_have_the_engines_form() -> None:
    now = [1000]
    log = log_at(now)
    log.order(0, 1, 7, nano(33878.83), nano(0.01), "first", "BTC_USDT", "")
    now[0] = 2000
    log.order(2, 1, 7, 5 * ONE, 5 * ONE, "", "BTC_USDT", "")
    log.error(1, "order not found")
    log.log("hello")
    log.profit(1.5, "note")
    assert log.rows == [
        [1, 1000, 0, 1, 7, 33878.83, 0.01, "first", "BTC_USDT", ""],
        [2, 2000, 2, 1, 7, 0, 0, "", "BTC_USDT", ""],
        [3, 2000, 3, 1, 0, 0, 0, "order not found", "", ""],
        [4, 2000, 5, 0, 0, 0, 0, "hello", "", ""],
        [5, 2000, 4, 0, 0, 1.5, 0, "note", "", ""],
    ]
    assert log.profits == [[2000, 1.5]]
    assert log.last_profit == 1.5


def test_rows_of_orders_can_be_switched_off_and_take_no_id_then() -> None:
    log = log_at([0])
    log.enable_orders(False)
    log.order(0, 1, 1, 0, ONE, "", "BTC_USDT", "")
    log.log("still there")
    log.enable_orders(True)
    log.order(1, 1, 2, 0, ONE, "", "BTC_USDT", "")
    assert [(row[0], row[2]) for row in log.rows] == [(1, 5), (2, 1)]


def test_a_reset_keeps_the_last_rows_and_ids_go_on() -> None:
    log = log_at([0])
    for number in range(5):
        log.log(str(number))
        log.profit(number)
    log.reset(3)
    log.reset_profit(2)
    log.log("next")
    assert [row[0] for row in log.rows] == [8, 9, 10, 11]
    assert log.profits == [[0, 3], [0, 4]]
    assert log.count == 11
    log.reset()
    assert log.rows == []
    log.reset(100)
    with pytest.raises(InputError, match=r"LogReset\(-1\): expected a whole number"):
        log.reset(-1)
    with pytest.raises(InputError, match=r"LogProfitReset"):
        log.reset_profit(1.5)  # type: ignore[arg-type]


def test_a_silent_profit_is_a_point_without_a_row() -> None:
    log = log_at([5])
    log.profit(2.0, silent=True)
    assert (log.rows, log.profits) == ([], [[5, 2.0]])


def test_numbers_print_as_the_engine_prints_them() -> None:
    assert [repr(plain(nano(value))) for value in (0, 1.0, 0.5, -2.0, -0.25, 33878.83)] == [
        "0",
        "1",
        "0.5",
        "-2",
        "-0.25",
        "33878.83",
    ]


def test_listeners_see_each_row() -> None:
    log = log_at([0])
    seen: list[list[object]] = []
    log.listeners.append(seen.append)
    log.log("a")
    log.error(0, "b")
    assert seen == log.rows
