"""Heads of replies that are large, slow or contradictory: documented errors only, and no more work than bytes."""

import pytest

from fmzthreads.errors import BadReply, OperationFailed, ReplyTooLarge
from fmzthreads.http import reply_reader
from fmzthreads.http.client import HttpClient, HttpOptions, HttpRequest, Reply, RetryPolicy
from fmzthreads.http.reply_reader import ReplyLimits, ReplyReader
from tests.helpers.http_faults import FaultServer, Peer

ONCE = HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0))


def get(client: HttpClient) -> Reply:
    return client.call(lambda: HttpRequest("GET", f"{client.base}/x"), lambda reply: reply, idempotent=True)


def reader_of(*pieces: bytes) -> ReplyReader:
    left = list(pieces)
    return ReplyReader(lambda: left.pop(0) if left else b"", ReplyLimits(), "GET /x")


def test_a_connection_with_chunks_and_a_content_length_is_not_reused() -> None:
    """One of the two is a lie, and who believes the other sees the rest as the reply to the next request (RFC 9112, section 6.3)."""
    both = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(both)

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=ONCE)
        assert [get(client).text for _ in range(3)] == ["abc"] * 3
        assert server.connections == 3
        client.close()
    reply = reader_of(both).read("GET")
    assert (reply.body, reply.reusable) == (b"abc", False)
    assert reader_of(both.replace(b"Content-Length: 3\r\n", b"")).read("GET").reusable


def test_bytes_behind_a_reply_end_its_connection() -> None:
    reply = reader_of(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n").read("GET")
    assert (reply.body, reply.reusable) == (b"abc", False)


def test_a_head_that_comes_byte_by_byte_grows_in_place() -> None:
    head = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 60_000 + b"\r\nContent-Length: 2\r\n\r\n"
    looked: set[type] = set()
    find = reply_reader._head_end

    def watched(data: bytes | bytearray, start: int) -> tuple[int, int]:
        assert start >= len(data) - 4 or not looked  # what was seen before is not searched again
        looked.add(type(data))
        return find(data, start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_reader, "_head_end", watched)
        reply = reader_of(*(bytes([byte]) for byte in head + b"ok")).read("GET")
    assert (reply.body, len(reply.headers["x"])) == (b"ok", 60_000)
    assert looked == {bytes, bytearray}  # bytes only once: they would be copied with each piece


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * 1_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9," * 5_000 + b"8\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"9" * 5_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 " + b"2" * 5_000 + b" OK\r\n\r\n",
    ],
)
@pytest.mark.parametrize("piece", [1_000_000_000, 65_536, 1_000])
def test_oversized_and_malformed_heads_are_documented_errors(head: bytes, piece: int) -> None:
    pieces = [head[at : at + piece] for at in range(0, len(head), piece)]
    with pytest.raises((BadReply, ReplyTooLarge)) as caught:
        reader_of(*pieces).read("GET")
    assert len(str(caught.value)) <= 500


@pytest.mark.parametrize(
    "line",
    [
        "Keep-Alive: timeout=" + "9" * 5_000,
        "Keep-Alive: timeout=\xb2",
        "Keep-Alive: timeout= \xb3",
        "Retry-After: " + "9" * 5_000,
        "X-MBX-USED-WEIGHT-1M: " + "9" * 5_000,
        "Content-Type: application/json; charset=" + "x" * 5_000,
    ],
)
def test_headers_with_thousands_of_digits_are_read(line: str) -> None:
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.reply(b"{}", headers=line + "\r\n")

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=ONCE)
        for _ in range(2):
            assert get(client).status == 200
        client.close()


@pytest.mark.parametrize("seconds", [" 5", "5 ", "5"])
def test_the_server_s_keep_alive_is_kept(seconds: str) -> None:
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.reply(b"{}", headers=f"Keep-Alive: timeout={seconds}, max=100\r\n")

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=ONCE)
        get(client)
        connection = next(iter(client._here.owner.client._routes.values())).connection
        assert connection._keep_s == 4.0
        client.close()


def test_a_peer_that_drips_its_head_is_ended_by_the_deadline() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.trickle(b"HTTP/1.1 200 OK\r\nX: y")

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=ONCE)
        with pytest.raises(OperationFailed, match="timeout"):
            client.call(
                lambda: HttpRequest("GET", f"{client.base}/x"), lambda reply: reply, idempotent=False, timeout_ms=300
            )
        client.close()
