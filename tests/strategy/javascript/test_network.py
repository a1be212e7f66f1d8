"""Dial, HttpQuery and JSON in JavaScript."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fmzthreads.strategy.runtime import Runtime
from tests.helpers.ws_server import WsServer

pytest.importorskip("quickjs")


def test_every_way_to_read_a_connection(logged: Any, runtime: Runtime) -> None:
    got: list[bytes] = []

    def serve(server: WsServer) -> None:
        peer = server.peer()
        got.append(peer.read_message())
        peer.text("one", "two", "three", "four")
        peer.binary(bytes([0, 255, 7]))
        got.append(peer.read_message())  # the script has read the first five
        peer.text("old", "new")
        got.append(peer.read_message())
        peer.close()

    with WsServer() as server:
        script = threading.Thread(target=serve, args=(server,))
        script.start()
        lines = logged(
            f"""
            var c = Dial('{server.url}')
            Log(c.read(-1), c.read(-2), c.write('begin') > 0)
            Log(c.read(), c.read(0), c.read(5000), c.read(5000))
            var bytes = c.read()
            Log(bytes instanceof ArrayBuffer, new Uint8Array(bytes).join())
            c.write(new Uint8Array([1, 2]))
            var newest = null
            while (newest !== 'new') {{ newest = c.read(-2) || newest }}
            Log(newest, c.read(-1))
            c.write('end')
            Log(c.read() === '', c.write('x'))
            c.close()
            """
        )
        script.join(60)
    assert lines[0] == "null null true"
    assert lines[1] == "one two three four"
    assert lines[2] == "true 0,255,7"
    assert (lines[3], lines[-1]) == ("new null", "true 0")  # between them, the error lines of the loss
    assert got == [b"begin", b"\x01\x02", b"end"]


def test_a_connection_that_fails_is_null(logged: Any) -> None:
    with WsServer() as server:
        url = server.url
    assert logged(f"Log(Dial('{url}')); Log(typeof GetLastError())")[-2:] == ["null", "string"]


def test_json_keeps_the_digits_of_long_ids(logged: Any) -> None:
    lines = logged(
        """
        var text = '{"id": 12345678901234567890, "ids": [9007199254740993, -9007199254740993], "n": 1000000000000000000, "x": 1.5, "t": "1234567890123456789"}'
        var o = JSON.parse(text)
        Log(o.id, typeof o.id, o.ids, o.n === 1e18, o.x, typeof o.t)
        Log(JSON.parse(text, function(key, value) { return key === 'id' ? 'mine ' + value : value }).id)
        Log(JSON.stringify({a: [1, null]}), JSON.parse('[1]').length, JSON.parse('9007199254740993'), JSON.stringify(JSON.parse('{"a":1}'), null, 1).length)
        try { JSON.parse('{1234567890123456}') } catch (e) { Log(e instanceof SyntaxError) }
        """
    )
    assert lines == [
        '12345678901234567890 string ["9007199254740993","-9007199254740993"] true 1.5 string',
        "mine 12345678901234567890",
        '{"a":[1,null]} 1 9007199254740993 11',
        "true",
    ]


def test_waits_of_handles_say_late_failed_and_done(logged: Any) -> None:
    from fmzthreads.clock import WallClock
    from fmzthreads.tasks.handle import Handle

    released = threading.Event()
    handles: dict[str, Handle[Any]] = {
        "slow": Handle(released.wait, (60,), clock=WallClock()),
        "failed": Handle(lambda: None, (), clock=WallClock()),
    }
    handles["failed"].run()
    worker = threading.Thread(target=handles["slow"].run)
    worker.start()

    def take(name: str) -> Any:
        return handles[name]

    lines = logged(
        "var s = Take('slow'), f = Take('failed'); Log(s.wait(-1) === undefined, s.wait(1) === undefined, f.wait() === null); Release(); Log(s.wait())",
        api={"Take": take, "Release": released.set},
    )
    worker.join(60)
    assert lines == ["true true true", "true"]
