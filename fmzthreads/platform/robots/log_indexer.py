"""Grows the indexes of robots' logs in a thread of its own, which works half of the time at most."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ...clock import Waker
from ...errors import FmzError
from .tables import RobotTables

__all__ = ["LogIndexer"]

_log = logging.getLogger("fmzthreads.platform")
_PAUSE_S = 10.0


class LogIndexer:
    """The thread.

    Args:
        tables: The robots' tables.
        paths: Gives the databases of all robots.
        pause_s: How long it sleeps between two rounds, in seconds.
    """

    def __init__(self, tables: RobotTables, paths: Callable[[], Iterable[Path]], pause_s: float = _PAUSE_S) -> None:
        self._tables = tables
        self._paths = paths
        self._pause_s = pause_s
        self._end = threading.Event()
        self._bell = Waker()
        self._told: dict[Path, str] = {}  # of the thread only: what was logged of a path, which is not said every round
        self._thread = threading.Thread(target=self._run, name="fmzthreads-log-index", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends; what was indexed stays."""
        self._end.set()
        self._bell.wake()
        if self._thread.ident is not None:
            self._thread.join(10.0)

    def _run(self) -> None:
        self._bell.sleep(self._pause_s)  # the start of a platform has more urgent work
        while not self._end.is_set():
            try:
                for path in list(self._paths()):
                    self._grow(path)
            except FmzError as error:  # the robots cannot be listed now: the next round may work
                _log.warning("the logs are not indexed: %s", error)
            except Exception:  # the thread must go on; without it filters are slow, and the log says why
                _log.exception("the logs are not indexed")
            if not self._end.is_set():
                self._bell.sleep(self._pause_s)

    def _grow(self, path: Path) -> None:
        more = True
        while more and not self._end.is_set():
            began = time.monotonic()  # real time: it rests as long as it has loaded the machine
            try:
                more = self._tables.grow_index(path)
            except (FmzError, OSError) as error:  # a damaged log, a full disk: this robot's filters stay slow
                if self._told.get(path) != str(error):
                    self._told[path] = str(error)
                    _log.warning("the log %s is not indexed: %s", path, error)
                return
            self._told.pop(path, None)
            if more:
                self._bell.sleep(time.monotonic() - began)
