"""``Go`` in a backtest: the call is made at once, and the handle is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import no_such_name
from ...tasks.handle import WaitResult
from .base import ExchangeBase

__all__ = ["DoneCall", "GoCalls"]

_NOT_BY_GO = frozenset({"Go"})


class DoneCall:
    """The result of a call that was made; it can be taken once.

    Args:
        name: The method.
        value: What it returned.
        waited: Called when the result is asked for.
        misuse: Called with a text when the result is asked for a second time.
    """

    __slots__ = ("_misuse", "_taken", "_value", "_waited", "name")

    def __init__(self, name: str, value: Any, waited: Callable[[], None], misuse: Callable[[str], None]) -> None:
        self.name = name
        self._value = value
        self._waited = waited
        self._misuse = misuse
        self._taken = False

    def wait(self, timeout: float | None = None) -> WaitResult:
        """Returns ``(value, True)``; ``(None, False)`` with an error row when the result was taken before.

        Args:
            timeout: Without effect: the call is done.
        """
        self._waited()
        if self._taken:
            self._misuse(f"the result of {self.name} was taken before: a handle can be waited for once")
            return WaitResult(None, False)
        self._taken = True
        value, self._value = self._value, None
        return WaitResult(value, True)


class GoCalls(ExchangeBase):
    """``Go`` of a simulated exchange."""

    def Go(self, method: str, *args: Any) -> DoneCall:
        """Makes a call at once and returns a handle that is done.

        With ``go: concurrent`` in the header, calls that are started one after the other without anything else in between share their latency:
        only the first one of them takes the network's time.

        Args:
            method: The method's name, such as ``"GetDepth"``.
            args: Its arguments.

        Raises:
            UnknownName: There is no such method.
            EOFError: The data ended.
        """
        engine = self._engine
        with self._lock:
            work = getattr(type(self), method, None) if isinstance(method, str) and method[:1].isupper() else None
            if work is None or method in _NOT_BY_GO:
                names = [name for name in dir(type(self)) if name[:1].isupper() and name not in _NOT_BY_GO]
                raise no_such_name("an exchange has no method for background calls named", method, names)
            together = engine.settings.concurrent_go and engine.together_ms == self._time.now_ms
            delay_ms = self._delay_ms
            if together:
                self._delay_ms = 0
            try:
                value = work(self, *args)
            finally:
                if together:
                    self._delay_ms = delay_ms
            engine.together_ms = self._time.now_ms
            return DoneCall(method, value, self._waited, self._error)

    def _waited(self) -> None:
        """Notes that what is started from now on is started after a call has ended."""
        self._engine.together_ms = -1
