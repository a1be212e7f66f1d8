"""FMZ's globals in a backtest: what its public Python package and its published engine answer."""

import uuid
from typing import Any

import pytest

from fmzthreads.backtest.config.times import zone_of
from fmzthreads.backtest.face.globals import RunGlobals
from fmzthreads.backtest.result.log import RunLog
from fmzthreads.errors import InputError
from tests.backtest.modules.test_time_module import HandClock


class Room:
    def __init__(self, zone: str = "UTC", seed: int = 0) -> None:
        self.clock = HandClock()
        self.log = RunLog(lambda: self.clock.now_ms)
        self.globals = RunGlobals(self.clock, self.log, ["first", "second"], zone_of(zone, ""), seed)
        self.names: dict[str, Any] = self.globals.names()

    def __getattr__(self, name: str) -> Any:
        return self.names[name]

    def texts(self) -> list[tuple[int, str]]:
        return [(row[2], row[7]) for row in self.log.rows]


def test_the_log_family() -> None:
    room = Room()
    room.Log("a", 1, 2.5, None)
    room.LogError("bad", 3)
    room.LogProfit(5, "note", 1)
    room.LogProfit(6.5, "&")
    room.LogStatus("x", "y")
    assert room.texts() == [(5, "a 1 2.5 None"), (3, "bad 3"), (4, "note 1")]
    assert [value for _, value in room.log.profits] == [5, 6.5]
    assert room.log.status_text == "x y"
    assert room.GetLastError() == "bad 3"
    assert room.GetLastError() is None
    room.LogReset(1)
    room.LogProfitReset()
    assert (len(room.log.rows), room.log.profits) == (1, [])
    with pytest.raises(InputError):
        room.LogProfit("much")
    with pytest.raises(SystemExit):
        room.Panic("no", "more")
    assert room.texts()[-1] == (3, "no more")


def test_time_goes_by_the_clock() -> None:
    room = Room()
    room.Sleep(1500)
    assert (room.Unix(), room.UnixNano()) == (1_704_067_201, 1_704_067_201_500_000_000)
    assert room._D() == "2024-01-01 00:00:01"
    assert room._D(0, "%H:%M") == "00:00"
    assert Room("+08:00")._D() == "2024-01-01 08:00:00"
    assert room._D(1_704_844_800_000).startswith("55994-")
    with pytest.raises(InputError, match="_D"):
        room._D("soon")


def test_c_retries_by_the_clock() -> None:
    room = Room()
    answers = iter([None, False, 0, []])
    assert room._C(lambda: next(answers)) == []
    assert room.clock.now_ms == 1_704_067_200_000 + 9000
    room._CDelay(10)
    room._CDelay(0)
    answers = iter([None, "x"])
    assert room._C(lambda: next(answers)) == "x"
    assert room.clock.now_ms == 1_704_067_200_000 + 9010
    with pytest.raises(InputError, match="pass it without parentheses"):
        room._C(None)


def test_g_keeps_values_for_the_run() -> None:
    room, other = Room(), Room()
    assert room._G() == 1
    room._G("Key", {"a": (1, 2)})
    assert room._G("KEY") == {"a": [1, 2]}
    assert other._G("key") is None
    room._G("key", None)
    assert room._G("key") is None
    room._G("a", 1)
    room._G(None)
    assert room._G("a") is None
    with pytest.raises(InputError, match="needs a name"):
        room._G(None, 1)


@pytest.mark.parametrize("name", ["Dial", "DBExec", "EventLoop"])
def test_what_the_sandbox_does_not_have_says_so_in_the_log(name: str) -> None:
    room = Room()
    assert room.names[name]("anything", 1) is None
    assert room.texts() == [(3, f"sandbox not support {name}")]


def test_what_has_no_effect() -> None:
    room = Room()
    assert room.HttpQuery("http://localhost") == "dummy"
    assert tuple(room.HttpQuery_Go("http://localhost").wait()) == ("dummy", True)
    assert room.Mail("a", "b", "c", "d", "e", "f") is True
    assert tuple(room.Mail_Go("a").wait(1000)) == (True, True)
    assert (room.GetCommand(), room.GetMeta(), room.GetChannelData(1)) == ("", None, "")
    assert room.IsVirtual() is True
    for name in ("LogVacuum", "EnableLogLocal", "SetErrorFilter"):
        assert room.names[name]() is None
    assert room.log.rows == []


def test_exchanges_and_names_of_the_live_table_are_there() -> None:
    room = Room()
    assert (room.exchange, room.exchanges) == ("first", ["first", "second"])
    assert room._N(1.23456, 2) == 1.23
    assert room._Cross([1, 2, 3], [3, 2, 1]) == 1
    assert room.PERIOD_M1 == 60
    assert room.MD5("hello world") == "5eb63bbbe01eeed093cb22bb8f5acdc3"


def test_uuids_come_from_the_seed() -> None:
    first, again, other = Room(seed=1), Room(seed=1), Room(seed=2)
    values = [first.UUID(), first.UUID()]
    assert values == [again.UUID(), again.UUID()]
    assert all(str(uuid.UUID(value, version=4)) == value for value in values)
    assert values[0] != values[1]
    assert other.UUID() not in values
    assert len(values[0]) == 36


def test_indicators_note_their_arguments() -> None:
    room = Room()
    room.TA.MA([1.0] * 9, 3)
    room.TA.MA([1.0] * 9, 3)
    room.TA.MA([1.0] * 9, 5)
    room.TA.BOLL([1.0] * 30, 20, 2.5)
    assert room.globals.indicators == {"MA": [[3], [5]], "BOLL": [[20, 2.5]]}


def test_chart_rows_are_in_the_order_in_which_they_came() -> None:
    room = Room()
    chart = room.Chart({"series": [{"name": "a"}, {"name": "b"}]})
    chart.add(0, [1, 10])
    chart.add(1, [1, 20])
    chart.add(0, [1, 11])
    chart.add(1, [2, 21], -1)
    chart.add(0, [3, 12], 0)
    assert room.globals.charts.result() == {
        "Cfg": '{"series":[{"name":"a"},{"name":"b"}]}',
        "Datas": [[0, [3, 12]], [1, [2, 21]], [0, [1, 11]]],
    }
    assert chart.points(0) == [[3, 12], [1, 11]]
    with pytest.raises(InputError, match="series 0 has 2 points, none at 7"):
        chart.add(0, [1, 1], 7)
    chart.reset(1)
    chart.add(1, [5, 5], -1)
    assert room.globals.charts.result()["Datas"] == [[0, [1, 11]], [1, [5, 5]]]
    chart.reset()
    assert room.globals.charts.result()["Datas"] == []


def test_orders_rows_are_switched_off() -> None:
    room = Room()
    room.EnableLog(False)
    room.log.order(0, 1, 1, 0, 0, "", "BTC_USDT", "")
    room.EnableLog()
    assert room.log.rows == []
