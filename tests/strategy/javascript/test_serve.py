"""``threading.Serve`` and ``__Serve``: handlers in contexts of their own, with clients in the same strategy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import StopRequested
from fmzthreads.strategy.runtime import Runtime, use
from fmzthreads.strategy.store import Store

pytest.importorskip("quickjs")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A runtime of real time, since HTTP needs it."""
    runtime = Runtime(WallClock(), console=False, store=Store(), name="js", database=tmp_path / "js.db")
    with use(runtime):
        yield runtime
    runtime.stop.request()
    runtime.close()


Logged = Callable[..., list[str]]


def test_a_handler_has_the_request_its_arguments_and_nothing_else(logged: Logged) -> None:
    lines = logged(
        """
        var outer = 1, dict = threading.Dict()
        var server = threading.Serve('http://127.0.0.1:0', function(ctx, dict, more) {
            dict.set('seen', [ctx.method(), ctx.path(), ctx.query('q'), ctx.rawQuery(), ctx.body(), ctx.header('x-a'), ctx.header('none') === undefined,
                ctx.headers()['X-A'], ctx.proto(), ctx.remoteAddr().indexOf('127.0.0.1:'), typeof outer, more.a, threading.currentThread().id() > 0])
            dict.set('host', [ctx.host(), ctx.localAddr()])
            ctx.setStatus(202); ctx.setHeader('X-B', 'b')
            ctx.write('half '); ctx.write({whole: true}); ctx.write(new Uint8Array([33]).buffer)
        }, dict, {a: 5})
        var r = HttpQuery('http://' + server.addr() + '/p?q=1&r', {method: 'POST', body: 'text', headers: {'X-A': 'v'}, debug: true})
        Log(r.StatusCode, r.Header['X-B'], r.Body, dict.get('seen'), _.uniq(dict.get('host'))[0] === server.addr())
        """
    )
    seen = '["POST","/p","1","q=1&r","text","v",true,"v","HTTP/1.1",0,"undefined",5,true]'
    assert lines == [f'202 ["b"] half {{"whole":true}}! {seen} true']


def test_a_websocket_of_a_handler(logged: Logged) -> None:
    lines = logged(
        """
        var server = threading.Serve('http://127.0.0.1:0', function(ctx) {
            if (!ctx.upgrade('websocket')) return ctx.write('plain')
            var message
            while ((message = ctx.read()) !== '') ctx.write(typeof message === 'string' ? 'got ' + message : message)
        })
        var ws = Dial('ws://' + server.addr())
        ws.write('é'); Log(ws.read()); ws.write(new Uint8Array([255, 1])); Log(new Uint8Array(ws.read()).length)
        Log(server.pending(), HttpQuery('http://' + server.addr()))
        ws.close(); server.close(); Log(server.join())
        """
    )
    assert [line for line in lines if not line.startswith("ws://")] == ["got é", "2", "1 plain", "true"]


def test_the_old_name_returns_the_address_and_serves_tcp(logged: Logged) -> None:
    lines = logged(
        """
        var address = __Serve('tcp://127.0.0.1:0', function(ctx) { var m; while ((m = ctx.read())) ctx.write(m.toUpperCase()) })
        var socket = Dial('tcp://' + address)
        socket.write('abc'); Log(typeof address, socket.read())
        """
    )
    assert "string ABC" in lines  # the loss of the connection may be told as well


def test_errors_of_handlers_and_of_the_call(logged: Logged) -> None:
    lines = logged(
        """
        var server = threading.Serve('http://127.0.0.1:0', function(ctx) { ctx.write('lost'); null.x })
        Log(HttpQuery('http://' + server.addr(), {debug: true}).StatusCode)
        try { threading.Serve('http://' + server.addr(), function() {}) } catch (e) { Log(e.message.replace(server.addr(), 'it')) }
        try { threading.Serve('ws://127.0.0.1:1', function() {}) } catch (e) { Log(e.message) }
        try { threading.Serve('http://127.0.0.1:0') } catch (e) { Log(e.message) }
        try { threading.Serve() } catch (e) { Log(e.message) }
        """
    )
    assert lines[0].startswith("TypeError: cannot read property 'x' of null")
    assert lines[1:] == [
        "500",
        "cannot listen on it: Address already in use",
        "cannot serve 'ws://127.0.0.1:1': expected http:// or tcp://",
        "threading.Serve needs a function as its handler",
        "threading.Serve needs a function as its handler",
    ]


def test_stop_ends_a_handler_at_its_next_call(logged: Logged) -> None:
    lines = logged(
        """
        var dict = threading.Dict(), began = threading.Event(), server = threading.Serve('http://127.0.0.1:0', function(ctx, dict, began) {
            began.set()
            try { Sleep(3600000) } catch (e) { dict.set('after', 1) }
            dict.set('after', 1)
        }, dict, began)
        var reply = Dial('tcp://' + server.addr()); reply.write('GET / HTTP/1.0\\r\\n\\r\\n')
        began.wait(); server.stop(); Log(server.join(), dict.get('after'), JSON.stringify(reply.read()))
        """
    )
    assert 'true null ""' in lines


def test_a_server_ends_with_main(load: Any, runtime: Runtime) -> None:
    program = load(
        """
        function main() {
            var began = threading.Event()
            var server = threading.Serve('http://127.0.0.1:0', function(ctx, began) { began.set(); Sleep(3600000) }, began)
            _G('addr', server.addr())
            var client = Dial('tcp://' + server.addr()); client.write('GET / HTTP/1.0\\r\\n\\r\\n'); began.wait()
        }
        function onexit() { Log(Dial('tcp://' + _G('addr')) === null) }
        """
    )
    program.call("main")
    program.call("onexit")
    assert "true" in [line.text for line in runtime.journal.lines()]
    assert not [thread for thread in threading.enumerate() if thread.name == "fmzthreads serve"]


def test_the_strategys_stop_ends_its_server(load: Any, runtime: Runtime) -> None:
    waiting = threading.Event()
    program = load(
        """
        function main() {
            var server = threading.Serve('tcp://127.0.0.1:0', function(ctx) { ctx.read() })
            var client = Dial('tcp://' + server.addr())
            Waiting(); server.join()
        }
        """,
        api={"Waiting": waiting.set},
    )
    failed: list[BaseException] = []

    def run() -> None:
        try:
            program.call("main")
        except StopRequested as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(60)
    runtime.stop.request("enough")
    thread.join(60)
    assert [str(error) for error in failed] == ["enough"]


def test_a_backtest_has_no_network(load: Any) -> None:
    errors: list[str] = []
    program = load(
        "function main() { Done(threading.Serve('http://127.0.0.1:0', function() {}), __Serve('tcp://127.0.0.1:0', function() {})) }",
        api={"LogError": errors.append, "Done": lambda *args: errors.append(repr(args))},
        virtual=True,
    )
    program.call("main")
    assert errors == ["sandbox not support threading.Serve"] * 2 + ["(None, None)"]
