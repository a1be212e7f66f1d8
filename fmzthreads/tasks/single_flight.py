"""Shares one fetch among all threads that request it at the same time."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..clock import Clock, Signal
from ..errors import FmzError, StopRequested
from ..fork import after_fork_in_child
from .gate import ungated

__all__ = ["SingleFlight"]

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.done = Signal()
        self.error: FmzError | None = None
        self.result: list[T] = []  # one element once it is done, so that None is a valid result


class SingleFlight(Generic[T]):
    """Runs a fetch once for several threads.

    Threads that call while it is running wait, and get the same result or a copy of its error.

    Args:
        clock: Used to wait; its stop ends a wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards _flight
        self._flight: _Flight[T] | None = None
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the thread that fetches does not exist here."""
        self._lock = threading.Lock()
        self._flight = None

    def run(self, fetch: Callable[[], T]) -> T:
        """Returns the result of ``fetch``, called in this thread or in an earlier caller's.

        The gate of this thread's call is suspended meanwhile: what is fetched here only prepares that call.

        Raises:
            FmzError: As ``fetch`` raised it.
        """
        while True:
            with self._lock:
                flight = self._flight
                mine = flight is None
                if flight is None:
                    flight = self._flight = _Flight()
            if mine:
                return self._fly(flight, fetch)
            self._clock.wait((flight.done,))
            if isinstance(flight.error, StopRequested) and not self._clock.stop.is_set():
                continue  # the fetching thread was stopped, and this one may go on: it tries itself
            if flight.error is not None:
                # A copy, because one exception raised in many threads would mix their tracebacks.
                raise copy.copy(flight.error) from flight.error
            if flight.result:
                return flight.result[0]
            # The fetching thread was interrupted (Ctrl-C): one of the waiting threads tries.

    def _fly(self, flight: _Flight[T], fetch: Callable[[], T]) -> T:
        try:
            with ungated():
                result = fetch()
            flight.result.append(result)
            return result
        except FmzError as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                self._flight = None
            flight.done.set()
