"""``threading.Timer``, ``queue`` and waits in a backtest: by virtual time, in one order."""

from pathlib import Path

import pytest

from tests.helpers.backtest_runs import START_MS, run_text


def logged(tmp_path: Path, body: str, *, head: str = "") -> list[str]:
    """The log rows of a ``main``, as ``seconds text``."""
    text = f"import queue, threading\n{head}\ndef main():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    run, end = run_text(tmp_path, text)
    assert end.reason in {"returned", "end"}, end.text
    return [f"{(row[1] - START_MS) / 1000:g} {row[7]}" for row in run.log.rows]


def test_a_timer_calls_at_its_virtual_time_in_a_sleep(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "for s in (20, 5, 5.5):\n"
        "    threading.Timer(s, Log, ('timer', s)).start()\n"
        "Sleep(10000)\n"
        "Log('slept')\n"
        "Sleep(60000)\n"
        "Log('end')",
    )
    assert rows == ["5 timer 5", "5.5 timer 5.5", "10 slept", "20 timer 20", "70 end"]


def test_a_call_that_jumps_over_its_time_calls_it_afterwards(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "threading.Timer(1, lambda: Log('timer')).start()\n"
        "exchange.GetTicker()\n"
        "Log('first')\n"
        "exchange.GetTicker()\n"
        "Log('second')",
    )
    assert [row.split()[1] for row in rows] == ["first", "timer", "second"]
    assert rows[1].split()[0] == rows[2].split()[0] != "1"


def test_a_canceled_timer_does_not_call(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "t = threading.Timer(5, Log, ['never'])\n"
        "t.start()\n"
        "Log(t.is_alive())\n"
        "t.cancel()\n"
        "Log(t.is_alive())\n"
        "Sleep(10000)\n"
        "u = threading.Timer(5, Log, kwargs={})\n"
        "u.start()\n"
        "u.join()\n"
        "Log(u.is_alive(), t.daemon)\n"
        "for again in (u.start, threading.Timer(1, Log).join):\n"
        "    try:\n"
        "        again()\n"
        "    except RuntimeError as error:\n"
        "        Log(error)",
    )
    assert rows == [
        "0 True",
        "0 False",
        "15 ",
        "15 False False",
        "15 threads can only be started once",
        "15 cannot join thread before it is started",
    ]


def test_a_timer_ends_a_wait_early(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "e = threading.Event()\n"
        "threading.Timer(5, e.set).start()\n"
        "Log(e.wait(60))\n"
        "e.clear()\n"
        "Log(e.wait(60))\n"
        "threading.Timer(5, e.set).start()\n"
        "Log(e.wait())",
    )
    assert rows == ["5 True", "65 False", "70 True"]


def test_timers_may_set_timers_and_sleep(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "def tick(n):\n"
        "    Log('tick', n)\n"
        "    Sleep(1000)\n"
        "    if n < 3: threading.Timer(10, tick, (n + 1,)).start()\n"
        "tick(1)\n"
        "Sleep(10000)\n"
        "Log('slept')\n"
        "Sleep(100000)\n"
        "Log('end')",
    )
    assert rows == ["0 tick 1", "11 tick 2", "12 slept", "22 tick 3", "112 end"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_timer_raises_is_not_the_strategys_business(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "def wrong():\n"
        "    raise ValueError('of the timer')\n"
        "def late():\n"
        "    Sleep(10**9)\n"
        "threading.Timer(1, wrong).start()\n"
        "threading.Timer(2, late).start()\n"
        "Sleep(1500)\n"
        "Log('on')\n"
        "Sleep(3000)\n"
        "Log('never: the timer slept to the end')",
    )
    assert rows[0] == "1.5 on"


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_queues_wait_by_virtual_time(tmp_path: Path, kind: str) -> None:
    rows = logged(
        tmp_path,
        f"q = queue.{kind}()\n"
        "threading.Timer(5, q.put, ('item',)).start()\n"
        "Log(q.get(timeout=60))\n"
        "try:\n"
        "    q.get(True, 30)\n"
        "except queue.Empty:\n"
        "    Log('empty')\n"
        "threading.Timer(5, q.put, ('more',)).start()\n"
        "Log(q.get())\n"
        "try:\n"
        "    q.get_nowait()\n"
        "except queue.Empty:\n"
        "    Log('still')",
    )
    assert rows == ["5 item", "35 empty", "40 more", "40 still"]


def test_a_full_queue(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "q = queue.Queue(1)\n"
        "q.put(1)\n"
        "try:\n"
        "    q.put(2, timeout=30)\n"
        "except queue.Full:\n"
        "    Log('full')\n"
        "threading.Timer(5, q.get).start()\n"
        "q.put(3, timeout=30)\n"
        "Log(q.get(), q.qsize())\n"
        "try:\n"
        "    q.get(timeout=-1)\n"
        "except ValueError as error:\n"
        "    Log(error)",
    )
    assert rows == ["30 full", "35 3 0", "35 'timeout' must be a non-negative number"]


def test_the_end_of_the_data_ends_waits_and_timers(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "threading.Timer(10**6, Log, ('never',)).start()\n"
        "try:\n"
        "    queue.Queue().get()\n"
        "finally:\n"
        "    Log(exchange.GetName())",
    )
    assert [row.split()[1] for row in rows] == ["Binance"]


def test_snapshots_come_at_their_stamps_among_timers(tmp_path: Path) -> None:
    text = (
        "import threading\ndef again():\n    threading.Timer(7, again).start()\ndef main():\n"
        "    again()\n    exchange.GetTicker()\n    Sleep(1800000)\n"
    )
    with_timers, _ = run_text(tmp_path, text)
    without, _ = run_text(tmp_path, "def main():\n    exchange.GetTicker()\n    Sleep(1800000)\n")
    assert [row[0] for row in with_timers.engine.snapshots] == [row[0] for row in without.engine.snapshots]
    assert with_timers.engine.now_ms == without.engine.now_ms


def test_a_timer_that_needs_a_thread_is_refused(tmp_path: Path) -> None:
    rows = logged(
        tmp_path,
        "class Repeat(threading.Timer):\n"
        "    def run(self):\n"
        "        while not self.finished.wait(self.interval): self.function()\n"
        "try:\n"
        "    Repeat(1, Log).start()\n"
        "except NotImplementedError as error:\n"
        "    Log(error)",
    )
    assert "Repeat.run in a backtest" in rows[0]
