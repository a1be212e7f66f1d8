"""Simulated exchanges on the loopback, and players of recordings.

``SimulatorServer`` runs one venue in a thread, ``SimulatorProcess`` in a process of its own, ``StreamPlayer`` plays a recording of a real
websocket, and ``Faults`` injects errors. The names are imported at their first use, so that the engine
(``engine.exchange.SimulatedExchange``) works where the extra ``server`` (starlette, uvicorn) is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .faults import Faults
    from .process import SimulatorProcess
    from .replay.player import StreamPlayer
    from .server import SimulatorServer

__all__ = ["Faults", "SimulatorProcess", "SimulatorServer", "StreamPlayer"]

_MODULES = {
    "Faults": "faults",
    "SimulatorProcess": "process",
    "SimulatorServer": "server",
    "StreamPlayer": "replay.player",
}


def __getattr__(name: str) -> object:
    """Imports an exported name at its first use."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Imported here, because importing ``fmzthreads.simulator`` must not import the modules of its names.
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
