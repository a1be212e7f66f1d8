"""Injects faults into the messages of one websocket connection; see ``faults``."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Any, Protocol

from ..faults import Faults
from .frames import BINARY, TEXT, build_frame
from .push import Push

__all__ = ["HUGE_BYTES", "Breaker"]

HUGE_BYTES = 16 * 1024 * 1024
"""The length of the huge message."""

_PIECES = 48
_PIECE_S = 0.0005  # between two pieces, so that the peer's reads do not join them again
_FLOOD_TICK_S = 0.01
_CHECKSUM = re.compile(rb'("checksum":)(-?[1-9][0-9]*)')
_GARBAGE = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + bytes(range(255, 127, -1))


class FaultyWire(Protocol):
    """The part of a connection that the faults use.

    Attributes:
        path: The path that it was opened with.
        transport: asyncio's transport (Any: uvicorn hands it over).
    """

    path: str
    transport: Any

    def write_frame(self, data: bytes) -> None:
        """Writes a frame unless the client's backlog is full."""

    def write_now(self, data: bytes) -> None:
        """Writes bytes without any check."""

    def overfull(self) -> bool:
        """Whether the client's backlog was full; it has then been disconnected."""

    def close(self, code: int, reason: str = "") -> None:
        """Closes with a close frame."""

    def cut(self) -> None:
        """Ends the connection without a close frame."""


class Breaker:
    """The faults of one connection. All calls come from the loop.

    Args:
        faults: The faults to inject.
        connection: The connection.

    Attributes:
        silent: Whether the connection is permanently silent.
        pending: Bytes to be sent in pieces.
        allowance: Bytes that a huge message may add to the backlog of a slow client.
    """

    def __init__(self, faults: Faults, connection: FaultyWire) -> None:
        self._faults = faults
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self.pending = 0
        self._pump: asyncio.TimerHandle | None = None
        self._flood: asyncio.TimerHandle | None = None
        self._repeated = b""
        self._owed = 0.0
        self.silent = False
        self.allowance = 0

    @property
    def idle(self) -> bool:
        """Whether no fault is on, so that a message can be sent directly."""
        return not self._faults.active and not self.silent

    def stop(self) -> None:
        """Called when the connection has ended."""
        for timer in (self._pump, self._flood):
            if timer is not None:
                timer.cancel()
        self._pump = self._flood = None
        self._pieces.clear()
        self.pending = 0

    # --- messages ---

    def send(self, push: Push, frame: bytes) -> None:
        """Sends a message with the faults applied."""
        connection = self._connection
        if self.silent or self._ends(frame):
            return
        if self._strikes("ws_no_data") or (push.sequenced and self._strikes("ws_skip")):
            return
        if self._strikes("ws_huge"):
            self._send_huge()
        if self._strikes("ws_garbage"):
            frame = build_frame(BINARY, _GARBAGE)
        elif _CHECKSUM.search(frame) and self._strikes("ws_bad_checksum"):
            frame = _with_wrong_checksum(push, frame)
        if self._strikes("ws_split"):
            self._split(frame)
        else:
            connection.write_frame(frame)
        self._start_flood(push, frame)

    def _strikes(self, name: str) -> bool:
        return self._faults.strikes(name, self._connection.path)

    def _ends(self, frame: bytes) -> bool:
        """Ends or silences the connection instead of sending, if a fault says so; whether it did."""
        connection = self._connection
        if self._strikes("ws_silent"):
            self.silent = True
        elif self._strikes("ws_close"):
            connection.close(1012, "service restart")
        elif self._strikes("ws_cut"):
            connection.cut()
        elif self._strikes("ws_cut_frame"):
            connection.write_now(frame[: max(3, len(frame) // 2)])
            connection.cut()
        else:
            return False
        return True

    def _send_huge(self) -> None:
        head, tail = b'{"e":"huge","x":"', b'"}'
        self.allowance = HUGE_BYTES + 64
        self._connection.write_frame(build_frame(TEXT, head + b"x" * (HUGE_BYTES - len(head) - len(tail)) + tail))

    # --- the wire ---

    def write(self, data: bytes) -> None:
        """Writes bytes after those that are still sent in pieces."""
        if self._pieces:
            self._pieces.append(data)
            self.pending += len(data)
        else:
            self._connection.transport.write(data)

    def _split(self, frame: bytes) -> None:
        if self._connection.overfull():
            return  # the pieces are sent more slowly than messages arrive: treated like any slow client
        size = max(1, -(-len(frame) // _PIECES))
        self.pending += len(frame)
        self._pieces.extend(frame[start : start + size] for start in range(0, len(frame), size))
        if self._pump is None:
            self._write_piece()

    def _write_piece(self) -> None:
        self._pump = None
        if self._pieces and not self.silent:
            piece = self._pieces.popleft()
            self.pending -= len(piece)
            self._connection.write_now(piece)
        if self._pieces:
            self._pump = asyncio.get_running_loop().call_later(_PIECE_S, self._write_piece)

    # --- the flood ---

    def _start_flood(self, push: Push, frame: bytes) -> None:
        if self._faults.number("ws_flood", self._connection.path) and (not push.sequenced or not self._repeated):
            self._repeated = frame
            if self._flood is None:
                self._owed = 0.0
                self._repeat()

    def _repeat(self) -> None:
        """Sends the copies due since the last call."""
        self._flood = None
        rate = self._faults.number("ws_flood", self._connection.path)
        if not rate or self.silent:
            self._repeated = b""
            return
        self._owed += rate * _FLOOD_TICK_S
        count, self._owed = int(self._owed), self._owed % 1
        if count:
            self._connection.write_frame(self._repeated * count)
        self._flood = asyncio.get_running_loop().call_later(_FLOOD_TICK_S, self._repeat)


def _with_wrong_checksum(push: Push, frame: bytes) -> bytes:
    """The message with a wrong checksum."""
    text = _CHECKSUM.sub(lambda found: found[1] + str(int(found[2]) ^ 1).encode(), push.text)
    return build_frame(TEXT, text if frame is push.plain else push.before + text + push.after)
