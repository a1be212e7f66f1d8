"""The simulator's own interface, beside the exchange's.

Faults, the state of the account, and closing the port.

======================================  ==================================================================================
``GET /_simulator/faults``              what is on, and how often each fault was injected
``POST /_simulator/faults``             one object such as ``{"path": "/api/v3/order", "hang": true}``, or a list of them
``DELETE /_simulator/faults``           switches off all faults and releases held calls
``POST /_simulator/release``            releases held calls; the faults stay on
``POST /_simulator/refuse``             ``{"seconds": 2}``: closes the port for so long; connecting is refused meanwhile
``GET /_simulator/state``               balances, open orders, and the sums of fills and fees, to reconcile with
``GET /_simulator/contracts``           where contracts are traded: their mark and index prices and funding; POST changes them
                                        (see ``contract_control``)
======================================  ==================================================================================

Faults never strike here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import InputError, require
from .faults import Faults
from .transport.listener import ServingThread

__all__ = ["control_routes"]

_LONGEST_S = 3600


def control_routes(faults: Faults, state: Callable[[], dict[str, Any]]) -> list[Any]:
    """The routes, for a starlette router (Any: starlette is an extra).

    Args:
        faults: What is switched.
        state: Makes the answer of ``/_simulator/state``.

    Raises:
        MissingExtra: starlette is not installed.
    """
    routing = require("starlette.routing", "server")
    responses = require("starlette.responses", "server")
    background = require("starlette.background", "server")

    def _answer(data: Any, status: int = 200) -> Any:
        return responses.JSONResponse(data, status)

    def _settings() -> Any:
        return _answer({"faults": faults.settings(), "injected": faults.counts()})

    async def _change_faults(request: Any) -> Any:
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            try:
                faults.apply_json(await request.body())
            except InputError as error:
                return _answer({"error": str(error)}, 400)
        return _settings()

    async def _release(request: Any) -> Any:
        return _answer({"released": faults.release()})

    async def _refuse(request: Any) -> Any:
        try:
            seconds = _seconds(await request.body())
        except InputError as error:
            return _answer({"error": str(error)}, 400)
        wire: ServingThread = request.scope["state"]["wire"]

        async def _close() -> None:
            wire.refuse_for(seconds, request.scope)

        # The port closes once this answer has been sent.
        return responses.JSONResponse({"seconds": seconds}, background=background.BackgroundTask(_close))

    async def _show_state(request: Any) -> Any:
        return _answer(state())

    return [
        routing.Route("/_simulator/faults", _change_faults, methods=["GET", "POST", "DELETE"]),
        routing.Route("/_simulator/release", _release, methods=["POST"]),
        routing.Route("/_simulator/refuse", _refuse, methods=["POST"]),
        routing.Route("/_simulator/state", _show_state, methods=["GET"]),
    ]


def _seconds(body: bytes) -> float:
    """The number of seconds in a body.

    Raises:
        InputError: It is not ``{"seconds": number}`` with a number above 0.
    """
    try:
        data = json.loads(body)
        seconds = data["seconds"]
    except (ValueError, TypeError, KeyError):
        raise InputError('expected {"seconds": 2}') from None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= _LONGEST_S:
        raise InputError(f"seconds must be a number above 0 and at most {_LONGEST_S}, got {seconds!r}")
    return float(seconds)
