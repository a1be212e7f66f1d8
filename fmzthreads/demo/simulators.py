"""Starts a simulated Binance and a simulated OKX side by side, each in a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from ..errors import InputError
from ..runner.simulated import VENUES
from ..simulator import SimulatorProcess

__all__ = ["holdings", "simulators"]


@contextlib.contextmanager
def simulators(
    *, seed: int, data: Sequence[Path] = (), speed: float | None = None, deviation: float | None = None
) -> Iterator[dict[str, SimulatorProcess]]:
    """Runs two simulators that follow one price, each with its own noise and lag.

    Args:
        seed: The seed of the generated prices and of each venue's noise.
        data: Bar files to replay: none, one that drives both, or one for each.
        speed: Bars a second of a replay; None for the simulator's default.
        deviation: How far each venue's generated price strays from the common one, as a part of the price; None for the default.

    Raises:
        InputError: More than two files, or one that cannot be replayed.
        MissingExtra: The extra ``server`` is not installed.
    """
    if len(data) > 2:
        raise InputError(
            f"--data was given {len(data)} times, expected once (one file drives both) or twice (one each)"
        )
    files = [data[0], data[-1]] if data else [None, None]
    processes = [
        SimulatorProcess(
            venue, seed=seed, data=file, speed=speed if file else None, deviation=deviation if not file else None
        )
        for venue, file in zip(VENUES.values(), files, strict=True)
    ]
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.callback(process.stop)
        with ThreadPoolExecutor(len(processes)) as pool:
            # Both at once: most of a start is Python importing its modules.
            list(pool.map(SimulatorProcess.start, processes))
        yield dict(zip(VENUES, processes, strict=True))


def holdings(process: SimulatorProcess) -> dict[str, Decimal]:
    """The total balances by currency, free and frozen."""
    balances = process.state()["balances"]
    return {currency: Decimal(held["free"]) + Decimal(held["frozen"]) for currency, held in balances.items()}
