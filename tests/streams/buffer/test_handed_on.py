"""A reader that is interrupted just after it was woken hands the wake-up on."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from fmzthreads.clock import ManualClock, Signal
from fmzthreads.streams.buffer.buffer import MessageBuffer
from tests.helpers.threads import PATIENCE_S, run_in_thread


class _Interrupting(ManualClock):
    """Raises KeyboardInterrupt in one thread as soon as its wait has ended."""

    victim = 0

    def wait(self, signals: Iterable[Signal], timeout_s: float | None = None) -> bool:
        woken = super().wait(signals, timeout_s)
        if threading.get_ident() == self.victim:
            raise KeyboardInterrupt
        return woken


def test_a_wake_up_is_handed_on_at_ctrl_c() -> None:
    clock = _Interrupting()
    buffer = MessageBuffer(clock, qsize=10, qbytes=1000)
    first = run_in_thread(buffer.read, 10_000)
    assert clock.wait_for_sleepers(1, PATIENCE_S)
    second = run_in_thread(buffer.read, 10_000)
    assert clock.wait_for_sleepers(2, PATIENCE_S)
    clock.victim = first.thread.ident or 0
    buffer.push(["one"])
    assert isinstance(first.error(), KeyboardInterrupt)
    assert second.result() == "one"
    buffer.close()
