"""Requests that the venue has refused are blocked until its limit or ban ends."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import attrs

from ...clock import Clock
from ...errors import Banned, RateLimited
from ...fork import after_fork_in_child

__all__ = ["Doors"]


@attrs.frozen
class _Block:
    until: float
    banned: bool
    why: str
    code: str


class Doors:
    """Blocks requests that the venue would refuse, until its limit or ban ends.

    Args:
        venue: The venue's name, for messages.
        clock: Our clock.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._lock = threading.Lock()  # guards _blocks
        self._blocks: dict[str, _Block] = {}
        after_fork_in_child(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()

    def shut(self, door: str, error: RateLimited) -> None:
        """Blocks a group of requests for ``error.retry_after_s`` seconds; the later of two ends counts.

        Args:
            door: The group to block, such as ``"orders"``; ``""`` for all requests.
            error: The venue's refusal.
        """
        until = self._clock.monotonic() + (error.retry_after_s or 0.0)
        block = _Block(until, isinstance(error, Banned), str(error.args[0]), error.code)
        with self._lock:
            known = self._blocks.get(door)
            if known is None or known.until < until:
                self._blocks[door] = block

    def open_all(self) -> None:
        """Forgets all blocks (for example when the base URL changes)."""
        with self._lock:
            self._blocks.clear()

    @property
    def are_shut(self) -> bool:
        """Whether any may be."""
        return bool(self._blocks)

    def check(self, *doors: str) -> None:
        """Refuses a request that is blocked.

        Args:
            doors: The groups of the request, besides ``""``.

        Raises:
            Banned: The venue has banned this IP address; the message says until when.
            RateLimited: A limit was hit; the message says when the next request may go.
        """
        if not self._blocks:
            return
        now = self._clock.monotonic()
        # A group such as "trade/order:BTC-USDT" is blocked with its endpoint "trade/order".
        doors = (*doors, *(door.partition(":")[0] for door in doors if ":" in door))
        with self._lock:
            for door in [door for door, block in self._blocks.items() if block.until <= now]:
                del self._blocks[door]
            shut = [self._blocks[door] for door in ("", *doors) if door in self._blocks]
        if shut:
            block = max(shut, key=lambda one: one.until)
            raise self.refusal(block.until - now, f"its reply was: {block.why}", banned=block.banned, code=block.code)

    def refusal(self, left_s: float, why: str, *, banned: bool, code: str = "") -> RateLimited:
        """The error for a blocked request.

        Args:
            left_s: Seconds until the block ends.
            why: The end of the message: how it is known.
            banned: Whether it is a ban of this IP address.
            code: The venue's code; empty if not known.
        """
        end = datetime.fromtimestamp(self._clock.now() + left_s, tz=UTC)
        kind = Banned if banned else RateLimited
        return kind(
            f"{self._venue} refuses requests of this kind until {end:%H:%M:%S} UTC ({left_s:.1f} s from now); nothing was sent; {why}",
            retry_after_s=left_s,
            code=code,
        )
