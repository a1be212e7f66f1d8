"""Requests from a socket: whole, in pieces, malformed, too large, too slow; held against h11."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fmzthreads.serve.request_reader import BadRequest, ReceivedRequest, RequestHead, RequestLimits, RequestReader

LIMITS = RequestLimits(idle_s=30.0, request_s=30.0, most_head=2_000, most_body=1_000)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def read(pair: tuple[socket.socket, socket.socket], *pieces: bytes, limits: RequestLimits = LIMITS) -> ReceivedRequest:
    """Sends pieces and the end, and reads one request."""
    client, server = pair
    for piece in pieces:
        client.sendall(piece)
    client.shutdown(socket.SHUT_WR)
    reader = RequestReader(server, limits)
    assert reader.wait()
    return reader.read()


def test_a_request_and_what_comes_after_it(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"POST /a?b=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 3\r\n\r\nabcrest")
    reader = RequestReader(server, LIMITS)
    assert reader.wait()
    request = reader.read()
    assert (request.body, request.head.method, request.head.target, request.head.minor) == (b"abc", "POST", "/a?b=1", 1)
    assert (request.head.header("X-a"), request.head.header("none"), request.head.keep) == ("1, 2", None, True)
    assert reader.rest() == b"rest"
    assert reader.rest() == b""


def test_nothing_is_no_request(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    assert not RequestReader(server, RequestLimits(idle_s=0.0)).wait()
    client.shutdown(socket.SHUT_WR)
    assert not RequestReader(server, LIMITS).wait()


def test_chunks_with_extensions_and_trailers(pair: tuple[socket.socket, socket.socket]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read(pair, head + b"3;a=b\r\nabc\r\n", b"A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n").body == b"abc0123456789"


def test_a_client_that_asks_first_is_told_to_go_on(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    heads: list[RequestHead] = []

    def go_on(head: RequestHead) -> None:
        heads.append(head)
        client.sendall(b"ab")  # before it is asked: the socket holds it

    assert RequestReader(server, LIMITS, go_on).read().body == b"ab"
    assert heads
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET /\x01 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\na", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n" + b"a" * 500 + b"\r\n1f5\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 400 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5_000, 400),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 3_000, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 2_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_not_valid_is_refused_with_a_status(
    pair: tuple[socket.socket, socket.socket], data: bytes, status: int
) -> None:
    with pytest.raises(BadRequest) as caught:
        read(pair, data)
    assert int(caught.value.status[:3]) == status, str(caught.value)


def test_a_request_that_takes_too_long_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"GET / HTTP/1.1\r\n")
    reader = RequestReader(server, RequestLimits(idle_s=30.0, request_s=0.05))
    assert reader.wait()
    with pytest.raises(BadRequest, match=r"not complete within 0\.05 s"):
        reader.read()


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n",
        b"HEAD http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.0\r\n\r\n",
        b"PUT /%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n\x00\r\n\r\n\r\n0\r\n\r\n",
    ],
)
def test_it_reads_what_h11_reads(pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
    h11 = pytest.importorskip("h11")
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(data)
    request, body = theirs.next_event(), b""
    while not isinstance(event := theirs.next_event(), h11.EndOfMessage):
        body += event.data
    ours = read(pair, data)
    assert (ours.head.method.encode(), ours.head.target.encode(), ours.body) == (request.method, request.target, body)
    assert [(name.lower().encode(), value.encode()) for name, value in ours.head.fields] == list(request.headers)
