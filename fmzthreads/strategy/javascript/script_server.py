"""``threading.Serve`` and ``__Serve``: a server whose handler runs in a context of its own for each request.

Source: FMZ's syntax guide, "threading.Serve".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ...serve.address import ServeAddress
from ...serve.caller import Caller
from ...serve.server import LocalServer
from ..runtime import current
from .shared_objects import CallingThread, SharedObject
from .values import UNDEFINED

__all__ = ["RequestObject", "ServerObject"]


class ServerObject(SharedObject):
    """A server, as all threads of the strategy know it.

    Args:
        uri: Where it listens; see ``ServeAddress.read``.
        answer: Called with each caller, in a thread of its own.

    Raises:
        InputError: The address is not valid, or cannot be had.
    """

    kind = "Server"

    def __init__(self, uri: Any, answer: Callable[[Caller], None]) -> None:
        super().__init__()
        if not isinstance(uri, str):
            raise InputError(f"threading.Serve needs an address such as 'http://127.0.0.1:8080', got {uri!r}")
        runtime = current()

        def _failed(error: BaseException) -> None:
            runtime.error(str(error), source="Serve")

        self.server = LocalServer(ServeAddress.read(uri), answer, runtime.clock, failed=_failed)

    def addr(self, own: CallingThread) -> str:
        """The address that it listens on."""
        return self.server.addr()

    def close(self, own: CallingThread) -> None:
        """Accepts no more requests."""
        self.server.close()

    def stop(self, own: CallingThread) -> None:
        """Closes, and ends running handlers."""
        self.server.stop()

    def join(self, own: CallingThread, timeout_ms: float | None = None) -> bool:
        """Waits until it is closed and idle; False after the time-out."""
        return self.server.join(timeout_ms)

    def pending(self, own: CallingThread) -> int:
        """How many handlers are running."""
        return self.server.pending()


class RequestObject(SharedObject):
    """The ``ctx`` of a handler.

    Args:
        caller: The request or connection.
    """

    kind = "Request"

    def __init__(self, caller: Any) -> None:
        super().__init__()
        self._caller = caller

    def call(self, name: str, args: tuple[Any, ...]) -> Any:
        """Calls a method; what has no value is undefined, as in FMZ's JavaScript."""
        method = getattr(self._caller, name, None)
        if method is None:
            raise InputError(f"{name} is for HTTP requests only")
        if name == "write" and args and isinstance(args[0], dict) and "__fmz_bytes" in args[0]:
            args = (str(args[0]["__fmz_bytes"]).encode("latin-1"), *args[1:])
        found = method(*args)
        return UNDEFINED if found is None and name == "header" else found
