"""FMZ's threading objects in JavaScript."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytest.importorskip("quickjs")


def test_a_thread_has_copies_and_its_result_is_joined(logged: Any) -> None:
    lines = logged(
        """
        var shared = {a: 1}
        var t = threading.Thread(function(o, n) { o.a = 5; return {sum: o.a + n, outer: typeof shared} }, shared, 2)
        var r = t.join()
        Log(r.ret, shared.a, r.terminated, r.id, t.name === undefined)
        """
    )
    assert lines == ['{"sum":7,"outer":"undefined"} 1 false 1 false']


def test_items_run_in_order_in_one_thread(logged: Any) -> None:
    lines = logged(
        """
        var t = threading.Thread([function(a) { x = a }, 3], ['y = x + 1'], [function() { return [x, y] }])
        Log(t.join().ret)
        """
    )
    assert lines == ["[3,4]"]


def test_messages_events_locks_and_dicts_are_shared(logged: Any) -> None:
    lines = logged(
        """
        var event = threading.Event(), lock = threading.Lock(), dict = threading.Dict()
        dict.set('n', 0); dict.set('double', function(x) { return 2 * x })
        var work = function(event, lock, dict) {
          event.wait()
          for (var i = 0; i < 50; i++) { lock.acquire(); dict.set('n', dict.get('n') + 1); lock.release() }
          var message = threading.currentThread().peekMessage()
          threading.mainThread().postMessage({got: message, twice: dict.get('double')(4)})
        }
        var threads = _.range(4).map(function() { return threading.Thread(work, event, lock, dict) })
        Log(threading.pending(), event.isSet(), threading.currentThread().peekMessage(-1))
        _.each(threads, function(t, i) { t.postMessage(i) })
        event.set()
        var got = _.range(4).map(function() { return threading.mainThread().peekMessage() })
        _.each(threads, function(t) { t.join() })
        Log(dict.get('n'), _.pluck(got, 'got').sort(), got[0].twice, threading.pending())
        """
    )
    assert lines == ["5 false null", "200 [0,1,2,3] 8 1"]


def test_time_outs_of_threads(logged: Any) -> None:
    lines = logged(
        """
        var t = threading.Thread(function() { threading.currentThread().peekMessage(); return 1 })
        Log(t.join(-1), t.join(1), threading.Event().wait(1), t.peekMessage(-1))
        t.postMessage(1)
        Log(t.join().ret)
        t = threading.Thread(function() { throw new Error('lost') })
        Log(t.join().ret)
        """
    )
    assert lines[:2] == ["null null false null", "1"]
    assert lines[-1] == "null"
    assert any("lost" in line for line in lines[2:-1])


def test_conditions_hand_over(logged: Any) -> None:
    lines = logged(
        """
        var c = threading.Condition(), d = threading.Dict(); d.set('ready', false)
        var t = threading.Thread(function(c, d) {
          c.acquire()
          while (!d.get('ready')) c.wait()
          c.release()
          return 'woken'
        }, c, d)
        c.acquire(); d.set('ready', true); c.notifyAll(); c.release()
        Log(t.join().ret)
        try { c.wait() } catch (e) { Log(e.message) }
        """
    )
    assert lines == [
        "woken",
        "wait on a condition whose lock this thread does not hold",
    ]


def test_terminate_cuts_waits_short_and_no_further_call_is_made(logged: Any) -> None:
    lines = logged(
        """
        var dict = threading.Dict(), lock = threading.Lock(), condition = threading.Condition(), event = threading.Event()
        lock.acquire()
        var waits = [
            function() { Sleep(3600000) }, function() { threading.currentThread().peekMessage() }, function(lock) { lock.acquire() },
            function(lock, event) { event.wait() }, function(lock, event, condition) { condition.acquire(); condition.wait() },
            function() { threading.mainThread().join() }, function() { threading.currentThread().eventLoop() },
            function() { while (true) IsVirtual() },
        ]
        _.each(waits, function(wait) {
            var began = threading.Event()
            var t = threading.Thread(function(wait, dict, began, lock, event, condition) {
                began.set()
                try { wait(lock, event, condition) } finally { dict.set('after', 1) }
            }, wait, dict, began, lock, event, condition)
            began.wait()
            var same = threading.getThread(t.id())
            t.terminate()
            try { t.join() } catch (e) { Log(e.message.replace(/[0-9]+/, 'n')) }
        })
        while (threading.pending() > 1) Sleep(0)
        Log(dict.get('after'), threading.pending())
        try { threading.mainThread().terminate() } catch (e) { Log(e.message) }
        """
    )
    assert lines == ["there is no thread n any more"] * 8 + ["null 1", "the main thread cannot be terminated"]


def test_threads_end_with_main(load: Any, runtime: Any) -> None:
    program = load(
        """
        function main() {
            var began = threading.Event()
            threading.Thread(function(began) { began.set(); Sleep(3600000); Log('after') }, began)
            began.wait()
        }
        """
    )
    program.call("main")
    wait_until_ended()
    assert runtime.journal.lines() == []


def wait_until_ended() -> None:
    """Waits for the end of the threads that strategies started."""
    for thread in threading.enumerate():
        if thread.name == "fmzthreads script start":
            thread.join(60)
            assert not thread.is_alive()


def test_messages_are_events(logged: Any) -> None:
    lines = logged(
        """
        EventLoop(-1)
        var t = threading.Thread(function() {
            var own = threading.currentThread()
            var event = own.eventLoop()
            threading.mainThread().postMessage([event.Event, event.ThreadId, own.peekMessage(-1), own.eventLoop(-1)])
        })
        t.postMessage('hello')
        var event = EventLoop()
        Log(event.Event, event.ThreadId, threading.currentThread().peekMessage(-1), t.id(), EventLoop(-1))
        """
    )
    assert lines == ['thread 0 ["thread",1,"hello",null] 1 null']


def test_exchanges_connections_bytes_and_dates_are_handed_over(logged: Any) -> None:
    class Connection:
        def read(self, timeout_ms: Any = None) -> str:
            return "read"

        def write(self, data: Any) -> int:
            return len(data)

    class Named:
        def GetName(self) -> str:
            return "second"

    lines = logged(
        """
        var c = Dial('tcp://x')
        var t = threading.Thread(function(e, c, bytes, view, date, made) {
            return [e === exchanges[1], e.GetName(), c.read(), c.write('abc'), bytes.byteLength, new Uint8Array(view)[0], date, Dial('tcp://y')]
        }, exchanges[1], c, new Uint8Array([1, 2]).buffer, new Uint8Array([255]), new Date(0))
        var r = t.join().ret
        Log(r.slice(0, 7), r[7].read())
        """,
        exchanges=(Named(), Named()),
        api={"Dial": lambda address: Connection()},
    )
    assert lines == ['[true,"second","read",3,2,255,"1970-01-01T00:00:00.000Z"] read']


def test_a_backtest_runs_one_thread_after_the_other(load: Any) -> None:
    said: list[Any] = []
    program = load(
        """
        function main() {
            var lock = threading.Lock(), t
            t = threading.Thread(function(lock) {
                Say('first'); Sleep(5); lock.acquire()
                return [threading.currentThread().peekMessage(), threading.currentThread().eventLoop(), threading.Event().wait(1000), threading.pending()]
            }, lock)
            Say('second'); Say(JSON.stringify(t.join().ret))
            threading.Thread(function(lock) { lock.acquire() }, lock)
        }
        """,
        api={"Say": said.append, "Sleep": lambda ms: said.append(ms), "LogError": said.append},
        virtual=True,
    )
    program.call("main")
    assert said[:4] == ["first", 5, "second", "[null,null,false,2]"]
    assert said[4].startswith(
        "Thread-2: Error: the lock is held, and a backtest runs one thread after the other: no thread would release it"
    )


def test_the_old_names_work_by_numbers(logged: Any) -> None:
    lines = logged(
        """
        var id = __Thread(function(a) { __threadSetData(__threadId(), 'k', a); __threadPostMessage(0, __threadPeekMessage()); return a + 1 }, 1)
        __threadPostMessage(id, 'm'); Log(__threadPeekMessage(), __threadGetData(id, 'k'))
        Log(__threadJoin(id).ret, __threadPending(), __threadId())
        id = __Thread(function() { Sleep(3600000) }); __threadTerminate(id)
        try { __threadJoin(id) } catch (e) { Log(e.message) }
        """
    )
    assert lines == ["m 1", "2 1 0", "there is no thread 2"]
