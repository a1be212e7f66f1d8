"""The progress of a long run on the terminal: a line that is redrawn a few times a second, from a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["bar_text", "showing_progress"]

_WIDTH = 40


def bar_text(share: float, note: str = "") -> str:
    """A bar such as ``[####      ]  40 %``.

    Args:
        share: What is done, 0 to 1.
        note: Stands after it.
    """
    share = min(1.0, max(0.0, share))
    full = round(share * _WIDTH)
    return f"[{'#' * full}{' ' * (_WIDTH - full)}] {share:4.0%}{f'  {note}' if note else ''}"


@contextmanager
def showing_progress(
    share: Callable[[], float],
    *,
    note: Callable[[], str] = str,
    shown: bool = True,
    stream: TextIO | None = None,
    every_s: float = 0.2,
) -> Iterator[None]:
    """Shows the progress of the ``with`` block.

    Args:
        share: Says what is done, 0 to 1; called from another thread.
        note: Says what stands after the bar.
        shown: Whether it is shown at all.
        stream: Where it is drawn; the standard error when None.
        every_s: The time between two drawings, in seconds.
    """
    if not shown:
        yield
        return
    out = stream if stream is not None else sys.stderr
    done = threading.Event()

    def _draw() -> None:
        while not done.wait(every_s):
            print(f"\r{bar_text(share(), note())}", end="", file=out, flush=True)

    drawer = threading.Thread(target=_draw, name="fmzthreads-progress", daemon=True)
    drawer.start()
    try:
        yield
    finally:
        done.set()
        drawer.join()
        print(f"\r{bar_text(share(), note())}", file=out, flush=True)
