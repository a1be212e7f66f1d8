"""The kill switch of a strategy: a file that holds back all new orders until it is released, also after a restart.

There are two places: one for the strategy alone, beside its order log, and one in the folder of all strategies of this user. Whoever
makes one of the files, from whatever process, stops the strategy at its next order.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from ...clock import Clock
from ...errors import FmzError, GuardRefused, OperationFailed, short_repr
from ...fork import after_fork_in_child

__all__ = ["FILE_NAME", "KillReport", "KillSwitch", "Killed", "read_killed", "remove_killed", "write_killed"]

FILE_NAME = "killed.json"

_LONGEST_REASON = 200


@attrs.frozen(kw_only=True)
class Killed:
    """Who killed a strategy, and why.

    Attributes:
        reason: The reason as given; may be empty.
        at_s: When, in seconds since the epoch; 0 if the file does not tell.
        protective: Whether protective orders were to be cancelled too.
        everywhere: Whether all strategies of this user are killed, not this one alone.
    """

    reason: str = ""
    at_s: float = 0.0
    protective: bool = False
    everywhere: bool = False


@attrs.frozen(kw_only=True)
class KillReport:
    """What became of the open orders when the strategy was killed.

    Attributes:
        cancelled: How many were cancelled.
        kept: How many protective ones (reduce-only condition orders) were kept.
        failed: What could not be cancelled or listed, one text each.
    """

    cancelled: int = 0
    kept: int = 0
    failed: tuple[str, ...] = ()

    def plus(self, other: KillReport) -> KillReport:
        """Both together."""
        return KillReport(
            cancelled=self.cancelled + other.cancelled,
            kept=self.kept + other.kept,
            failed=(*self.failed, *other.failed),
        )

    def words(self) -> str:
        """The report as a line of text."""
        text = f"{self.cancelled} open orders cancelled"
        if self.kept:
            text += f", {self.kept} protective ones kept"
        return f"{text}; failed: {'; '.join(self.failed)}" if self.failed else text


def read_killed(path: Path) -> Killed | None:
    """Reads a kill file; None if it does not exist. A file that cannot be read kills as well."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Killed(reason=f"{path} cannot be read: {error.strerror or error}")
    try:
        row = json.loads(text)
        return Killed(reason=str(row["reason"]), at_s=float(row["at_s"]), protective=bool(row["protective"]))
    except (ValueError, TypeError, KeyError):
        return Killed(reason=f"{path} cannot be read")


def write_killed(path: Path, killed: Killed) -> None:
    """Writes a kill file, which is on the disk when this returns.

    Raises:
        OperationFailed: It cannot be written.
    """
    row = {"reason": killed.reason[:_LONGEST_REASON], "at_s": killed.at_s, "protective": killed.protective}
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(row, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise OperationFailed(f"the kill switch {str(path)!r} cannot be written: {error.strerror or error}") from error


def remove_killed(path: Path) -> bool:
    """Removes a kill file; False if it does not exist.

    Raises:
        OperationFailed: It cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OperationFailed(f"the kill switch {str(path)!r} cannot be removed: {error.strerror or error}") from error
    return True


Canceller = Callable[[bool], KillReport]
"""Cancels the open orders of one exchange object; the argument says whether protective ones are cancelled too."""


class KillSwitch:
    """Holds back the new orders of a strategy; thread-safe, one for all its exchange objects.

    Args:
        clock: Tells the time.
        own: The file of this strategy; None to keep the switch in memory.
        everywhere: The file of all strategies of this user; None for none.
        warn: Called with one line when the strategy is found killed by another process, and with what became of its orders.
    """

    def __init__(
        self, clock: Clock, own: Path | None = None, everywhere: Path | None = None, *, warn: Callable[[str], Any] = str
    ) -> None:
        self._clock = clock
        self._own = own
        self._everywhere = everywhere
        self._warn = warn
        # As bytes: one look at a file that is not there costs less than a microsecond.
        self._files = tuple(os.fsencode(path) for path in (own, everywhere) if path is not None)
        self._cancellers: list[weakref.ref[Any]] = []
        self._memory: Killed | None = None
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _memory, _cancellers and _handled
        self._handled: Killed | None = None  # the kill whose open orders were cancelled, or are being cancelled

    @property
    def folder(self) -> Path | None:
        """The folder of the strategy's files; None if it has none."""
        return self._own.parent if self._own is not None else None

    def add(self, canceller: Any) -> None:
        """Has the open orders of an exchange object cancelled by a kill: calls ``cancel_own(protective)`` of the object, held weakly."""
        with self._lock:
            self._cancellers = [ref for ref in self._cancellers if ref() is not None]
            self._cancellers.append(weakref.ref(canceller))

    @property
    def is_set(self) -> bool:
        """Whether new orders are held back."""
        if self._memory is not None:
            return True
        for file in self._files:  # noqa: SIM110 (any() with a generator costs as much as the look itself)
            if os.access(file, os.F_OK):
                return True
        return False

    def check(self) -> None:
        """Raises for a new order while the switch is set; costs about a microsecond otherwise.

        The first order after another process has killed this strategy also has the open orders cancelled, in a thread of its own.

        Raises:
            GuardRefused: The strategy is killed.
        """
        if not self.is_set:
            return
        killed = self.state()
        if killed is None:
            return  # released in between
        self._cancel_once(killed)
        why = f" ({killed.reason})" if killed.reason else ""
        release = "fmzthreads release" if killed.everywhere else "fmzthreads release NAME, or exchange.Release(),"
        raise GuardRefused(f"the kill switch is set{why}: nothing was sent; {release} ends this", guard="kill_switch")

    def state(self) -> Killed | None:
        """Who killed the strategy; None if it is not killed."""
        with self._lock:
            if self._memory is not None:
                return self._memory
        if self._own is not None and (killed := read_killed(self._own)) is not None:
            return killed
        if self._everywhere is not None and (killed := read_killed(self._everywhere)) is not None:
            return attrs.evolve(killed, everywhere=True)
        return None

    def kill(self, reason: str = "", *, protective: bool = False) -> KillReport:
        """Holds back new orders from now on, and cancels the open ones of the strategy.

        Args:
            reason: Why, for the journal.
            protective: Whether reduce-only condition orders (stop losses) are cancelled too.

        Returns:
            What became of the open orders.

        Raises:
            OperationFailed: The switch could not be stored; it holds in this process all the same.
        """
        killed = Killed(reason=reason[:_LONGEST_REASON], at_s=self._clock.now(), protective=protective)
        failure: FmzError | None = None
        if self._own is None:
            self._keep(killed)
        else:
            try:
                write_killed(self._own, killed)
            except OperationFailed as error:
                failure = error
                self._keep(killed)
        with self._lock:
            self._handled = killed
        report = self.cancel(protective=protective)
        if failure is not None:
            raise OperationFailed(f"{failure}; new orders are held back in this process only; {report.words()}")
        return report

    def _keep(self, killed: Killed) -> None:
        with self._lock:
            self._memory = killed

    def cancel(self, *, protective: bool) -> KillReport:
        """Cancels the open orders of all exchange objects of the strategy; the switch itself is not touched.

        Args:
            protective: Whether reduce-only condition orders are cancelled too.
        """
        with self._lock:
            cancellers = [one for ref in self._cancellers if (one := ref()) is not None]
        report = KillReport()
        for one in cancellers:
            try:
                report = report.plus(one.cancel_own(protective))
            except Exception as error:  # whatever it is: other exchange objects' orders are cancelled all the same
                report = report.plus(KillReport(failed=(short_repr(error, 200),)))
        return report

    def _cancel_once(self, killed: Killed) -> None:
        with self._lock:
            if self._handled == killed:
                return
            self._handled = killed
        # Not in the thread of an order: the orders under way are waited for, and this one is among them.
        threading.Thread(target=self._act, args=(killed,), name="fmzthreads-kill", daemon=True).start()

    def answer(self) -> KillReport | None:
        """Acts on a kill by another process, once: cancels the open orders; None if the strategy is not killed."""
        killed = self.state()
        if killed is None:
            return None
        with self._lock:
            self._handled = killed
        return self.cancel(protective=killed.protective)

    def _act(self, killed: Killed) -> None:
        self._warn(f"the strategy was killed{f': {killed.reason}' if killed.reason else ''}")
        self._warn(self.cancel(protective=killed.protective).words())

    def release(self) -> bool:
        """Lets orders pass again; whether the switch of this strategy was set.

        Raises:
            OperationFailed: The file cannot be removed; new orders are still held back.
        """
        with self._lock:
            was_set, self._memory = self._memory is not None, None
        return (self._own is not None and remove_killed(self._own)) or was_set
