"""Paper accounts by file: the exchange objects of a process that name the same file trade with one account."""

from __future__ import annotations

import threading
from pathlib import Path

from ....clock import Clock
from ....fork import after_fork_in_child
from ..settings import Paper
from .account import PaperAccount
from .store import PaperStore

__all__ = ["PAPER_ACCOUNTS", "PaperAccounts"]


class PaperAccounts:
    """The open accounts of this process; thread-safe."""

    def __init__(self) -> None:
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards the dict
        self._open: dict[Path, tuple[PaperAccount, int]] = {}

    def open(self, path: Path | None, paper: Paper, clock: Clock) -> PaperAccount:
        """Opens an account, or joins the one that is open.

        Raises:
            OperationFailed: The file cannot be used, or another process trades with it.
        """
        if path is None:
            return PaperAccount(PaperStore(None), paper, clock)
        where = path.absolute()
        with self._lock:
            account, users = self._open.get(where) or (PaperAccount(PaperStore(where), paper, clock), 0)
            self._open[where] = (account, users + 1)
            return account

    def leave(self, account: PaperAccount) -> None:
        """Closes an account's file when nothing uses it any more."""
        path = account.store.path
        if path is None:
            return
        with self._lock:
            known, users = self._open.get(path, (None, 0))
            if known is not account:
                return
            if users > 1:
                self._open[path] = (account, users - 1)
                return
            del self._open[path]
            account.store.close()


PAPER_ACCOUNTS = PaperAccounts()
"""The accounts of this process."""
