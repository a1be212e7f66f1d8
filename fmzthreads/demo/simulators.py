"""Starts the simulated exchanges of a demo side by side, each in a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from ..errors import InputError
from ..runner.simulated import products_of, simulator_of
from ..simulator import SimulatorProcess

__all__ = ["holdings", "simulators"]


@contextlib.contextmanager
def simulators(
    names: Sequence[str],
    *,
    seed: int,
    data: Sequence[Path] = (),
    speed: float | None = None,
    deviation: float | None = None,
) -> Iterator[dict[str, SimulatorProcess]]:
    """Runs simulators that follow one price, each with its own noise and lag.

    Args:
        names: FMZ's names of the exchanges; those of one venue share a simulator.
        seed: The seed of the generated prices and of each venue's noise.
        data: Bar files to replay: none, one that drives all, or one for each simulator.
        speed: Bars a second of a replay; None for the simulator's default.
        deviation: How far each market's generated price strays from the common one, as a part of the price; None for the default.

    Yields:
        The running simulators by FMZ's name.

    Raises:
        InputError: More files than simulators, or one that cannot be replayed.
        MissingExtra: The extra ``server`` is not installed.
    """
    products = products_of(names)
    if len(data) > len(products):
        expected = "once (one file drives both)" + (" or twice (one each)" if len(products) > 1 else "")
        raise InputError(f"--data was given {len(data)} times, expected {expected}")
    files = [data[0], *data[1:], *[data[-1]] * (len(products) - len(data))] if data else [None] * len(products)
    processes = {
        venue: SimulatorProcess(
            venue, seed=seed, data=file, products=more or None, speed=speed if file else None,
            deviation=deviation if not file else None,
        )
        for (venue, more), file in zip(products.items(), files, strict=True)
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        for process in processes.values():
            stack.callback(process.stop)
        with ThreadPoolExecutor(len(processes)) as pool:
            # All at once: most of a start is Python importing its modules.
            list(pool.map(SimulatorProcess.start, processes.values()))
        yield {name: processes[simulator_of(name)] for name in names}


def holdings(process: SimulatorProcess, product: str = "") -> dict[str, Decimal]:
    """The total balances by currency, free and frozen; of contracts the wallets, and the positions by contract.

    Args:
        process: The simulator.
        product: ``um`` for the account of Binance's USDⓈ-M contracts; empty for spot.
    """
    state = process.state()
    if not product:
        return {name: Decimal(held["free"]) + Decimal(held["frozen"]) for name, held in state["balances"].items()}
    account = state["contracts"][product]
    found = {name: Decimal(amount) for name, amount in account["wallets"].items()}
    for position in account["positions"]:
        name = position["instrument"]
        found[name] = found.get(name, Decimal(0)) + Decimal(position["quantity"])
    return found
