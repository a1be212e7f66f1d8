"""TLS: handshakes that drip, hang or lie, and which certificates are trusted."""

from __future__ import annotations

import os
import select
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import pytest
import trustme

from fmzthreads.clock import Stop, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import ConnectFailed, InputError, StopRequested, TimedOut
from fmzthreads.http.client import HttpClient, HttpOptions, HttpRequest, RetryPolicy
from fmzthreads.net.sockets import IncompleteRecord, PlainStream, TlsStream
from fmzthreads.net.tls import TlsPolicy
from fmzthreads.streams import Connection, Dial
from tests.helpers.http_faults import FaultServer, answering
from tests.helpers.http_faults import Peer as HttpPeer
from tests.helpers.journal import StrictJournal
from tests.helpers.threads import run_in_thread
from tests.helpers.ws_server import Peer, WsServer

HANG_S = 60.0
HANDSHAKE_RECORD = b"\x16\x03\x03\x3f\xff"  # the head of a TLS record of 16 KiB


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer(handshake=False) as running:
        yield running


def attempt(server: WsServer, scheme: str, **options: object) -> Callable[[], BaseException]:
    """Dials in a thread; what is returned waits for the error."""
    stop = options.pop("stop", None)
    raised: list[BaseException] = []

    def dial() -> None:
        try:
            Dial(f"{scheme}://127.0.0.1:{server.port}", host=StrictJournal(WallClock(stop)), errors="raise", **options)  # type: ignore[arg-type]
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=dial)
    thread.start()

    def error() -> BaseException:
        thread.join(HANG_S)
        assert raised, "it hangs, or it connected"
        return raised[0]

    return error


@pytest.mark.parametrize("scheme", ["wss", "tls"])
def test_tls_that_drips_is_not_waited_for(server: WsServer, scheme: str) -> None:
    error = attempt(server, scheme, timeout_ms=300)
    peer = server.peer()
    drops = 0
    pause = threading.Event()
    try:
        peer.send(HANDSHAKE_RECORD)
        while drops < 1000:
            peer.send(b"\0")
            drops += 1
            pause.wait(0.02)
    except ConnectionError:
        pass
    assert drops < 1000
    assert isinstance(error(), TimedOut)


@pytest.mark.parametrize(
    "said", [b"", HANDSHAKE_RECORD + b"cut", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\0\2\2\x28"]
)
def test_tls_that_is_none(server: WsServer, said: bytes) -> None:
    error = attempt(server, "wss")
    peer = server.peer()
    peer.read_exactly(5)
    peer.send(said)
    peer.sock.shutdown(socket.SHUT_WR)
    failure = error()
    assert isinstance(failure, ConnectFailed)
    assert "cannot connect to wss://127.0.0.1" in str(failure)
    assert peer.at_end()


def test_a_stop_ends_a_tls_handshake_at_once(server: WsServer) -> None:
    stop = Stop()
    error = attempt(server, "wss", stop=stop, timeout_ms=300_000)
    peer = server.peer()
    peer.read_exactly(5)
    stop.request()
    assert isinstance(error(), StopRequested)
    assert peer.at_end()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to a thread on POSIX only")
def test_ctrl_c_ends_a_tls_handshake(server: WsServer) -> None:
    main = threading.get_ident()
    peers: list[Peer] = []

    def press() -> None:
        peers.append(server.peer())
        peers[0].read_exactly(5)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Dial(f"wss://127.0.0.1:{server.port}", host=StrictJournal(), timeout_ms=300_000)
    thread.join(HANG_S)
    assert peers[0].at_end()


# ---- which certificates are trusted


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS settings, and the file of the authority that it was certified by."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return context, str(path)


def test_the_first_variable_that_is_set_names_the_bundle() -> None:
    variables = {"SSL_CERT_DIR": "d", "SSL_CERT_FILE": "c", "CURL_CA_BUNDLE": "b", "REQUESTS_CA_BUNDLE": "a"}
    for name in ("a", "b", "c", "d"):
        assert TlsPolicy.read(True, variables) == TlsPolicy(True, name)
        assert TlsPolicy.read("own.pem", variables) == TlsPolicy(True, "own.pem")
        assert TlsPolicy.read(False, variables) == TlsPolicy(False, "")
        variables.popitem()
    assert TlsPolicy.read(True, {}) == TlsPolicy(True, certifi.where())
    assert TlsPolicy.read(True, {"PATH": "/bin"}) == TlsPolicy(True, "")


def test_a_context_is_made_once_and_again_when_its_file_changes(authority: tuple[ssl.SSLContext, str]) -> None:
    policy = TlsPolicy(True, authority[1])
    first = policy.context("http/1.1")
    assert policy.context("http/1.1") is first
    assert policy.context() is not first
    os.utime(authority[1], ns=(1, 1))
    assert policy.context("http/1.1") is not first
    assert first.verify_mode == ssl.CERT_REQUIRED
    assert first.check_hostname
    assert TlsPolicy(False).context().verify_mode == ssl.CERT_NONE


def test_the_usual_authorities_are_the_systems_and_certifis() -> None:
    usual = TlsPolicy(True).context().get_ca_certs(binary_form=True)
    assert set(TlsPolicy(True, certifi.where()).context().get_ca_certs(binary_form=True)) <= set(usual)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_read_is_named(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"cannot read the CA bundle .*own\.pem"):
        TlsPolicy(True, str(path)).context()
    with pytest.raises(InputError, match=r"the Dial option ca_file: cannot read the CA bundle .*own\.pem"):
        Dial("wss://localhost:1/", ca_file=str(path))
    client = HttpClient("https://localhost:1", options=HttpOptions(verify=str(path)))
    with pytest.raises(InputError, match=r"own\.pem"):
        client.call(lambda: HttpRequest("GET", client.base), lambda reply: reply, idempotent=False)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_rest_and_streams_trust_what_the_environment_names(
    variable: str, authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    context, path = authority

    def both() -> list[str]:
        """What becomes of a call by REST and of a stream."""
        said = []
        with FaultServer(answering(b"1"), tls=context) as server:
            client = HttpClient(server.base, options=HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0)))
            for call in (
                lambda: client.call(lambda: HttpRequest("GET", server.base), lambda reply: reply.text, idempotent=True),
                lambda: Dial(f"tls://localhost:{server.port}", errors="raise"),
            ):
                try:
                    opened = call()
                    said.append("trusted")
                    if isinstance(opened, Connection):
                        opened.close()
                except ConnectFailed as error:
                    said.append("not trusted" if "is not trusted" in str(error) else str(error))
            client.close()
        return said

    assert both() == ["not trusted"] * 2
    monkeypatch.setenv(variable, path)
    assert both() == ["trusted"] * 2


def test_a_tls_record_that_comes_byte_by_byte_is_read(authority: tuple[ssl.SSLContext, str]) -> None:
    """Each receive brings a part of a record only; the reply is complete all the same."""
    context, path = authority
    with FaultServer(answering(b"drop by drop"), tls=context) as server:

        def relay(peer: HttpPeer) -> None:
            with socket.create_connection(("127.0.0.1", server.port)) as other:
                other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pair = {peer.sock: other, other: peer.sock}
                while True:
                    ready, _, _ = select.select(list(pair), [], [])
                    for sock in ready:
                        data = sock.recv(1 if sock is other else 65536)
                        if not data:
                            return
                        pair[sock].sendall(data)

        with FaultServer(relay) as between:
            options = HttpOptions(verify=path, timeout_ms=60_000, read_timeout_ms=60_000)
            client = HttpClient(f"https://localhost:{between.port}", options=options)
            reply = client.call(lambda: HttpRequest("GET", client.base), lambda reply: reply, idempotent=False)
            assert reply.text == "drop by drop"
            client.close()


def test_a_record_that_drips_in_lets_the_caller_look_at_its_deadline() -> None:
    """Otherwise each byte of a record of 16 KiB would be given the whole time-out."""
    authority = trustme.CA()
    near, far = socket.socketpair()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    clock = WallClock()
    server = run_in_thread(lambda: theirs.wrap_socket(far, server_side=True))
    stream = TlsStream(PlainStream(near), ours, "localhost")
    stream.handshake(Deadline(clock, 60), clock)
    peer = server.result()
    view = memoryview(bytearray(1 << 16))
    while stream.receive_waiting(view) >= 0:
        pass
    stream.set_timeout(3)
    for _ in range(3):
        os.write(peer.fileno(), b"\x17\x03\x03\x3f\xff")  # not even one record of this length
        with pytest.raises(IncompleteRecord):
            stream.receive_into(view)
    stream.close()
    peer.close()
