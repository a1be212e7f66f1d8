"""Proxies that lie, drip, hang up or say nothing; and cancelling an attempt that waits for one."""

from __future__ import annotations

import base64
import gc
import logging
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest

from fmzthreads.clock import Clock, ManualClock, Stop, WallClock
from fmzthreads.errors import ConnectFailed, InputError, StopRequested, TimedOut
from fmzthreads.net.proxy import parse_proxy
from fmzthreads.streams import Connection, Dial
from tests.helpers.journal import StrictJournal
from tests.helpers.ws_server import Peer, WsServer

HANG_S = 60.0
TARGET = "ws://exchange.example:9443/ws/stream?listenKey=KEYSECRET"
ACCOUNT = "nameSECRET:passSECRET@"


@pytest.fixture
def proxy() -> Iterator[WsServer]:
    with WsServer(handshake=False) as running:
        yield running


class Attempt:
    """A ``Dial`` in a thread of its own, through a proxy that the test plays."""

    def __init__(
        self, proxy: WsServer, kind: str, account: str = "", clock: Clock | None = None, **options: object
    ) -> None:
        self.journal = StrictJournal(clock)
        self._address = f"{kind}://{account}127.0.0.1:{proxy.port}"
        self._options = options
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._dial)
        self._thread.start()

    def _dial(self) -> None:
        try:
            Dial(TARGET, host=self.journal, proxy=self._address, errors="raise", **self._options)
        except Exception as error:
            self._raised = error

    def error(self) -> BaseException:
        """What came of it; nothing that is secret is in it, nor in what led to it."""
        self._thread.join(HANG_S)
        assert not self._thread.is_alive()
        assert self._raised is not None
        link: BaseException | None = self._raised
        while link is not None:
            assert "SECRET" not in f"{link} {link!r} {link.args}"
            link = link.__cause__ or link.__context__
        return self._raised


def greet(peer: Peer) -> None:
    """SOCKS5 up to the request, with the account where the client has one."""
    _, count = peer.read_exactly(2)
    if 2 in peer.read_exactly(count):
        peer.send(b"\x05\x02")
        peer.read_exactly(peer.read_exactly(2)[1])
        peer.read_exactly(peer.read_exactly(1)[0])
        peer.send(b"\x01\x00")
    else:
        peer.send(b"\x05\x00")


def asked(peer: Peer) -> tuple[bytes, int]:
    """The request: the destination as it was written, and its port."""
    head = peer.read_exactly(4)
    assert head[:3] == b"\x05\x01\x00"
    host = peer.read_exactly({1: 4, 4: 16}.get(head[3]) or peer.read_exactly(1)[0])
    return host, int.from_bytes(peer.read_exactly(2), "big")


def request(peer: Peer) -> bytes:
    """What is asked of an HTTP proxy."""
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        said += peer.read_exactly(1)
    return said


# -- SOCKS5 ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ["", ACCOUNT])
@pytest.mark.parametrize("status", [*range(1, 9), 9, 255])
def test_socks_error_replies_are_told(proxy: WsServer, account: str, status: int) -> None:
    attempt = Attempt(proxy, "socks5", account)
    peer = proxy.peer()
    greet(peer)
    assert asked(peer) == (b"exchange.example", 9443)
    peer.send(bytes((5, status)))
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert f"through the proxy socks5://127.0.0.1:{proxy.port}: the proxy refused: " in str(error)
    assert f"SOCKS error {status})" in str(error)
    assert peer.at_end()


@pytest.mark.parametrize(
    ("account", "answer", "shown"),
    [
        ("", b"\x04\x00", "invalid answer"),
        ("", b"HTTP/1.1 400 Bad Request\r\n\r\n", "invalid answer"),
        ("", b"\x05\x01", "invalid answer"),  # GSSAPI, which was not offered
        ("", b"\x05\x02", "requires a user name and password"),
        ("", b"\x05\xff", "requires a user name and password"),
        (ACCOUNT, b"\x05\xff", "neither these credentials nor anonymous access"),
        (ACCOUNT, b"\x05\x80", "invalid answer"),
        (ACCOUNT, b"\x05\x02\x01\x01", "wrong user name or password"),
        (ACCOUNT, b"\x05\x02\x05\x00", "invalid answer"),
    ],
)
def test_socks_greetings_that_are_wrong(proxy: WsServer, account: str, answer: bytes, shown: str) -> None:
    attempt = Attempt(proxy, "socks5", account)
    peer = proxy.peer()
    peer.send(answer)
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert shown in str(error)
    assert peer.at_end()


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (b"\x04\x00\x00\x01", "invalid answer"),
        (b"\x05\x00\x00\x02", "invalid answer"),
        (b"\x05\x00\x00\x00", "invalid answer"),
        (b"\x05\x00\x00\x01\0\0\0\0\0\0" + b"x" * 200_000, "handshake"),  # what follows is the peer's, and is no answer
    ],
)
def test_socks_replies_that_are_wrong(proxy: WsServer, reply: bytes, shown: str) -> None:
    attempt = Attempt(proxy, "socks5")
    peer = proxy.peer()
    greet(peer)
    asked(peer)
    try:
        peer.send(reply)
    except ConnectionError:
        pass  # the client has seen enough
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert shown in str(error)


@pytest.mark.parametrize(
    "bound", [b"\x01" + b"\0" * 6, b"\x04" + b"\0" * 18, b"\x03\x00\0\0", b"\x03\xff" + b"n" * 255 + b"\0\0"]
)
def test_every_form_of_a_bound_address_is_read_to_its_end(proxy: WsServer, bound: bytes) -> None:
    attempt = Attempt(proxy, "socks5", ACCOUNT)
    peer = proxy.peer()
    greet(peer)
    asked(peer)
    for byte in b"\x05\x00\x00" + bound:
        peer.send(bytes((byte,)))
    peer.sock.sendall(b"HTTP/1.1 418 Here I am\r\nContent-Length: 0\r\n\r\n")
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert error.status == 418  # the very first byte behind the address went to the handshake


STAGES: list[Callable[[Peer], object]] = [
    lambda peer: None,
    lambda peer: peer.send(b"\x05"),
    lambda peer: peer.send(b"\x05\x02\x01"),
    greet,
    lambda peer: (greet(peer), asked(peer), peer.send(b"\x05")),
    lambda peer: (greet(peer), asked(peer), peer.send(b"\x05\x00\x00\x03\x20half a name")),
]


@pytest.mark.parametrize("stage", range(len(STAGES)))
def test_a_socks_proxy_that_hangs_up(proxy: WsServer, stage: int) -> None:
    attempt = Attempt(proxy, "socks5", ACCOUNT)
    peer = proxy.peer()
    STAGES[stage](peer)
    peer.sock.shutdown(socket.SHUT_WR)
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert "closed the connection" in str(error)


@pytest.mark.parametrize("stage", range(len(STAGES)))
def test_a_socks_proxy_that_falls_silent(proxy: WsServer, stage: int) -> None:
    clock = ManualClock()
    attempt = Attempt(proxy, "socks5", ACCOUNT, clock, timeout_ms=30_000)
    peer = proxy.peer()
    STAGES[stage](peer)
    clock.advance(31)
    error = attempt.error()
    assert isinstance(error, TimedOut)
    assert str(error).startswith("timeout: ")
    assert f"through the proxy socks5://127.0.0.1:{proxy.port} did not answer within 30 s (asking the proxy)" in str(
        error
    )
    assert peer.at_end()


def _socks_drip() -> Iterator[bytes]:
    yield from (b"\x05", b"\x00", b"\x05", b"\x00", b"\x00", b"\x03", b"\xff")
    while True:
        yield b"n"


def _http_drip() -> Iterator[bytes]:
    yield from (bytes((byte,)) for byte in b"HTTP/1.1 200 Fine\r\nX: ")
    while True:
        yield b"x"


def _websocket_drip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 Fine\r\n\r\n"
    yield from (bytes((byte,)) for byte in b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        yield b"X: y\r\n"


@pytest.mark.parametrize(("kind", "drip"), [("socks5", _socks_drip), ("http", _http_drip), ("http", _websocket_drip)])
def test_one_deadline_holds_however_slowly_it_drips(
    proxy: WsServer, kind: str, drip: Callable[[], Iterator[bytes]]
) -> None:
    # Each drop comes well within the time-out: a time-out for each receive would wait for all of them.
    clock = ManualClock()
    attempt = Attempt(proxy, kind, "", clock, timeout_ms=30_000)
    peer = proxy.peer()
    gone = threading.Event()
    drops = 0
    try:
        for drop in drip():
            peer.send(drop)
            drops += 1
            assert drops < 1000, "it is still listening"
            clock.advance(1)
            gone.wait(0.02)
    except ConnectionError:
        pass
    error = attempt.error()
    assert isinstance(error, TimedOut)
    assert "within 30 s" in str(error)
    assert drops >= 30


def test_a_long_account_and_an_empty_password(proxy: WsServer) -> None:
    name = "n" * 255
    attempt = Attempt(proxy, "socks5", f"{name}:@")
    peer = proxy.peer()
    assert peer.read_exactly(4) == b"\x05\x02\x00\x02"
    peer.send(b"\x05\x02")
    assert peer.read_exactly(258) == b"\x01\xff" + name.encode() + b"\x00"
    peer.send(b"\x01\x01")
    assert "wrong user name or password" in str(attempt.error())


@pytest.mark.parametrize("address", ["tcp://[::1]:7", "tcp://127.0.0.9:7", "tcp://bücher.example:7"])
def test_the_destination_is_written_as_what_it_is(proxy: WsServer, address: str) -> None:
    errors: list[str] = []
    journal = StrictJournal()
    way = f"socks5://127.0.0.1:{proxy.port}"
    thread = threading.Thread(target=lambda: errors.append(str(Dial(address, host=journal, proxy=way))))
    thread.start()
    peer = proxy.peer()
    greet(peer)
    wanted = {
        "tcp://[::1]:7": socket.inet_pton(socket.AF_INET6, "::1"),
        "tcp://127.0.0.9:7": b"\x7f\0\0\x09",
        "tcp://bücher.example:7": b"xn--bcher-kva.example",
    }
    assert asked(peer) == (wanted[address], 7)
    peer.send(b"\x05\x04")
    thread.join(HANG_S)
    assert errors == ["None"]
    assert "host unreachable" in journal.errors[0]


# -- HTTP ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"HTTP/1.1 407 nameSECRET passSECRET\r\n\r\n", "refused: HTTP 407 Proxy Authentication Required"),
        (b"HTTP/1.1 403 " + base64.b64encode(b"nameSECRET:passSECRET") + b"\r\n\r\n", "refused: HTTP 403 Forbidden"),
        (b"HTTP/1.1 999\r\n\r\n", "refused: HTTP 999"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n", "refused: HTTP 302"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "invalid answer"),
        (b"HTTP/2 200 OK\r\n\r\n", "invalid answer"),
        (b"SSH-2.0-OpenSSH 200 SECRET\r\n\r\n", "invalid answer"),
        (b"\x05\x00 200\r\n\r\n", "invalid answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "invalid answer"),
        (b"x" * 100_000, "invalid answer"),
        (b"HTTP/1.1 200 OK\r\nX: cut", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
def test_answers_of_an_http_proxy_that_are_wrong(proxy: WsServer, answer: bytes, shown: str) -> None:
    attempt = Attempt(proxy, "http", ACCOUNT)
    peer = proxy.peer()
    assert request(peer).startswith(b"CONNECT exchange.example:9443 HTTP/1.1\r\n")
    try:
        peer.send(answer)
        peer.sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the client has seen enough
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert shown in str(error)
    assert base64.b64encode(b"nameSECRET").decode()[:12] not in str(error)


@pytest.mark.parametrize("status", [b"200", b"204 No Content"])
def test_any_status_of_success_opens_the_tunnel(proxy: WsServer, status: bytes) -> None:
    attempt = Attempt(proxy, "http")
    peer = proxy.peer()
    request(peer)
    peer.send(b"HTTP/1.1 " + status + b"\r\n\r\nHTTP/1.1 418 Here I am\r\nContent-Length: 0\r\n\r\n")
    error = attempt.error()
    assert isinstance(error, ConnectFailed)
    assert error.status == 418


# -- the option -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "socks5://SECRET:SECRET@:1",
        "socks4://SECRET:SECRET@h:1",
        "https://SECRET:SECRET@h:1",
        "http://SECRET:SECRET@h:1/path",
        "http://SECRET:SECRET@h:1?q",
        "http://SECRET:SECRET@h:0",
        "http://SECRET:SECRET@h:65536",
        "http://SECRET:SECRET@[::1:1",
        "http://SECRET:SECRET@" + "h" * 64 + ":1",
        "http://SECRET:SECRET@h..example:1",
        "socks5://:SECRET@h:1",
        "socks5://" + "SECRET" * 50 + ":x@h:1",
        "socks5://u:" + "SECRET" * 50 + "@h:1",
    ],
)
def test_a_proxy_that_cannot_be_one_is_bad_input(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_proxy(text)
    assert "SECRET" not in f"{caught.value} {caught.value.__cause__}"


def test_a_proxy_shows_no_account() -> None:
    proxy = parse_proxy("socks5h://SECRET:SECRET@[::1]:1080")
    assert proxy is not None
    assert (proxy.host, proxy.user, proxy.password) == ("::1", "SECRET", "SECRET")
    assert f"{proxy} {proxy!r}".count("SECRET") == 0
    assert str(proxy) == "socks5://[::1]:1080"


def test_nothing_is_logged(proxy: WsServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        attempt = Attempt(proxy, "socks5", ACCOUNT)
        proxy.peer().send(b"\x05\xff")
        attempt.error()
    assert "SECRET" not in caplog.text


# -- cancelling -----------------------------------------------------------------------------------------------------------------------------


def _silence(peer: Peer) -> None:
    """Waits for the first bytes of the client, and answers nothing."""
    peer.read_exactly(1)


WAITS: list[tuple[str, Callable[[Peer], object]]] = [
    ("socks5", _silence),
    ("socks5", greet),
    ("http", _silence),
    ("http", lambda peer: (request(peer), peer.send(b"HTTP/1.1 200 Fine\r\n"))),
    ("http", lambda peer: (request(peer), peer.send(b"HTTP/1.1 200 Fine\r\n\r\n"), request(peer))),
]


@pytest.mark.parametrize("wait", range(len(WAITS)))
def test_a_stop_ends_it_at_once(proxy: WsServer, wait: int) -> None:
    kind, stage = WAITS[wait]
    stop = Stop()
    raised: list[BaseException] = []

    def dial() -> None:
        try:
            Dial(
                TARGET,
                host=StrictJournal(WallClock(stop)),
                proxy=f"{kind}://127.0.0.1:{proxy.port}",
                timeout_ms=300_000,
            )
        except StopRequested as error:
            raised.append(error)

    thread = threading.Thread(target=dial)
    thread.start()
    peer = proxy.peer()
    stage(peer)
    stop.request()
    thread.join(HANG_S)
    assert len(raised) == 1
    assert peer.at_end()


@pytest.mark.parametrize("wait", range(len(WAITS)))
def test_close_ends_an_attempt_to_reconnect_at_once(proxy: WsServer, wait: int) -> None:
    kind, stage = WAITS[wait]
    clients: list[object] = []
    journal = StrictJournal()
    way = f"{kind}://127.0.0.1:{proxy.port}"
    thread = threading.Thread(
        target=lambda: clients.append(
            Dial("tcp://exchange.example:7", host=journal, proxy=way, reconnect=True, interval=1, timeout_ms=300_000)
        )
    )
    thread.start()
    peer = proxy.peer()
    if kind == "socks5":
        greet(peer)
        asked(peer)
        peer.send(b"\x05\x00\x00\x01\0\0\0\0\0\0")
    else:
        request(peer)
        peer.send(b"HTTP/1.1 200 Fine\r\n\r\n")
    thread.join(HANG_S)
    (client,) = clients
    assert isinstance(client, Connection)
    peer.close()
    again = proxy.peer()
    if wait < 4:  # the last of them waits for a websocket's handshake, and this is a raw stream
        stage(again)
    client.close()
    assert not client._reader.thread.is_alive()
    assert again.at_end()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to a thread on POSIX only")
@pytest.mark.parametrize("wait", range(len(WAITS)))
def test_ctrl_c_ends_it_and_leaves_no_socket(proxy: WsServer, wait: int) -> None:
    kind, stage = WAITS[wait]
    main = threading.get_ident()
    peers: list[Peer] = []

    def press() -> None:
        peers.append(proxy.peer())
        stage(peers[0])
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Dial(TARGET, host=StrictJournal(), proxy=f"{kind}://{ACCOUNT}127.0.0.1:{proxy.port}", timeout_ms=300_000)
    thread.join(HANG_S)
    assert peers[0].at_end()


def test_no_attempt_leaves_a_socket_behind(proxy: WsServer) -> None:
    # An unclosed socket warns when it is collected, and warnings are errors.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind, answer in (("socks5", b"\x04\x00"), ("http", b"no\r\n\r\n")):
            attempt = Attempt(proxy, kind)
            proxy.peer().send(answer)
            attempt.error()
            del attempt
        gc.collect()
    assert [str(each.message) for each in caught] == []
