"""Starts the simulated exchanges of a run, one process a venue, and says how to reach them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import UnknownName, nearest
from ..exchange.keys.credentials import variable
from ..simulator import SimulatorProcess
from ..simulator.faults import parse_fault

__all__ = ["VENUES", "environment", "parse_faults", "products_of", "set_faults", "simulated_exchanges", "simulator_of"]

# FMZ's name of each venue that can be simulated, and the simulator's.
VENUES = {"Binance": "binance", "OKX": "okx"}
_SIMULATORS = {
    **VENUES,
    "ccxt:binance": "binance",
    "ccxt:okx": "okx",
    "Futures_Binance": "binance",
    "Futures_OKX": "okx",
}
_PRODUCTS = {"Futures_Binance": ("um", "cm"), "Futures_OKX": ("swap",)}  # what a name needs besides spot


@contextlib.contextmanager
def simulated_exchanges(
    names: Iterable[str], *, pairs: Iterable[str] = (), seed: int = 1, faults: Sequence[str] = ()
) -> Iterator[dict[str, SimulatorProcess]]:
    """Runs a simulator for each venue; they follow one price, each with its own noise and lag.

    Args:
        names: FMZ's names (with ``Futures_Binance`` and ``Futures_OKX``), or ``ccxt:binance`` and ``ccxt:okx``; one simulator is started for each venue, whatever its names.
        pairs: Pairs that the strategy trades; those that a simulator does not have by itself are added at a price of 100.
        seed: The seed of the generated prices and of each venue's noise.
        faults: ``[VENUE:]NAME=VALUE``; without a venue for all.

    Yields:
        The running simulators by FMZ's name.

    Raises:
        UnknownName: A venue cannot be simulated, or a fault does not exist.
        InputError: A fault is not of this form.
        MissingExtra: The extra ``server`` is not installed.
    """
    wanted = list(dict.fromkeys(names))
    products = products_of(wanted)
    parsed = parse_faults(faults, wanted)
    symbols = _symbols(pairs)
    venues = {
        venue: SimulatorProcess(venue, seed=seed, symbols=symbols, products=more or None)
        for venue, more in products.items()
    }
    processes = {name: venues[simulator_of(name)] for name in wanted}
    with contextlib.ExitStack() as stack:
        for process in venues.values():
            stack.callback(process.stop)
        with ThreadPoolExecutor(max(1, len(venues))) as pool:
            # All at once: most of a start is Python importing its modules.
            list(pool.map(SimulatorProcess.start, venues.values()))
        set_faults(processes, parsed)
        yield processes


def simulator_of(name: str) -> str:
    """The simulator's name of a venue.

    Raises:
        UnknownName: It cannot be simulated.
    """
    if name not in _SIMULATORS:
        raise UnknownName(f"--simulated: no simulator for the exchange {name!r}{nearest(name, _SIMULATORS)}")
    return _SIMULATORS[name]


def products_of(names: Iterable[str]) -> dict[str, list[str]]:
    """The simulators that FMZ's names need, each with what it must trade besides spot.

    Raises:
        UnknownName: A venue cannot be simulated.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(simulator_of(name), []).extend(_PRODUCTS.get(name, ()))
    return found


def _symbols(pairs: Iterable[str]) -> list[str] | None:
    """What the simulators trade; None for their own pairs where those are enough."""
    usual = ("BTC_USDT", "ETH_USDT")
    others = [pair for pair in dict.fromkeys(pair.partition(".")[0] for pair in pairs) if pair not in usual]
    return [*usual, *(f"{pair}=100" for pair in others)] if others else None


def parse_faults(texts: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """Reads ``--fault`` options: faults by FMZ's venue name; one that names no venue is for all.

    Args:
        texts: The options, ``[VENUE:]NAME=VALUE``.
        names: FMZ's names of the venues that are simulated.

    Raises:
        InputError: One is not of this form.
        UnknownName: There is no such venue or fault.
    """
    found: dict[str, list[str]] = {name: [] for name in names}
    by_simulator = {_SIMULATORS[name]: name for name in names}
    for text in texts:
        venue, colon, fault = text.partition(":")
        if not colon:
            venue, fault = "", text
        elif venue not in by_simulator:
            raise UnknownName(f"--fault {text!r}: unknown venue {venue!r}{nearest(venue, by_simulator)}")
        parse_fault(fault)
        for name in [by_simulator[venue]] if venue else names:
            found[name].append(fault)
    return found


def set_faults(processes: Mapping[str, SimulatorProcess], faults: Mapping[str, Sequence[str]]) -> None:
    """Switches on what ``parse_faults`` read."""
    for venue, texts in faults.items():
        for text in texts:
            name, value, path = parse_fault(text)
            processes[venue].set_faults(path, **{name: value})


def environment(processes: Mapping[str, SimulatorProcess]) -> dict[str, str]:
    """The environment variables that lead ``Exchange(...)`` of a plain script to the simulators."""
    found = {}
    for name, process in processes.items():
        found[variable(name, "base")] = process.base_url
        found[variable(name, "access_key")] = process.key
        found[variable(name, "secret_key")] = process.secret
        if process.passphrase:
            found[variable(name, "passphrase")] = process.passphrase
    return found
