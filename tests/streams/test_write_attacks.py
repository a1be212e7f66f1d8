"""``Connection.write`` under attack: interrupted, cut, raced, forked, and given what is hard to send."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fmzthreads.errors import FmzError, InputError
from fmzthreads.streams import Connection, Dial
from tests.helpers.journal import StrictJournal
from tests.helpers.threads import no_new_threads, run_in_thread
from tests.helpers.ws_server import Peer, WsServer, frame

HANG_S = 60.0
HUGE = b"0123456789abcdef" * (20 << 16)  # 20 MiB: more than any pair of socket buffers takes


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer() as running:
        yield running


Opened = tuple[Connection, Peer]


@pytest.fixture
def dial(server: WsServer) -> Iterator[Callable[..., Opened]]:
    clients: list[Connection] = []
    peers: list[Peer] = []

    def connect(**options: object) -> Opened:
        options.setdefault("host", StrictJournal())
        client = Dial(server.url, errors="raise", **options)  # type: ignore[arg-type]
        assert isinstance(client, Connection)
        clients.append(client)
        peers.append(server.peer())
        return client, peers[-1]

    with no_new_threads(named="Dial "):
        yield connect
        for peer in peers:
            peer.close()  # so that close() need not wait for an answer to its goodbye
        for client in clients:
            client.close()


def begun(peer: Peer) -> None:
    """Returns when the first bytes of a write have come; none is read."""
    assert peer.sock.recv(1, socket.MSG_PEEK)


def received(peer: Peer) -> tuple[int, bytes]:
    """The client's next frame, unmasked at once (``Peer.read_frame`` takes seconds for 20 MiB)."""
    first, second = peer.read_exactly(2)
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(peer.read_exactly(2 if size == 126 else 8), "big")
    key = peer.read_exactly(4)
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = peer.sock.recv_into(view)
        assert count
        view = view[count:]
    mask = key * (size // 4) + key[: size % 4]
    return first, (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


# -- Ctrl-C ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to a thread on POSIX only")
@pytest.mark.parametrize("reconnect", [False, True])
def test_ctrl_c_inside_a_blocked_write(dial: Callable[..., Opened], server: WsServer, reconnect: bool) -> None:
    client, peer = dial(reconnect=reconnect, interval=1)
    main = threading.get_ident()
    press = run_in_thread(lambda: (begun(peer), signal.pthread_kill(main, signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        client.write(HUGE)
    press.result()
    # Half a frame is out, so nothing that followed could be understood: the connection is over, and says so once.
    assert client.read(HANG_S * 1000) == ""
    assert "write failed: interrupted by KeyboardInterrupt" in client._reader._host.errors[0]  # type: ignore[attr-defined]
    if reconnect:
        again = server.peer()
        again.text("back")
        assert client.read(HANG_S * 1000) == "back"
        assert client.write("on") == 2
        assert again.read_frame() == (0x81, b"on")
        assert client.stats.losses == 1
    else:
        assert client.write("on") == 0
        assert client.ended


SCRIPT = """
import sys
from fmzthreads.streams import Dial
client = Dial(sys.argv[1], errors="raise")
try:
    client.write(b"x" * (20 << 20))
    print("written")
except KeyboardInterrupt:
    print("interrupted", repr(client.read(20_000)), client.write("x"), flush=True)
    client.close()
    print(client.state)
"""


@pytest.mark.skipif(os.name != "posix", reason="a process is sent a Ctrl-C on POSIX only")
def test_a_real_sigint_to_a_process_that_writes(server: WsServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        peer = server.peer()
        begun(peer)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG_S)
    finally:
        process.kill()
        process.communicate()
    assert out.splitlines() == ["interrupted '' 0", "closed"]
    assert "Traceback" not in err
    assert process.returncode == 0


# -- others act meanwhile --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reconnect", [False, True])
def test_close_during_a_blocked_write(dial: Callable[..., Opened], reconnect: bool) -> None:
    client, peer = dial(reconnect=reconnect, interval=1)
    writer = run_in_thread(lambda: client.write(HUGE))
    begun(peer)
    waiting = run_in_thread(lambda: client.write("second"))
    client.close()
    assert [writer.result(), waiting.result()] == [0, 0]
    assert client.state == "closed"
    assert client.write("x") == 0


@pytest.mark.parametrize("goodbye", [frame(8, b"\x03\xe8"), b""])
def test_the_peer_goes_during_a_blocked_write(dial: Callable[..., Opened], goodbye: bytes) -> None:
    # The writer waits for room on a socket that the reader gives back: it must wake then, and not when its own time is up.
    client, peer = dial()
    writer = run_in_thread(lambda: client.write(HUGE, 300_000))
    begun(peer)
    peer.send(goodbye)
    if not goodbye:
        peer.sock.shutdown(socket.SHUT_WR)
    assert client.read(HANG_S * 1000) == ""
    assert writer.result() == 0


@pytest.mark.parametrize("second_ms", [None, 60_000])
def test_the_first_of_two_writers_times_out_halfway(dial: Callable[..., Opened], second_ms: float | None) -> None:
    client, peer = dial()
    first = run_in_thread(lambda: client.write(HUGE, 300))
    begun(peer)
    second = run_in_thread(lambda: client.write("behind half a frame", second_ms))
    assert [first.result(), second.result()] == [0, 0]
    assert client.read(HANG_S * 1000) == ""
    assert client.last_error.startswith("write failed: timeout: the peer did not accept")
    assert client._reader._host.errors == [f"{client._reader.address.shown}: {client.last_error}"]  # type: ignore[attr-defined]
    everything = b""
    while part := peer.sock.recv(1 << 20):
        everything += part
    assert len(everything) < len(HUGE)  # nothing whole came, and nothing behind it


def test_a_writer_that_only_waited_breaks_nothing(dial: Callable[..., Opened]) -> None:
    client, peer = dial()
    first = run_in_thread(lambda: client.write(HUGE))
    begun(peer)
    assert client.write("impatient", 50) == 0
    assert client.state == "open"
    assert received(peer) == (0x82, HUGE)
    assert first.result() == len(HUGE)
    assert client.write("after") == 5
    assert peer.read_frame() == (0x81, b"after")


def test_write_between_two_connections(dial: Callable[..., Opened], server: WsServer) -> None:
    client, peer = dial(reconnect=True, interval=3_600_000)
    peer.close()
    assert client.read(HANG_S * 1000) == ""
    assert [client.write(data) for data in ("x", b"x", "", HUGE)] == [0, 0, 0, 0]


def test_writes_race_with_reconnects(dial: Callable[..., Opened], server: WsServer) -> None:
    # Whatever write() says, each connection sees whole frames only, and those in order.
    client, peer = dial(reconnect=True, interval=1)
    done = threading.Event()
    sent = [0, 0]

    def write(who: int) -> None:
        while not done.is_set():
            if client.write(f"{who}" + "x" * 3000):
                sent[who] += 1
            else:
                done.wait(0.001)  # as a script would; two threads that spin leave the third no time to reconnect

    writers = [run_in_thread(lambda who=who: write(who)) for who in (0, 1)]  # type: ignore[misc]
    try:
        for _ in range(20):
            for _ in range(10):
                first, payload = peer.read_frame()
                assert first == 0x81
                assert payload[1:] == b"x" * 3000
            peer.reset()
            peer = server.peer()
    finally:
        done.set()
    for writer in writers:
        writer.result()
    assert all(sent)


def test_only_on_connect_writes_before_the_greeting_is_out(dial: Callable[..., Opened], server: WsServer) -> None:
    greeting = threading.Event()
    others: list[int] = []
    own: list[int] = []
    clients: list[Connection] = []

    def greet(client: Connection) -> str:
        clients.append(client)
        own.append(client.write("mine"))
        other = threading.Thread(target=lambda: others.append(client.write("theirs")))
        other.start()
        other.join(HANG_S)
        greeting.set()
        return "returned"

    client, peer = dial(on_connect=greet, payload="first", reconnect=True, interval=1)
    for number in (1, 2):
        assert [peer.read_frame()[1] for _ in range(3)] == [b"first", b"mine", b"returned"]
        peer.text("go")
        assert client.read(HANG_S * 1000) == "go"
        assert client.write("open") == 4
        assert peer.read_frame()[1] == b"open"
        assert (others, own) == ([0] * number, [4] * number)
        peer.close()
        assert client.read(HANG_S * 1000) == ""
        peer = server.peer()
    assert all(each is client for each in clients)


# -- what is written -------------------------------------------------------------------------------------------------------------------------


def test_nothing_at_all_is_a_frame_of_its_own(dial: Callable[..., Opened]) -> None:
    client, peer = dial()
    assert [client.write(data) for data in ("", b"", bytearray(), memoryview(b""))] == [0] * 4
    assert [received(peer) for _ in range(4)] == [(0x81, b""), (0x82, b""), (0x82, b""), (0x82, b"")]


def test_20_mib_both_ways_of_text_and_bytes(dial: Callable[..., Opened]) -> None:
    client, peer = dial()
    for data, opcode in ((HUGE.decode(), 0x81), (HUGE, 0x82)):
        writer = run_in_thread(lambda data=data: client.write(data))  # type: ignore[misc]
        assert received(peer) == (opcode, HUGE)
        assert writer.result() == len(HUGE)


def test_what_changes_after_the_call_changes_nothing(dial: Callable[..., Opened]) -> None:
    client, peer = dial()
    for data in (bytearray(b"before"), memoryview(bytearray(b"before"))):
        assert client.write(data) == 6
        data[:] = b"AFTER!"
        assert received(peer) == (0x82, b"before")
    pending = bytearray(HUGE)
    writer = run_in_thread(lambda: client.write(pending))
    begun(peer)
    pending[:] = bytes(len(pending))
    pending.clear()  # a buffer that was still exported would refuse this
    assert received(peer) == (0x82, HUGE)
    assert writer.result() == len(HUGE)


def test_every_kind_of_memoryview(dial: Callable[..., Opened]) -> None:
    client, peer = dial()
    wide = memoryview(b"\1\0\0\0\2\0\0\0").cast("I")
    for data, expected in ((memoryview(b"0123456789")[::-2], b"97531"), (wide, b"\1\0\0\0\2\0\0\0")):
        assert client.write(data) == len(expected)
        assert received(peer) == (0x82, expected)


@pytest.mark.parametrize("text", ["\ud800", "ok \udfff", "x" * 5000 + "\udc80"])
def test_a_lone_surrogate_is_bad_input_and_breaks_nothing(dial: Callable[..., Opened], text: str) -> None:
    client, peer = dial()
    with pytest.raises(InputError, match="not valid Unicode: surrogates not allowed at character"):
        client.write(text)
    assert client.write("fine") == 4
    assert received(peer) == (0x81, b"fine")
    assert client.state == "open"


def test_a_surrogate_is_bad_input_before_anything_is_opened(server: WsServer) -> None:
    with pytest.raises(InputError, match="payload is not valid Unicode"):
        Dial(server.url, payload="\ud800")


@pytest.mark.parametrize("timeout_ms", ["5", float("nan"), [1], object()])
def test_what_is_no_time_is_bad_input(dial: Callable[..., Opened], timeout_ms: Any) -> None:
    client, _ = dial()
    with pytest.raises(InputError, match=r"the time-out of write\(\) must be a number of milliseconds, got"):
        client.write("x", timeout_ms)
    with pytest.raises(InputError, match="time"):
        client.read(timeout_ms)
    assert client.state == "open"


@pytest.mark.parametrize("data", [None, 5, ["x"], {"op": "x"}, object()])
def test_what_is_no_message_is_bad_input(dial: Callable[..., Opened], data: Any) -> None:
    client, _ = dial()
    with pytest.raises(InputError, match=type(data).__name__):
        client.write(data)
    assert client.state == "open"


# -- fork ------------------------------------------------------------------------------------------------------------------------------------

FORKED = """
import os, sys
from fmzthreads.streams import Dial
client = Dial(sys.argv[1], errors="raise", reconnect=True, interval=1)
client.write("from the parent")
child = os.fork()
if not child:
    said = [client.write("from the child"), client.write(b"x" * (20 << 20))]
    client.close()
    os._exit(0 if said == [0, 0] else 1)
_, status = os.waitpid(child, 0)
print("child", status)
print(repr(client.read(20_000)), client.state, client.write("still here"), flush=True)
client.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_does_not_touch_the_stream(server: WsServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKED, server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        peer = server.peer()
        assert peer.read_frame() == (0x81, b"from the parent")
        peer.text("to the parent")
        assert peer.read_frame() == (0x81, b"still here")
        assert peer.read_close() == 1000
        peer.close()
        out, err = process.communicate(timeout=HANG_S)
    finally:
        process.kill()
        process.communicate()
    assert err == ""
    assert out.splitlines() == ["child 0", "'to the parent' open 10"]


def test_a_broken_stream_raises_nothing_of_its_own(dial: Callable[..., Opened]) -> None:
    client, peer = dial()
    peer.reset()
    for _ in range(100):
        try:
            client.write("x" * 10_000)
        except FmzError as error:
            raise AssertionError from error
    assert client.read(HANG_S * 1000) == ""
    assert client.write("x") == 0
