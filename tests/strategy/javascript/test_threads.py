"""FMZ's threading objects in JavaScript."""

from __future__ import annotations

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
        try { threading.Serve('http://:0', function() {}) } catch (e) { Log(e.message) }
        try { threading.currentThread().eventLoop(1) } catch (e) { Log(e.message) }
        """
    )
    assert lines == [
        "woken",
        "wait on a condition whose lock this thread does not hold",
        "threading.Serve: FMZ has it; fmzthreads does not have it yet",
        "eventLoop of a thread: FMZ has it; fmzthreads does not have it yet; wait with peekMessage, or EventLoop in main",
    ]
