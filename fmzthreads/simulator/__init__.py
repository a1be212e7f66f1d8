"""The simulated exchange: its core needs no extra; what listens, REST and websockets on one port, needs ``fmzthreads[server]``.

``core.SimulatedExchange`` is the exchange itself, ``market`` makes prices and depth in it, ``faults`` says how it should misbehave,
``server.SimulatorServer`` puts it on a port, and ``player.StreamPlayer`` plays recordings of real venues. Nothing is imported here, so
that the core can be used where starlette is absent.
"""

from __future__ import annotations

__all__: list[str] = []
