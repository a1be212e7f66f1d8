"""The server of a plugin: many calls at once, slow clients, keys, sizes, and the end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from fmzthreads import Exchange, errors
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.plugin.http_request import LIMITS
from fmzthreads.plugin.keys import AllowedKeys, read_key_file
from fmzthreads.plugin.server import PluginServer
from tests.helpers.plugins import Counting
from tests.helpers.ws_clients import wait_until


@pytest.fixture
def own() -> Counting:
    return Counting()


@pytest.fixture
def server(own: Counting) -> Iterator[PluginServer]:
    with PluginServer(own) as found:
        yield found


def connect(server: PluginServer) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    return found


def post(body: bytes | dict[str, Any], head: str = "", method: str = "POST") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"{method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n{head}\r\n".encode() + data


def read(connection: socket.socket) -> tuple[str, dict[str, Any]]:
    """The status line and the body of one reply."""
    with connection.makefile("rb") as file:
        status, length = file.readline().decode().strip(), 0
        while line := file.readline().strip():
            if line.lower().startswith(b"content-length"):
                length = int(line.partition(b":")[2])
        return status, json.loads(file.read(length)) if length else {}


TICKER = {"access_key": "a", "secret_key": "b", "nonce": 1, "method": "ticker", "params": {"symbol": "x"}}


def test_a_connection_serves_one_request_after_the_other_whatever_their_type_is(server: PluginServer) -> None:
    with connect(server) as connection:
        for head in ("Content-Type: text/plain\r\n", ""):
            connection.sendall(post(TICKER, head))
            assert read(connection) == ("HTTP/1.1 200 OK", {"data": {"last": 5.0, "buy": 4.5}})
        connection.sendall(post(TICKER, "Connection: close\r\n"))
        assert read(connection)[0] == "HTTP/1.1 200 OK"
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (post(b"x"), "200 OK", "not JSON"),
        (post(TICKER, method="GET"), "405", "called by POST"),
        (post(TICKER, "Origin: https://evil.example\r\n"), "403", "browsers"),
        (post(TICKER, "Sec-Fetch-Site: cross-site\r\n"), "403", "browsers"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411", "Content-Length"),
        (b"POST / HTTP/1.1\r\n\r\n", "411", "Content-Length"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "413", "larger than"),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 50 + b"\r\n\r\n", "413", "larger than"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400", "not a number"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400", "comes twice"),
        (b"POST / HTTP/1.1\r\nbad header\r\n\r\n", "400", "header line"),
        (b"hello\r\n\r\n", "400", "request line"),
        (b"POST / HTTP/1.1\r\nX: " + b"a" * 20_000, "431", "larger than"),
    ],
)
def test_a_request_that_is_malformed_or_too_large_is_refused(
    server: PluginServer, own: Counting, sent: bytes, status: str, words: str
) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        line, body = read(connection)
        assert status in line
        assert words in body["error"]
        assert own.seen == []
    with connect(server) as connection:
        connection.sendall(post(TICKER))
        assert read(connection)[0] == "HTTP/1.1 200 OK"


def test_slow_clients_and_slow_calls_hold_up_nobody(own: Counting) -> None:
    release, inside = threading.Event(), threading.Semaphore(0)

    class Slow(Counting):
        def GetDepth(self, symbol: str) -> Any:
            inside.release()
            assert release.wait(60)
            return {"asks": [], "bids": []}

    with PluginServer(Slow()) as server:
        half = [connect(server) for _ in range(20)]
        for connection in half:
            connection.sendall(post(TICKER)[:-5])
        slow = [connect(server) for _ in range(20)]
        for connection in slow:
            connection.sendall(post({**TICKER, "method": "depth"}))
        for _ in slow:
            assert inside.acquire(timeout=60)  # all of them run at once
        with connect(server) as connection:
            connection.sendall(post(TICKER))
            assert read(connection)[1]["data"]["last"] == 5.0
        release.set()
        for connection in slow:
            assert "data" in read(connection)[1]
        for connection in half:
            connection.sendall(post(TICKER)[-5:])
            assert "data" in read(connection)[1]
        for connection in (*half, *slow):
            connection.close()


def ask(connection: socket.socket) -> None:
    connection.sendall(post(TICKER))
    assert "data" in read(connection)[1]


def test_the_longest_idle_connection_makes_room(server: PluginServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.plugin.server._MOST_CONNECTIONS", 3)
    with contextlib.ExitStack() as opened:
        many: list[socket.socket] = []
        for _ in range(6):
            many.append(opened.enter_context(connect(server)))
            ask(many[-1])
            wait_until(lambda: all(not one.busy for one in server._open))
        for connection in many[:3]:
            assert connection.recv(1) == b""
        for connection in many[3:]:
            ask(connection)


def test_a_connection_that_has_not_asked_yet_does_not_make_room(
    server: PluginServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmzthreads.plugin.server._MOST_CONNECTIONS", 2)
    with connect(server) as new, connect(server) as idle:
        ask(idle)
        with connect(server) as newest:
            ask(newest)
            assert idle.recv(1) == b""
            ask(new)


def test_a_connection_that_never_asks_is_ended(server: PluginServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.plugin.server.LIMITS", attrs.evolve(LIMITS, request_s=0.2, idle_s=600.0))
    with connect(server) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("accepted", "access", "secret", "right"),
    [
        (["key-one", "key-two"], "key-two", "any", True),
        (["key-one"], "key-on", "any", False),
        (["key-one"], "", "", False),
        (["key-one s3cret"], "key-one", "s3cret", True),
        (["key-one s3cret"], "key-one", "other", False),
        (["key-one s3cret", "key-one other"], "key-one", "other", True),
        ([], "anything", "", True),
    ],
)
def test_only_accepted_keys_get_in(accepted: list[str], access: str, secret: str, right: bool, own: Counting) -> None:
    with PluginServer(own, keys=AllowedKeys(accepted)) as server, connect(server) as connection:
        connection.sendall(post({**TICKER, "access_key": access, "secret_key": secret}))
        body = read(connection)[1]
    assert ("data" in body) == right
    assert bool(own.seen) == right
    if not right:
        assert body["kind"] == "AuthenticationFailed"
        assert "key-one" not in body["error"]
    assert "key-one" not in repr(AllowedKeys(accepted))


def test_every_entry_is_compared_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared: list[bytes] = []
    honest = hmac.compare_digest

    def _compare(a: bytes, b: bytes) -> bool:
        compared.append(b)
        return honest(a, b)

    monkeypatch.setattr("fmzthreads.plugin.keys.hmac.compare_digest", _compare)
    keys = AllowedKeys(["one", "two", "three"])
    for access in ("one", "three", "none"):
        compared.clear()
        try:
            keys.check(Credentials(access_key=access, secret_key="x"))
        except errors.AuthenticationFailed:
            assert access == "none"
        assert len(compared) == 6


def test_without_keys_only_the_loopback_is_listened_on(own: Counting) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "example.com"):
        with pytest.raises(errors.InputError, match="--key"):
            PluginServer(own, host=host)
    with PluginServer(own, host="0.0.0.0", keys=AllowedKeys(["abcdef"])) as server:
        assert server.port
    with PluginServer(own) as server, pytest.raises(errors.InputError, match="cannot listen"):
        PluginServer(own, port=server.port).start()


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_key_file_is_private_and_has_entries(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# mine\nkey-one\n\nkey-two secret\n")
    path.chmod(0o644)
    with pytest.raises(errors.InputError, match="mode 0644"):
        read_key_file(str(path))
    path.chmod(0o600)
    assert read_key_file(str(path)) == ["key-one", "key-two secret"]
    path.write_text("# none\n")
    with pytest.raises(errors.InputError, match="no keys"):
        read_key_file(str(path))
    with pytest.raises(errors.InputError, match="cannot read"):
        read_key_file(str(tmp_path / "absent"))
    with pytest.raises(errors.InputError, match="an access key and its secret"):
        AllowedKeys(["a b c"])


def test_the_end_lets_running_calls_reply_and_ends_idle_connections() -> None:
    release, inside = threading.Event(), threading.Event()

    class Slow(Counting):
        def CreateOrder(self, symbol: str, side: str, price: float, amount: float) -> Any:
            inside.set()
            assert release.wait(60)
            return super().CreateOrder(symbol, side, price, amount)

    own = Slow()
    server = PluginServer(own).start()
    trade = {"symbol": "x", "type": "buy", "price": "1", "amount": "1"}
    with connect(server) as running, connect(server) as idle:
        idle.sendall(post(TICKER))
        assert "data" in read(idle)[1]  # the server has this connection, it does not only wait to be accepted
        running.sendall(post({**TICKER, "method": "trade", "params": trade}))
        assert inside.wait(60)
        stopping = threading.Thread(target=server.stop, args=(60,))
        stopping.start()
        assert idle.recv(1) == b""  # ended at once: the stop has begun
        release.set()
        assert read(running)[1] == {"data": {"id": "n-0"}}
        stopping.join(60)
        assert not stopping.is_alive()
    listener = server._listener
    assert listener is not None
    assert listener.fileno() == -1  # the port itself may be another program's by now


def test_what_comes_after_the_end_is_refused_and_not_done(server: PluginServer, own: Counting) -> None:
    with connect(server) as connection:
        connection.sendall(post(TICKER))
        assert "data" in read(connection)[1]
        with server._lock:
            assert server._lock.wait_for(lambda: not any(one.busy for one in server._open), 60)
        server._stopping.set()
        connection.sendall(post(TICKER))
        assert read(connection)[1] == {
            "error": "the plugin is being stopped; nothing was done",
            "kind": "VenueUnavailable",
        }
        assert connection.recv(1) == b""
    assert len(own.seen) == 1


def test_a_plugin_and_its_host_understand_each_other(server: PluginServer, own: Counting) -> None:
    with Exchange(
        "Exchange", "BTC_USDT", base=server.address, access_key="aaaa", secret_key="bbbb", errors="raise"
    ) as exchange:
        order = exchange.Buy(1, 2)
        assert order == "BTC_USDT,n-0"
        assert exchange.GetOrders()[0].Id == order
        assert exchange.CancelOrder(order)
        assert exchange.GetAssets()[0].FrozenAmount == 2.0
        own.error = errors.InsufficientFunds("not enough")
        with pytest.raises(errors.InsufficientFunds, match="the plugin replied: not enough"):
            exchange.Buy(1, 2)
        own.error = ValueError("an accident")
        with pytest.raises(errors.OutcomeUnknown, match="an accident"):
            exchange.Buy(1, 2)
        with pytest.raises(errors.VenueRejected, match="an accident"):
            exchange.GetTicker()
        assert [said[0] for said in own.seen].count("CreateOrder") == 3
