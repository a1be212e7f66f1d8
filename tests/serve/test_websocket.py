"""Websockets of a server, with a client of another library and with frames by hand."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from fmzthreads.clock import WallClock
from fmzthreads.serve.address import ServeAddress
from fmzthreads.serve.request_reader import RequestHead
from fmzthreads.serve.server import LocalServer
from fmzthreads.serve.websocket import accept_text
from fmzthreads.streams.websocket.frames import build_frame

_WAIT_S = 60.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
FIELDS = {
    "Host": "a", "Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13",
}  # fmt: skip


def head(method: str = "GET", minor: int = 1, **changes: str) -> RequestHead:
    fields = {**FIELDS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return RequestHead(method, "/", minor, tuple((name, value) for name, value in fields.items() if value))


def test_the_answer_of_the_rfcs_example() -> None:
    assert accept_text(head()) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


@pytest.mark.parametrize(
    "request_head",
    [
        head("POST"), head(minor=0), head(Connection="keep-alive"), head(Upgrade="h2c"), head(Sec_WebSocket_Version="8"),
        head(Sec_WebSocket_Key="short"), head(Sec_WebSocket_Key="!!!"), head(Sec_WebSocket_Key=""),
    ],
)  # fmt: skip
def test_what_is_no_handshake_stays_a_request(request_head: RequestHead) -> None:
    assert accept_text(request_head) is None


class Echo:
    """Echoes messages; ends at the end of the connection, or at ``bye``."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.ended = threading.Event()
        self.written: list[int] = []
        self.clock = WallClock()
        self.errors: list[BaseException] = []
        self.server = LocalServer(
            ServeAddress.read("http://127.0.0.1:0"), self.handle, self.clock, failed=self.errors.append
        )

    def handle(self, caller: Any) -> None:
        if not caller.upgrade("websocket"):
            caller.write("plain")
            return
        assert caller.upgrade("websocket")
        while True:
            self.got.append(caller.read())
            if self.got[-1] in {"", "bye"}:
                break
            self.written.append(caller.write(self.got[-1]))
        self.written.append(caller.write("late"))
        self.ended.set()

    def connect(self) -> socket.socket:
        """A client after its handshake."""
        host, _, port = self.server.addr().rpartition(":")
        client = socket.create_connection((host, int(port)), timeout=_WAIT_S)
        lines = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())
        client.sendall(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += client.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")
        return client


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.server.stop()
    assert echo.server.join(_WAIT_S * 1000)
    assert echo.errors == []


def test_a_client_of_another_library(echo: Echo) -> None:
    client = websocket.create_connection(f"ws://{echo.server.addr()}/", timeout=_WAIT_S)
    texts = ["short", "é" * 100, "long " * 1_000, "very long " * 20_000]
    for text in texts:
        client.send(text)
        assert client.recv() == text
    client.send_binary(b"\xff\x00")
    assert client.recv() == b"\xff\x00"
    client.ping("are you there")
    client.send("after")
    assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"are you there")
    assert client.recv() == "after"
    client.send("bye")
    assert client.recv() == "late"
    client.close()
    assert echo.got[:2] == ["short", "é" * 100]


def test_a_closed_connection_reads_as_empty_and_takes_no_bytes(echo: Echo) -> None:
    client = websocket.create_connection(f"ws://{echo.server.addr()}/", timeout=_WAIT_S)
    client.send("one")
    assert client.recv() == "one"
    client.close()
    assert echo.ended.wait(_WAIT_S)
    assert (echo.got, echo.written) == (["one", ""], [3, 0])


def test_a_lost_connection_reads_as_empty(echo: Echo) -> None:
    with echo.connect() as client:
        client.sendall(build_frame(1, b"one"))
        assert client.recv(5, socket.MSG_WAITALL) == b"\x81\x03one"
    assert echo.ended.wait(_WAIT_S)
    assert echo.got == ["one", ""]


def test_frames_in_single_bytes_and_in_fragments(echo: Echo) -> None:
    with echo.connect() as client:
        first = bytearray(build_frame(1, b"ab"))
        first[0] &= 0x7F  # not the last one
        last = bytearray(build_frame(1, b"cd"))
        last[0] = 0x80
        for byte in bytes(first + last + build_frame(1, b"x" * 200)):
            client.sendall(bytes((byte,)))
        assert client.recv(6, socket.MSG_WAITALL) == b"\x81\x04abcd"
        assert client.recv(204, socket.MSG_WAITALL) == b"\x81\x7e\x00\xc8" + b"x" * 200


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x03abc", 1002),  # without a mask
        (b"\xf1" + build_frame(1, b"a")[1:], 1002),  # reserved bits
        (b"\x83" + build_frame(1, b"a")[1:], 1002),  # an opcode of nobody
        (b"\x80" + build_frame(1, b"a")[1:], 1002),  # a fragment of nothing
        (build_frame(1, b"\xff"), 1007),
        (build_frame(8, b"\x03"), 1002),
        (b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"abcd", 1009),
        (build_frame(8, b"\x03\xe9"), 1001),
        (build_frame(8, b""), 1000),
    ],
    ids=[
        "no mask",
        "reserved bits",
        "opcode",
        "lone fragment",
        "no text",
        "half a code",
        "too large",
        "leaving",
        "no code",
    ],
)
def test_what_is_against_the_protocol_closes_with_a_code(echo: Echo, data: bytes, code: int) -> None:
    with echo.connect() as client:
        client.sendall(data)
        assert client.recv(4, socket.MSG_WAITALL) == b"\x88\x02" + struct.pack(">H", code)
        assert client.recv(1) == b""
    assert echo.got == [""]


def test_read_times_out_and_polls(echo: Echo) -> None:
    seen: list[Any] = []
    done = threading.Event()

    def handle(caller: Any) -> None:
        caller.upgrade()
        seen.extend((caller.read(-1), caller.read(20)))
        caller.write("now")
        seen.append(caller.read())
        done.set()

    echo.server._handle = handle
    client = websocket.create_connection(f"ws://{echo.server.addr()}/", timeout=_WAIT_S)
    assert client.recv() == "now"
    client.send("x")
    assert done.wait(_WAIT_S)
    client.close()
    assert seen == [None, None, "x"]
