"""Nothing that a server sends makes us hold more than the limits say: bombs, floods, endless messages and answers."""

from __future__ import annotations

import gzip
import random
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from fmzthreads.errors import ConnectFailed, ReplyTooLarge
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.websocket.compression import COMPRESSIONS, compressor, decompressor, negotiate_deflate
from fmzthreads.streams.websocket.frames import FrameReader, ProtocolError
from tests.helpers.journal import Journal
from tests.helpers.ws_server import Peer, WsServer, frame

HANG_S = 60.0
MIB = 1 << 20
CAP = 8 * MIB
SMALL_CHANGE = MIB


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """What is done within holds no more than ``size`` bytes at any moment."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= size, f"held {peak / MIB:.1f} MiB"


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer() as running:
        yield running


def connect(server: WsServer, **options: Any) -> tuple[Connection, Peer]:
    options.setdefault("host", Journal())
    client = Dial(server.url, errors="raise", **options)
    assert isinstance(client, Connection)
    return client, server.peer()


# -- compression ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_bomb_is_cut_off_at_the_cap_and_not_held(name: str) -> None:
    bomb = compressor(name)(b"\0" * (4 * CAP))
    inflate = decompressor(name, CAP)
    with at_most(CAP + SMALL_CHANGE), pytest.raises(ReplyTooLarge, match=str(CAP)):
        inflate(bomb)


def test_a_bomb_of_several_gzip_members_is_not_held() -> None:
    bomb = gzip.compress(b"\0" * (CAP // 2 + 1)) * 5
    inflate = decompressor("gzip", CAP)
    with at_most(CAP + SMALL_CHANGE), pytest.raises(ReplyTooLarge):
        inflate(bomb)


def test_a_bomb_by_permessage_deflate_is_not_held() -> None:
    bomb = compressor("flate")(b"\0" * (4 * CAP))
    deflate = negotiate_deflate("permessage-deflate", CAP)
    assert deflate is not None
    with at_most(CAP + SMALL_CHANGE), pytest.raises(ReplyTooLarge, match=str(CAP)):
        deflate.inflate(bomb)


def test_a_bomb_in_fragments_by_permessage_deflate_is_not_held() -> None:
    bomb = compressor("flate")(b"\0" * (4 * CAP))
    middle = len(bomb) // 2
    frames = frame(1, bomb[:middle], fin=False, rsv=4) + frame(0, bomb[middle:])
    reader = FrameReader(CAP, deflate=negotiate_deflate("permessage-deflate", CAP))
    with at_most(CAP + SMALL_CHANGE + 2 * len(bomb)), pytest.raises(ProtocolError) as caught:
        feed(reader, frames)
    assert caught.value.close_code == 1009


# Around the sizes at which inflating goes on in pieces.
SIZES = [0, 1, 65_535, 65_536, 65_537, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 19), 700_001]


def _of(size: int, kind: str) -> bytes:
    return random.Random(size).randbytes(size) if kind == "noise" else b"\0" * size if kind == "zeros" else b"ab" * size


@pytest.mark.parametrize("kind", ["noise", "zeros"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_the_cap_is_exact_and_nothing_is_lost_between_the_pieces(name: str, size: int, kind: str) -> None:
    plain = _of(size, kind)
    packed = compressor(name)(plain)
    assert decompressor(name, max(size, 1))(memoryview(packed)) == plain
    if size > 1:
        with pytest.raises(ReplyTooLarge):
            decompressor(name, size - 1)(packed)


@pytest.mark.parametrize("kind", ["noise", "zeros"])
@pytest.mark.parametrize("answer", ["permessage-deflate", "permessage-deflate; server_no_context_takeover"])
def test_the_window_lives_on_from_message_to_message(answer: str, kind: str) -> None:
    deflate = negotiate_deflate(answer, max(SIZES))
    assert deflate is not None
    engine = zlib.compressobj(wbits=-15)
    for size in [*SIZES, *reversed(SIZES)]:
        plain = _of(size, kind)
        if "no_context" in answer:
            engine = zlib.compressobj(wbits=-15)
        packed = (engine.compress(plain) + engine.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
        assert deflate.inflate(memoryview(packed)) == plain


def test_gzip_members_that_lie_across_the_pieces() -> None:
    parts = [_of(size, "noise") for size in (65_500, 20, 30, 200_000, 1)]
    packed = b"".join(map(gzip.compress, parts))
    assert decompressor("gzip", 300_000)(packed) == b"".join(parts)


# -- frames ---------------------------------------------------------------------------------------------------------------------------------


def feed(reader: FrameReader, data: bytes) -> list[Any]:
    """Gives the reader bytes as a socket would."""
    batch: list[Any] = []
    view = memoryview(data)
    while view:
        space = reader.space()
        count = min(len(space), len(view))
        space[:count] = view[:count]
        view = view[count:]
        reader.parse(count, batch)
    return batch


@pytest.mark.parametrize("size", [1 << 62, (1 << 63) - 1, CAP + 1])
@pytest.mark.parametrize("opcode", [1, 2])
def test_a_length_that_cannot_be_true_reserves_nothing(opcode: int, size: int) -> None:
    reader = FrameReader(CAP)
    with at_most(SMALL_CHANGE), pytest.raises(ProtocolError) as caught:
        feed(reader, frame(opcode, b"a", length=size, width=8))
    assert caught.value.close_code == 1009


def test_a_length_within_the_cap_reserves_nothing_either() -> None:
    reader = FrameReader(1 << 40)
    with at_most(SMALL_CHANGE):
        assert feed(reader, frame(2, b"a" * 1000, length=(1 << 40) - 1, width=8)) == []


@pytest.mark.parametrize("size", [1, 1000, 70_000, 300_000])
@pytest.mark.parametrize("opcode", [1, 2])
def test_endless_fragments_end_at_the_cap(opcode: int, size: int) -> None:
    cap = 100 * size if size < 1000 else CAP
    reader = FrameReader(cap)
    more = frame(0, b"a" * size, fin=False)
    with at_most(cap * 9 // 8 + SMALL_CHANGE), pytest.raises(ProtocolError) as caught:
        feed(reader, frame(opcode, b"a" * size, fin=False))
        for _ in range(cap // size + 1):
            assert feed(reader, more) == []
    assert caught.value.close_code == 1009


def test_endless_fragments_of_nothing_hold_nothing() -> None:
    reader = FrameReader(CAP)
    nothing = frame(0, fin=False) * 1000
    feed(reader, frame(1, fin=False))
    with at_most(SMALL_CHANGE):
        for _ in range(100):
            assert feed(reader, nothing) == []
    assert feed(reader, frame(0, b"at last")) == ["at last"]


def test_8_mib_of_pings_to_which_nobody_listens(server: WsServer) -> None:
    client, peer = connect(server)
    with client:
        pings = frame(9, b"p" * 125) * 512
        with at_most(4 * MIB):
            for _ in range(8 * MIB // len(pings) + 1):
                peer.send(pings)
            peer.text("done")  # we went on reading although no answer could go out
            assert client.read(3 * HANG_S * 1000) == "done"  # 8 MiB of pings are seconds of work on a busy machine
        writer = threading.Thread(target=lambda: client.write("after"))
        writer.start()
        pongs = 0
        while (got := peer.read_frame()) != (0x81, b"after"):
            assert got == (0x8A, b"p" * 125)  # whole, each of them
            pongs += 1
        writer.join(HANG_S)
    assert pongs > 0


# -- floods ---------------------------------------------------------------------------------------------------------------------------------

MESSAGES: dict[str, Callable[[int], bytes]] = {
    "tickers": lambda n: frame(1, f"{n:0217}".encode()),
    "depths": lambda n: frame(1, f"{n:04700}".encode()),
    "texts that are not ASCII": lambda n: frame(1, f"{n:050}".encode() + "中".encode() * 100),
    "texts with one odd character": lambda n: frame(1, f"{n:02000}".encode() + "\U0001f600".encode()),
    "bytes": lambda n: frame(2, b"\xff" + f"{n:0300}".encode()),
    "empty texts": lambda n: frame(1),
    "all of these": lambda n: [*MESSAGES.values()][n % 6](n),
}


@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("overflow", ["drop_oldest", "block", "error"])
def test_a_flood_with_a_stopped_reader_stays_within_qbytes(server: WsServer, overflow: str, kind: str) -> None:
    qbytes = 300_000
    client, peer = connect(server, overflow=overflow, qsize=1_000_000, qbytes=qbytes)
    make = MESSAGES[kind]
    count = 30_000 if kind == "empty texts" else 2 * MIB // len(make(1))
    flood = b"".join(map(make, range(count)))

    def send() -> None:
        with suppress(OSError):  # the client had enough of it
            peer.send(flood)

    def flooded() -> bool:
        stats = client.stats
        assert stats.waiting_bytes <= qbytes
        if overflow == "block":
            return stats.waiting_bytes > qbytes // 2
        return stats.received == count if overflow == "drop_oldest" else client.ended

    sender = threading.Thread(target=send)
    sender.start()
    seen: list[int] = []
    with client:
        while not flooded():
            threading.Event().wait(0.002)  # nobody reads
        while not seen or (overflow == "block" and client.stats.delivered < count):
            stats = client.stats
            assert stats.waiting_bytes <= qbytes
            messages = [client.read(-1) for _ in range(stats.waiting)]
            assert None not in messages
            seen.append(sum(map(sys.getsizeof, messages)))
        peer.close()
    sender.join(HANG_S)
    assert qbytes // 3 < max(seen) <= qbytes  # it did fill up, and no further
    stats = client.stats
    assert stats.received == stats.delivered + stats.discarded + stats.dropped + stats.waiting
    if overflow == "block":
        assert stats.dropped == 0


# -- answers to the handshake ---------------------------------------------------------------------------------------------------------------


def _answer(extra: str = "", *, without: str = "") -> Callable[[WsServer, Peer], bytes]:
    def usual(server: WsServer, peer: Peer) -> bytes:
        lines = WsServer._usual(server, peer).decode().split("\r\n")[:-2]
        kept = [line for line in lines if not without or not line.startswith(without)]
        return ("\r\n".join([*kept, *([extra] if extra else [])]) + "\r\n\r\n").encode()

    return usual


@pytest.mark.parametrize(
    ("answer", "options", "shown"),
    [
        (
            _answer("Sec-WebSocket-Protocol: other"),
            {"headers": {"Sec-WebSocket-Protocol": "mine, SECRET"}},
            "not offered",
        ),
        (_answer("Sec-WebSocket-Protocol: unasked"), {}, "not offered"),
        (_answer(), {"headers": {"Sec-WebSocket-Protocol": "mine, SECRET"}}, "none of the subprotocols"),
        (
            _answer("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b"),
            {"headers": {"sec-websocket-protocol": "a,b"}},
            "not offered",
        ),
        (
            _answer("Sec-WebSocket-Extensions: x-mux\r\nSec-WebSocket-Extensions: permessage-deflate"),
            {"enableCompression": True},
            "not offered",
        ),
        (_answer("Sec-WebSocket-Extensions: x-mux"), {}, "not offered"),
        (_answer("Sec-WebSocket-Extensions: x-mux"), {"enableCompression": True}, "not offered"),
        (_answer("Sec-WebSocket-Extensions: permessage-deflate, x-mux"), {"enableCompression": True}, "not offered"),
        (_answer(without="Upgrade"), {}, "failed"),
        (_answer(without="Connection"), {}, "failed"),
        (_answer(without="Sec-WebSocket-Accept"), {}, "failed"),
        (_answer("a line that is no header"), {}, "failed"),
    ],
)
def test_a_101_that_is_none(
    answer: Callable[[WsServer, Peer], bytes], options: dict[str, Any], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    with WsServer() as server:
        server._usual = lambda peer: answer(server, peer)  # type: ignore[method-assign]
        with pytest.raises(ConnectFailed, match=shown) as caught:
            Dial(server.url + "?k=SECRET", host=Journal(), errors="raise", **options)
        assert server.peer().at_end()
    assert "SECRET" not in str(caught.value) + caplog.text


def test_the_subprotocol_that_was_asked_for() -> None:
    answer = _answer("Sec-WebSocket-Protocol: two")
    with WsServer() as server:
        server._usual = lambda peer: answer(server, peer)  # type: ignore[method-assign]
        client, peer = connect(server, headers={"Sec-WebSocket-Protocol": "one, two"})
        with client:
            assert peer.header("Sec-WebSocket-Protocol") == "one, two"
            peer.text("x")
            assert client.read() == "x"


@pytest.mark.parametrize("line", [b"X-More: and more\r\n", b"y" * 1000, b"\r", b" folded\r\n"])
def test_an_endless_answer_is_not_held(line: bytes) -> None:
    block = line * (65536 // len(line))
    with WsServer(handshake=False) as server:
        sent = [0]

        def answer() -> None:
            peer = server.peer()
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += peer.read_exactly(1)
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
            try:
                while sent[0] < 200 * MIB:
                    peer.send(block)
                    sent[0] += len(block)
            except OSError:
                pass  # the client has seen enough

        thread = threading.Thread(target=answer)
        thread.start()
        with at_most(3 * MIB), pytest.raises(ConnectFailed, match=r"longer than 65536|failed"):
            Dial(server.url, host=Journal(), errors="raise")
        thread.join(HANG_S)
        assert sent[0] < 100 * MIB
