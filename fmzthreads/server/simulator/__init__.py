"""The simulated exchange: its core needs no extra; the REST dialects need ``fmzthreads[server]``.

``core.SimulatedExchange`` is the exchange itself, ``market`` makes prices and depth in it, ``faults`` says how it should misbehave. Nothing
is imported here, so that the core can be used where starlette is absent.
"""

from __future__ import annotations

__all__: list[str] = []
