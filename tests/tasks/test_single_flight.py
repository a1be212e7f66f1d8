"""One fetch for many threads; how it serves the exchange and venue rooms is proven in theirs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.tasks.single_flight import SingleFlight


def test_somebody_else_tries_when_the_one_who_fetches_is_interrupted() -> None:
    flight: SingleFlight[int] = SingleFlight(WallClock())
    started, release = threading.Event(), threading.Event()

    def interrupted() -> int:
        started.set()
        release.wait(30)
        raise KeyboardInterrupt

    def first() -> Any:
        with pytest.raises(KeyboardInterrupt):
            flight.run(interrupted)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert started.wait(30)
        other = pool.submit(flight.run, lambda: 7)
        release.set()
        one.result(30)
        assert other.result(30) == 7
