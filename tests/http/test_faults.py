"""What a broken, slow or hostile peer does to a call; and that an order is never sent twice."""

from __future__ import annotations

import contextlib
import gzip
import signal
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import trustme

from fmzthreads.clock import ManualClock
from fmzthreads.errors import (
    BadReply,
    ConnectFailed,
    ConnectionLost,
    FmzError,
    NetworkError,
    ReplyTooLarge,
    TimedOut,
)
from fmzthreads.http.client import HttpClient, HttpOptions, HttpRequest, Reply, RetryPolicy

from ..helpers.http_faults import FaultServer, Peer, Script, answering, no_name_service
from ..helpers.threads import run_in_thread

SECRET = "s3cr3tsignature"
HANGS_S = 60.0  # far above what any test takes
# For calls that must fail; one that must succeed is given PATIENT.
SHORT = HttpOptions(timeout_ms=300, max_reply_bytes=100_000, retry=RetryPolicy(retries=2, first_delay_s=0.001))
PATIENT = attrs.evolve(SHORT, timeout_ms=60_000, read_timeout_ms=60_000)
# With a clock that is turned by hand: of real time only the silence of a peer counts.
BY_HAND = attrs.evolve(PATIENT, read_timeout_ms=200, retry=RetryPolicy(retries=2, first_delay_s=0))


def read(client: HttpClient) -> Reply:
    headers = {"X-Key": SECRET, "Authorization": SECRET}
    build = lambda: HttpRequest("GET", f"{client.base}/x?signature={SECRET}", headers)  # noqa: E731
    return client.call(build, lambda r: r, idempotent=True)


def order(client: HttpClient, timeout_ms: float | None = None) -> Reply:
    headers = {"X-Key": SECRET, "Authorization": SECRET}
    build = lambda: HttpRequest("POST", f"{client.base}/order?signature={SECRET}", headers, SECRET.encode())  # noqa: E731
    return client.call(build, lambda r: r, idempotent=False, timeout_ms=timeout_ms)


def failure(call: Callable[[], Any]) -> FmzError:
    """The error of a call that must fail soon, and hold no secrets anywhere in its chain."""
    started = time.perf_counter()
    with pytest.raises(FmzError) as caught:
        call()
    assert time.perf_counter() - started < HANGS_S
    link: BaseException | None = caught.value
    while link is not None:
        assert SECRET not in str(link) + repr(link) + repr(link.args)
        assert SECRET not in str(getattr(link, "request", ""))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return caught.value


def after_request(data: bytes, *, then: Callable[[Peer], None] | None = None) -> Script:
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(data)
            if then is not None:
                then(peer)
                return

    return script


def gone(peer: Peer) -> None:
    """Closes in an orderly way."""


HEAD = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(b"0" * 50_000_000)
SMALL = gzip.compress(b"hello")
_bare = zlib.compressobj(wbits=-15)
BARE = _bare.compress(b"hello") + _bare.flush()  # zlib.compress takes no wbits before Python 3.11


def sized(body: bytes, extra: bytes = b"") -> bytes:
    return HEAD + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


FAULTS: dict[str, tuple[Script, type[FmzError]]] = {
    "closes without a word": (after_request(b"", then=gone), ConnectionLost),
    "resets": (after_request(b"", then=Peer.reset), ConnectionLost),
    "says nothing": (after_request(b"", then=Peer.hang), TimedOut),
    "cut in the status line": (after_request(b"HTTP/1.1 20", then=gone), ConnectionLost),
    "cut in the headers": (after_request(HEAD + b"Content-Len", then=gone), ConnectionLost),
    "cut by Content-Length": (after_request(HEAD + b"Content-Length: 10\r\n\r\n12345", then=gone), ConnectionLost),
    "reset in the body": (after_request(HEAD + b"Content-Length: 10\r\n\r\n12345", then=Peer.reset), ConnectionLost),
    "silent in the body": (after_request(HEAD + b"Content-Length: 10\r\n\r\n12345", then=Peer.hang), TimedOut),
    "cut in a chunk": (after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\na\r\n123", then=gone), ConnectionLost),
    "cut between chunks": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n", then=gone),
        ConnectionLost,
    ),
    "cut before the last line": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\n", then=gone),
        ConnectionLost,
    ),
    "chunk longer than it says": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n12345\r\n0\r\n\r\n", then=Peer.hang),
        BadReply,
    ),
    "chunk without a size": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", then=Peer.hang),
        BadReply,
    ),
    "chunk with a negative size": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", then=Peer.hang),
        BadReply,
    ),
    "endless chunk line": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 10_000, then=Peer.hang),
        BadReply,
    ),
    "not HTTP": (after_request(b"SSH-2.0-OpenSSH\r\n", then=Peer.hang), BadReply),
    "HTTP of another kind": (after_request(b"HTTP/2 200 OK\r\n\r\n", then=Peer.hang), BadReply),
    "a status that is none": (after_request(b"HTTP/1.1 abc OK\r\n\r\n", then=Peer.hang), BadReply),
    "a header line without colon": (after_request(HEAD + b"oops\r\n\r\n", then=Peer.hang), BadReply),
    "two lengths": (
        after_request(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", then=Peer.hang),
        BadReply,
    ),
    "a negative length": (after_request(HEAD + b"Content-Length: -1\r\n\r\n", then=Peer.hang), BadReply),
    "a length that is text": (after_request(HEAD + b"Content-Length: ten\r\n\r\n", then=Peer.hang), BadReply),
    "an unknown transfer": (after_request(HEAD + b"Transfer-Encoding: gzip\r\n\r\n", then=Peer.hang), BadReply),
    "cut gzip": (after_request(sized(SMALL[:-9], b"Content-Encoding: gzip\r\n")), BadReply),
    "damaged gzip": (after_request(sized(b"\x1f\x8bxxxxxxxxxxxx", b"Content-Encoding: gzip\r\n")), BadReply),
    "a gzip bomb": (after_request(sized(BOMB, b"Content-Encoding: gzip\r\n")), ReplyTooLarge),
    "a bomb in a bomb": (
        after_request(sized(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip\r\n")),
        ReplyTooLarge,
    ),
    "too long by its length": (after_request(HEAD + b"Content-Length: 100001\r\n\r\n", then=Peer.hang), ReplyTooLarge),
    "too long by its end": (after_request(HEAD + b"\r\n" + b"x" * 200_000, then=Peer.hang), ReplyTooLarge),
    "too long by its chunks": (
        after_request(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"c350\r\n" + b"x" * 50_000 + b"\r\n") * 3, then=Peer.hang
        ),
        ReplyTooLarge,
    ),
    "too many header bytes": (after_request(HEAD + b"A: " + b"x" * 100_000, then=Peer.hang), ReplyTooLarge),
    "too many header lines": (after_request(HEAD + b"A: b\r\n" * 1000 + b"\r\n", then=Peer.hang), ReplyTooLarge),
    "too many trailers": (
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: bcd\r\n" * 20_000, then=Peer.hang),
        ReplyTooLarge,
    ),
    "endless interim replies": (after_request(b"HTTP/1.1 102 Processing\r\n\r\n" * 100, then=Peer.hang), BadReply),
    "another protocol": (after_request(b"HTTP/1.1 101 Switching\r\n\r\n", then=Peer.hang), BadReply),
    "trickles the headers": (lambda peer: (peer.request(), peer.trickle(HEAD + b"A: x"))[1], TimedOut),
    "trickles the body": (
        lambda peer: (peer.request(), peer.trickle(HEAD + b"Content-Length: 9999\r\n\r\nx"))[1],
        TimedOut,
    ),
    "trickles chunks": (
        lambda peer: (peer.request(), peer.trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n270f\r\nx"))[1],
        TimedOut,
    ),
    "trickles gzip": (
        lambda peer: (
            peer.request(),
            peer.trickle(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n\x1f"),
        )[1],
        TimedOut,
    ),
    "trickles to its end": (lambda peer: (peer.request(), peer.trickle(HEAD + b"\r\nx"))[1], TimedOut),
}


def failing(call: Callable[[HttpClient], Any], client: HttpClient, server: FaultServer, clock: ManualClock) -> FmzError:
    """The error of a call whose time is up as soon as the server has received the request."""
    server.arrived.clear()
    late = run_in_thread(lambda: server.arrived.wait(HANGS_S) and clock.advance(61))
    error = failure(lambda: call(client))
    late.result()
    return error


@pytest.mark.parametrize("fault", FAULTS)
def test_an_order_is_sent_once_and_a_read_fails_in_time(fault: str) -> None:
    script, expected = FAULTS[fault]
    clock = ManualClock()
    with FaultServer(script) as server:
        if expected is TimedOut:
            client = HttpClient(server.base, clock=clock, options=BY_HAND)
        else:
            client = HttpClient(server.base, options=PATIENT)
        error = failing(order, client, server, clock)
        assert type(error) is expected
        assert error.request == f"POST {server.base}/order"
        assert [seen.method for seen in server.seen] == ["POST"]
        assert type(failing(read, client, server, clock)) is expected
        # Whatever went wrong, each attempt had a connection of its own: none was used again.
        assert server.connections == len(server.seen)
        client.close()


def test_an_order_on_a_kept_connection_that_dies_is_sent_once() -> None:
    """The trap of keep-alive: the peer gives up the connection just when the order is on its way."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.reply(b"[]")
        peer.request()  # received, perhaps executed; no reply

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=PATIENT)
        read(client)
        assert type(failure(lambda: order(client))) is ConnectionLost
        client.close()
        assert [seen.method for seen in server.seen] == ["GET", "POST"]


@pytest.mark.parametrize("end", ["close", "half", "reset", "talk"])
def test_a_dead_kept_connection_is_found_before_anything_is_written(end: str) -> None:
    ended = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        if peer.number % 2 == 0:
            answering(b"2")(peer)
            return
        peer.request()
        peer.reply(b"1")
        if end == "half":
            peer.sock.shutdown(socket.SHUT_WR)
        elif end == "reset":
            peer.reset()
        elif end == "talk":
            peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        else:
            peer.sock.close()
        ended.release()
        if end in {"half", "talk"}:
            with contextlib.suppress(OSError):
                assert peer.request() is None, "something was written on the dead connection"

    with FaultServer(script) as server:
        for turn in range(1, 21):
            client = HttpClient(server.base, options=PATIENT)
            assert read(client).text == "1"
            assert ended.acquire(timeout=60)
            assert order(client).text == "2"
            client.close()
            assert len(server.seen) == 2 * turn


def test_a_connection_idle_for_too_long_is_not_used_again() -> None:
    clock = ManualClock()
    with FaultServer(answering(b"1", headers="Keep-Alive: timeout=5, max=100\r\n")) as server:
        client = HttpClient(server.base, clock=clock)
        read(client)
        clock.advance(3.9)
        read(client)
        assert server.connections == 1
        clock.advance(4.1)
        read(client)
        assert server.connections == 2
        client.close()


def test_bytes_beyond_the_reply_end_the_connection() -> None:
    with FaultServer(after_request(sized(b"1") + sized(b"2"))) as server:
        client = HttpClient(server.base, options=PATIENT)
        assert [order(client).text, order(client).text] == ["1", "1"]
        client.close()
        assert server.connections == 2


def test_a_chunked_reply_with_a_length_beside_it_ends_the_connection() -> None:
    both = HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\n1\r\n0\r\n\r\n"
    with FaultServer(after_request(both)) as server:
        client = HttpClient(server.base, options=PATIENT)
        assert [order(client).text, order(client).text] == ["1", "1"]
        client.close()
        assert server.connections == 2


def test_refused_is_known_to_be_unsent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = HttpClient(f"http://127.0.0.1:{port}", options=PATIENT)
    assert type(failure(lambda: order(client))) is ConnectFailed
    assert type(failure(lambda: read(client))) is ConnectFailed


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose queue of connections is full: a further one gets no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = []
        try:
            for _ in range(8):
                filler = socket.socket()
                fillers.append(filler)
                filler.setblocking(False)
                filler.connect_ex(address)
            yield address[1]
        finally:
            for filler in fillers:
                filler.close()


def test_a_connect_that_hangs_ends_in_time_and_is_known_to_be_unsent() -> None:
    with full_backlog() as port:
        client = HttpClient(f"http://127.0.0.1:{port}", options=SHORT)
        error = failure(lambda: order(client))
        assert type(error) is ConnectFailed
        assert "timeout" in str(error)
        assert type(failure(client.warm)) is ConnectFailed


def test_a_stop_ends_a_connect_that_hangs() -> None:
    from fmzthreads.clock import WallClock
    from fmzthreads.errors import StopRequested

    clock = WallClock()
    with full_backlog() as port:
        client = HttpClient(
            f"http://127.0.0.1:{port}", clock=clock, options=HttpOptions(timeout_ms=60_000, connect_timeout_ms=60_000)
        )
        caught: list[BaseException] = []
        begun = threading.Event()

        def work() -> None:
            build = lambda: (begun.set(), HttpRequest("POST", client.base, {}, b""))[1]  # noqa: E731
            try:
                client.call(build, lambda r: r, idempotent=False)
            except FmzError as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(60)
        clock.stop.request("enough")
        thread.join(HANGS_S)
        assert not thread.is_alive()
        assert type(caught[0]) is StopRequested


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    no_name_service(monkeypatch)
    client = HttpClient("http://nowhere.invalid", options=SHORT)
    assert type(failure(lambda: order(client))) is ConnectFailed


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: go.wait(HANGS_S) and [])
    client = HttpClient("http://slow.example", options=SHORT)
    error = failure(lambda: order(client))
    go.set()
    assert type(error) is ConnectFailed
    assert "timeout" in str(error)
    for thread in threading.enumerate():
        if thread.name.startswith("resolve"):
            thread.join(60)


def test_nothing_was_sent_when_the_first_write_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(answering(b"1")) as server:
        client = HttpClient(server.base, options=PATIENT)
        client.warm()
        monkeypatch.setattr(
            "fmzthreads.http.connection.HttpConnection.is_alive",
            lambda self: self._stream._socket.shutdown(socket.SHUT_WR) or True,
        )
        assert type(failure(lambda: order(client))) is ConnectFailed
        client.close()
        assert server.seen == []


def test_a_request_that_the_peer_does_not_take_times_out() -> None:
    def script(peer: Peer) -> None:
        peer.server.closing.wait(HANGS_S)

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=BY_HAND)
        build = lambda: HttpRequest("POST", server.base, {}, b"x" * 10_000_000)  # noqa: E731
        error = failure(lambda: client.call(build, lambda r: r, idempotent=False))
        assert type(error) is TimedOut
        client.close()


def test_a_silence_longer_than_the_read_time_out() -> None:
    with FaultServer(after_request(HEAD + b"Content-Length: 9\r\n\r\n1", then=Peer.hang)) as server:
        client = HttpClient(server.base, options=HttpOptions(timeout_ms=60_000, read_timeout_ms=100))
        assert type(failure(lambda: order(client))) is TimedOut
        client.close()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"hello")),
        ("x-gzip", gzip.compress(b"hel") + gzip.compress(b"lo")),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", BARE),
        ("identity", b"hello"),
        ("gzip, deflate", zlib.compress(gzip.compress(b"hello"))),
    ],
    ids=["gzip", "two members", "zlib", "bare deflate", "identity", "twice"],
)
def test_compressed_replies(encoding: str, packed: bytes) -> None:
    with FaultServer(after_request(sized(packed, f"Content-Encoding: {encoding}\r\n".encode()))) as server:
        client = HttpClient(server.base, options=PATIENT)
        assert order(client).body == b"hello"
        assert client.session().get(server.base, timeout=60).content == b"hello"
        client.close()
        assert server.connections == 1


@pytest.mark.parametrize("word", ["utf-8", "UTF-8", "none", "binary", "identity", "", "gzip, utf-8"])
def test_a_coding_that_names_no_compression_changes_nothing(word: str) -> None:
    body = SMALL if "gzip" in word else b"hello"
    with FaultServer(after_request(sized(body, f"Content-Encoding: {word}\r\n".encode()))) as server:
        client = HttpClient(server.base, options=PATIENT)
        reply = order(client)
        assert (reply.body, reply.coding) == (b"hello", "")
        client.close()


@pytest.mark.parametrize("word", ["br", "ZSTD", "gzip, br"])
def test_a_compression_that_cannot_be_undone_is_named(word: str) -> None:
    with FaultServer(after_request(sized(b"{packed}", f"Content-Encoding: {word}\r\n".encode()))) as server:
        client = HttpClient(server.base, options=PATIENT)
        reply = order(client)
        name = word.rpartition(" ")[2].lower()
        assert (reply.body, reply.coding) == (b"{packed}", name)
        with pytest.raises(BadReply, match=f"compressed as '{name}', which cannot be decompressed here"):
            reply.json()
        assert client.session().get(server.base, timeout=60, stream=True).headers["Content-Encoding"] == word
        assert server.connections == 1
        client.close()


def test_the_requests_session_is_bounded_too() -> None:
    import requests

    with FaultServer(after_request(sized(BOMB, b"Content-Encoding: gzip\r\n"))) as server:
        client = HttpClient(server.base, options=PATIENT)
        with pytest.raises((requests.RequestException, FmzError)):
            client.session().get(server.base, timeout=60)
        client.close()


# ---- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA, folder: Any, **options: Any) -> HttpOptions:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return HttpOptions(verify=str(path), **options)


def test_tls_with_a_trusted_certificate(authority: trustme.CA, tmp_path: Any) -> None:
    with FaultServer(answering(b"1"), tls=server_tls(authority, "localhost")) as server:
        client = HttpClient(server.base, options=trusting(authority, tmp_path))
        client.warm()
        # By now TLS 1.3's session tickets wait unread in the socket; the warm connection must not be taken for a dead one.
        assert [order(client).text for _ in range(3)] == ["1"] * 3
        client.close()
        assert server.connections == 1


def test_the_bundle_of_the_environment(authority: trustme.CA, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with FaultServer(answering(b"1"), tls=server_tls(authority, "localhost")) as server:
        client = HttpClient(server.base)
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")  # it was read when the client was made
        assert order(client).text == "1"
        client.close()
        assert (
            type(failure(lambda: order(HttpClient(server.base, options=HttpOptions(trust_env=False))))) is ConnectFailed
        )


def test_an_untrusted_certificate_and_a_wrong_name(authority: trustme.CA, tmp_path: Any) -> None:
    with FaultServer(answering(b"1"), tls=server_tls(authority, "localhost")) as server:
        error = failure(lambda: order(HttpClient(server.base, options=PATIENT)))
        assert type(error) is ConnectFailed
        assert "not trusted" in str(error)
        assert server.seen == []
    with FaultServer(answering(b"1"), tls=server_tls(authority, "elsewhere.example")) as server:
        error = failure(lambda: order(HttpClient(server.base, options=trusting(authority, tmp_path))))
        assert type(error) is ConnectFailed
        assert server.seen == []


def test_tls_that_trickles_or_hangs_in_the_handshake(authority: trustme.CA, tmp_path: Any) -> None:
    for script in (lambda peer: peer.trickle(b"\x16\x03\x03\x20\x00\x02\x00\x1f\xfc\x03\x03"), Peer.hang):
        with FaultServer(script) as server:
            client = HttpClient(
                f"https://localhost:{server.port}", options=trusting(authority, tmp_path, timeout_ms=300)
            )
            assert type(failure(lambda c=client: order(c))) is ConnectFailed  # type: ignore[misc]


def test_plain_text_where_tls_should_be() -> None:
    with FaultServer(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        client = HttpClient(f"https://localhost:{server.port}", options=SHORT)
        assert type(failure(lambda: order(client))) is ConnectFailed


@pytest.mark.parametrize(
    "fault", ["cut in the headers", "cut by Content-Length", "says nothing", "trickles the body", "a gzip bomb"]
)
def test_faults_beneath_tls(fault: str, authority: trustme.CA, tmp_path: Any) -> None:
    script, expected = FAULTS[fault]
    with FaultServer(script, tls=server_tls(authority, "localhost")) as server:
        options = attrs.evolve(
            BY_HAND if expected is TimedOut else PATIENT, verify=trusting(authority, tmp_path).verify
        )
        clock = ManualClock()
        client = HttpClient(server.base, clock=clock if expected is TimedOut else None, options=options)
        assert type(failing(order, client, server, clock)) is expected
        assert [seen.method for seen in server.seen] == ["POST"]
        client.close()


def test_a_body_to_the_end_of_tls_must_end_properly(authority: trustme.CA, tmp_path: Any) -> None:
    """Without TLS's own farewell anybody on the way could have cut it."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"\r\nhalf of")
        socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    with FaultServer(script, tls=server_tls(authority, "localhost")) as server:
        client = HttpClient(server.base, options=trusting(authority, tmp_path))
        assert type(failure(lambda: order(client))) is ConnectionLost
        client.close()


def test_a_kept_tls_connection_that_died_is_found(authority: trustme.CA, tmp_path: Any) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.reply(str(peer.number).encode())

    with FaultServer(script, tls=server_tls(authority, "localhost")) as server:
        client = HttpClient(server.base, options=trusting(authority, tmp_path))
        for turn in range(1, 11):
            assert order(client).text == str(turn)
            assert server.ended.acquire(timeout=60)
        client.close()


def test_network_errors_are_one_family() -> None:
    assert issubclass(ConnectFailed, NetworkError)
    assert issubclass(TimedOut, NetworkError)
    assert issubclass(ConnectionLost, NetworkError)


def test_a_deadline_that_passes_before_the_write_sends_nothing() -> None:
    clock = ManualClock()

    def build() -> HttpRequest:
        clock.advance(2)  # signing took far too long
        return HttpRequest("POST", server.base, {}, b"x")

    with FaultServer(answering(b"1")) as server:
        client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=1_000))
        client.warm()
        error = failure(lambda: client.call(build, lambda r: r, idempotent=False))
        assert type(error) is ConnectFailed
        client.close()
        assert server.seen == []


class DrippingStream:
    """Sends a byte of an endless reply each 0.3 s of a clock turned by hand; notes how long each wait might have lasted."""

    was_cut = False

    def __init__(self, clock: ManualClock, timeout_s: float) -> None:
        self.clock = clock
        self.end_s = clock.monotonic() + timeout_s
        self.timeout_s: float | None = None
        self.bytes_sent = 0
        self.beyond_s: list[float] = []
        self.rest = iter(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 999)

    def set_timeout(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s

    def send(self, data: bytes, timeout_s: float | None, clock: Any) -> None:
        self.bytes_sent += len(data)

    def receive_into(self, view: memoryview) -> int:
        assert self.timeout_s is not None
        self.beyond_s.append(self.clock.monotonic() + self.timeout_s - self.end_s)
        self.clock.advance(0.3)
        view[0] = next(self.rest)
        return 1

    def is_quiet(self) -> bool:
        return True

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_no_wait_for_a_dripping_peer_may_last_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    stream = DrippingStream(clock, 10)
    monkeypatch.setattr("fmzthreads.http.connection.open_stream", lambda *_: stream)
    client = HttpClient("http://localhost:1", clock=clock, options=HttpOptions(timeout_ms=10_000))
    error = failure(
        lambda: client.call(lambda: HttpRequest("POST", client.base, {}, b"x"), lambda r: r, idempotent=False)
    )
    assert type(error) is TimedOut
    assert len(stream.beyond_s) >= 30
    assert max(stream.beyond_s) <= 0.2
    client.close()


def test_ctrl_c_within_a_call_leaves_no_reply_behind_for_the_next() -> None:
    def script(peer: Peer) -> None:
        seen = peer.request()
        if seen is None:
            return
        if seen.target == "/first":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            peer.hang()  # until the client goes
        else:
            peer.reply(b'"second"')

    with FaultServer(script) as server:
        client = HttpClient(server.base)
        for kind in (True, False):
            build = lambda: HttpRequest("POST", client.base + "/first", {}, b"")  # noqa: E731
            with pytest.raises(KeyboardInterrupt):
                client.call(build, lambda r: r, idempotent=kind)
            ask = lambda: HttpRequest("GET", client.base + "/second")  # noqa: E731
            assert client.call(ask, lambda r: r, idempotent=True, timeout_ms=60_000).json() == "second"
            # Both connections are over, or the next call might go out on one that is about to be closed.
            assert server.ended.acquire(timeout=60)
            assert server.ended.acquire(timeout=60)
        client.close()
        assert server.connections == 4
