"""A server on the loopback: replies, limits, clients that hang, garbage, TLS, and its end."""

from __future__ import annotations

import contextvars
import gzip
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import InputError, StopRequested
from fmzthreads.serve.address import ServeAddress
from fmzthreads.serve.request_reader import RequestLimits
from fmzthreads.serve.server import LocalServer, ServeLimits

Serve = Callable[..., LocalServer]
_WAIT_S = 60.0


class Room:
    """What the servers of a test share."""

    def __init__(self) -> None:
        self.clock = WallClock()
        self.errors: list[BaseException] = []
        self.servers: list[LocalServer] = []

    def serve(self, handle: Callable[[Any], None], uri: str = "http://127.0.0.1:0", **limits: Any) -> LocalServer:
        server = LocalServer(
            ServeAddress.read(uri), handle, self.clock, failed=self.errors.append, limits=ServeLimits(**limits)
        )
        self.servers.append(server)
        return server


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    for server in room.servers:
        server.stop()
        assert server.join(_WAIT_S * 1000)


def connect(server: LocalServer) -> socket.socket:
    host, _, port = server.addr().rpartition(":")
    return socket.create_connection((host, int(port)), timeout=_WAIT_S)


def ask(server: LocalServer, method: str = "GET", path: str = "/", **more: Any) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(server.addr(), timeout=_WAIT_S)
    connection.request(method, path, **more)
    reply = connection.getresponse()
    found = reply.status, reply.read(), {name.lower(): value for name, value in reply.getheaders()}
    connection.close()
    return found


def raw(server: LocalServer, data: bytes) -> bytes:
    """Sends bytes and returns everything that comes back, until the end."""
    with connect(server) as client:
        client.sendall(data)
        got = b""
        while piece := client.recv(65_536):
            got += piece
        return got


def has_ended(client: socket.socket) -> bool:
    """Waits for the end of a connection; False when something else comes."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do."""
    until = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)


def test_a_handler_sees_the_request_and_writes_the_reply(room: Room) -> None:
    seen: list[Any] = []

    def handle(caller: Any) -> None:
        seen.extend(
            (caller.proto(), caller.host(), caller.path(), caller.raw_query(), caller.query("a"), caller.query("c"))
        )
        seen.extend(
            (caller.method(), caller.body(), caller.header("x-own"), caller.headers()["X-Own"], caller.header("none"))
        )
        seen.extend((caller.local_addr(), caller.remote_addr().rpartition(":")[0]))
        caller.set_status(404)
        caller.set_header("X-Reply", "é")
        assert caller.write("gr") + caller.write("ü") + caller.write({"a": [1]}) == 2 + 2 + 9
        caller.write(b"\xff")

    server = room.serve(handle)
    status, body, headers = ask(server, "POST", "/p%C3%A4th?a=1%202&b&a=3", body=b"b\xc3\xb6dy", headers={"X-Own": "v"})
    assert seen == ["HTTP/1.1", server.addr(), "/päth", "a=1%202&b&a=3", "1 2", "", "POST", "bödy", "v", "v", None, server.addr(), "127.0.0.1"]  # fmt: skip
    assert (status, body) == (404, "grü".encode() + b'{"a":[1]}\xff')
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["connection"] == "close"
    assert headers["x-reply"].encode("latin-1").decode() == "é"
    assert room.errors == []


def test_a_body_that_is_no_text_stays_bytes(room: Room) -> None:
    seen: list[Any] = []
    server = room.serve(lambda caller: seen.append(caller.body()))
    assert ask(server, "POST", body=b"\xff\x00")[0] == 200
    assert seen == [b"\xff\x00"]


def test_replies_without_a_body(room: Room) -> None:
    def handle(caller: Any) -> None:
        caller.set_status(204 if caller.path() == "/none" else 299)
        caller.write("text")

    server = room.serve(handle)
    assert raw(server, b"GET /none HTTP/1.0\r\n\r\n").endswith(b"Connection: close\r\n\r\n")
    head = raw(server, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 299 Status\r\n")
    assert head.endswith(b"Content-Length: 4\r\nConnection: close\r\n\r\n")


def test_a_failing_handler_is_an_error_line_and_a_500_without_its_text(room: Room) -> None:
    def handle(caller: Any) -> None:
        caller.write("half")
        raise ValueError("secret")

    server = room.serve(handle)
    assert ask(server)[:2] == (500, b"the handler failed\n")
    assert [str(error) for error in room.errors] == ["secret"]


@pytest.mark.parametrize(
    "call",
    [
        lambda caller: caller.set_status(99),
        lambda caller: caller.set_status("200"),
        lambda caller: caller.set_header("a b", "c"),
        lambda caller: caller.set_header("A", "b\r\nX: y"),
        lambda caller: caller.set_header("Content-Length", "1"),
        lambda caller: caller.upgrade("h2c"),
        lambda caller: caller.read(1),
        lambda caller: [caller.write("x" * 33_000_000) for _ in range(3)],
    ],
)
def test_wrong_uses_are_errors_of_the_handler(room: Room, call: Callable[[Any], Any]) -> None:
    server = room.serve(call)
    assert ask(server)[0] == 500
    assert [type(error) for error in room.errors] == [InputError]


def test_replies_are_compressed_for_those_who_take_it(room: Room) -> None:
    server = room.serve(lambda caller: caller.write("a" * 1000), "http://127.0.0.1:0?gzip=true")
    _, body, headers = ask(server, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == b"a" * 1000
    for value in ("identity", "gzip;q=0", "br"):
        assert ask(server, headers={"Accept-Encoding": value})[1] == b"a" * 1000


def test_garbage_gets_an_error_and_reaches_no_handler(room: Room) -> None:
    called: list[Any] = []
    server = room.serve(
        called.append, request=RequestLimits(idle_s=_WAIT_S, request_s=_WAIT_S, most_head=1_000, most_body=10)
    )
    assert raw(server, b"\x16\x03\x01 no http at all\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert raw(server, b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000).startswith(b"HTTP/1.1 431 ")
    assert raw(server, b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n" + b"a" * 20_000).startswith(b"HTTP/1.1 413 ")
    assert called == []
    assert server.pending() == 0


def test_a_client_that_sends_no_request_is_dropped_and_holds_up_nobody(room: Room) -> None:
    called: list[Any] = []
    server = room.serve(
        called.append, handlers=1, connections=8, request=RequestLimits(idle_s=_WAIT_S, request_s=_WAIT_S)
    )
    clients = [connect(server) for _ in range(20)]
    for client in clients[::2]:
        client.sendall(b"GET / HT")
    try:
        assert ask(server)[0] == 200
        assert has_ended(clients[0])  # the first one made room for those that came later
    finally:
        for client in clients:
            client.close()


def test_an_idle_connection_ends(room: Room) -> None:
    server = room.serve(lambda caller: None, request=RequestLimits(idle_s=0.05))
    with connect(server) as client:
        assert has_ended(client)


def test_a_client_that_does_not_read_its_reply_holds_up_nobody(room: Room) -> None:
    sent = threading.Event()

    def handle(caller: Any) -> None:
        if caller.path() == "/large":
            caller.write(b"x" * 50_000_000)
            sent.set()

    server = room.serve(handle, send_s=_WAIT_S)
    with connect(server) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sent.wait(_WAIT_S)
        assert ask(server)[0] == 200


def test_a_client_that_does_not_read_loses_its_reply_in_the_end(room: Room) -> None:
    server = room.serve(lambda caller: caller.write(b"x" * 50_000_000), send_s=0.05)
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.close()
        assert server.join(_WAIT_S * 1000)
        got = 0
        try:
            while piece := client.recv(1 << 20):
                got += len(piece)
        except ConnectionError:
            pass
        assert got < 50_000_000


def test_more_requests_than_handlers_get_503(room: Room) -> None:
    began, go_on = threading.Semaphore(0), threading.Event()

    def handle(caller: Any) -> None:
        began.release()
        go_on.wait(_WAIT_S)

    server = room.serve(handle, handlers=2)
    clients = [connect(server) for _ in range(2)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert began.acquire(timeout=_WAIT_S)
    assert server.pending() == 2
    assert ask(server)[0] == 503
    go_on.set()
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    wait_until(lambda: not server.pending())  # the places are free again
    assert ask(server)[0] == 200


def test_handlers_run_in_the_context_of_the_server(room: Room) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    variable.set("mine")
    server = room.serve(lambda caller: caller.write(variable.get()))
    assert ask(server)[1] == b"mine"


# TCP


def test_tcp_reads_texts_and_bytes_and_writes_at_once(room: Room) -> None:
    ended = threading.Event()

    def handle(caller: Any) -> None:
        assert (caller.proto(), caller.read(-1)) == ("tcp", None)
        caller.write("hello ")
        while (got := caller.read()) != "":
            caller.write(repr(got))
        assert caller.read() == ""
        ended.set()

    server = room.serve(handle, "tcp://127.0.0.1:0")
    with connect(server) as client:
        assert client.recv(6, socket.MSG_WAITALL) == b"hello "
        client.sendall("é".encode())
        assert client.recv(4, socket.MSG_WAITALL).decode() == "'é'"
        client.sendall(b"\xff")
        assert client.recv(7, socket.MSG_WAITALL) == rb"b'\xff'"
        client.shutdown(socket.SHUT_WR)
        assert ended.wait(_WAIT_S)
    assert room.errors == []


def test_tcp_beyond_the_handlers_is_dropped(room: Room) -> None:
    server = room.serve(lambda caller: (caller.write("in"), caller.read()), "tcp://127.0.0.1:0", handlers=1)
    with connect(server) as first:
        assert first.recv(2, socket.MSG_WAITALL) == b"in"
        with connect(server) as second:
            assert has_ended(second)
        assert server.pending() == 1


# The end


def test_close_lets_running_handlers_end_and_accepts_no_more(room: Room) -> None:
    began, go_on = threading.Event(), threading.Event()

    def handle(caller: Any) -> None:
        began.set()
        go_on.wait(_WAIT_S)
        caller.write("whole")

    server = room.serve(handle)
    with connect(server) as client, connect(server) as idle:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert began.wait(_WAIT_S)
        assert not server.join(-1)
        server.close()
        server.close()
        assert has_ended(idle)
        assert not server.join(1)
        with pytest.raises(OSError):
            connect(server)
        go_on.set()
        assert server.join()
        got = b""
        while piece := client.recv(1000):
            got += piece
        assert got.endswith(b"whole")


def test_stop_ends_handlers_and_loses_their_output(room: Room) -> None:
    began, killed = threading.Event(), threading.Event()

    def handle(caller: Any) -> None:
        caller.on_kill = killed.set
        caller.write("lost")
        began.set()
        killed.wait(_WAIT_S)

    server = room.serve(handle)
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert began.wait(_WAIT_S)
        server.stop()
        assert killed.is_set()
        assert has_ended(client)
    assert server.join(_WAIT_S * 1000)


def test_the_strategys_stop_ends_everything(room: Room) -> None:
    began = threading.Event()
    raised: list[BaseException] = []

    def handle(caller: Any) -> None:
        began.set()
        try:
            caller.read()
        except StopRequested as error:
            raised.append(error)
            raise

    server = room.serve(handle, "tcp://127.0.0.1:0")
    with connect(server) as client:
        assert began.wait(_WAIT_S)
        room.clock.stop.request("enough")
        assert has_ended(client)
    with pytest.raises(StopRequested):
        server.join()
    server._accepting.join(_WAIT_S)
    assert not server._accepting.is_alive()
    wait_until(lambda: bool(raised))
    assert room.errors == []
    room.clock.stop = type(room.clock.stop)()  # for the end of the test


def test_a_port_that_is_taken_is_named(room: Room) -> None:
    server = room.serve(lambda caller: None)
    with pytest.raises(InputError, match=f"cannot listen on {server.addr()}: Address already in use"):
        room.serve(lambda caller: None, f"http://{server.addr()}")
    with pytest.raises(InputError, match="cannot listen on"):
        room.serve(lambda caller: None, "http://no-such-host.invalid:0")


# TLS


def test_tls_with_a_certificate_of_ones_own(room: Room) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    options = urlencode({
        "tls": "true",
        "cert_pem": b"".join(blob.bytes() for blob in made.cert_chain_pems),
        "cert_key_pem": made.private_key_pem.bytes(),
    })  # fmt: skip
    server = room.serve(lambda caller: caller.write("safe"), f"http://127.0.0.1:0?{options}")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = http.client.HTTPSConnection(server.addr(), timeout=_WAIT_S, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"safe"
    connection.close()
    with connect(server) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with suppress(ConnectionError):
            assert b"HTTP/1.1 200" not in plain.recv(1_000)
    assert room.errors == []
