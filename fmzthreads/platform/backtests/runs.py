"""Runs backtests as processes, a few at a time, and keeps what each of them left in its folder."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from ...errors import InputError, OperationFailed, UnknownName
from ..nodes.local import own_environment

__all__ = ["BacktestRuns", "BacktestState", "StoredBacktest"]

BacktestState = Literal["waiting", "running", "done", "failed", "stopped"]
_AT_ONCE = 2
_MOST_STORED = 500
_SHARE = re.compile(rb"(\d{1,3})%")
_TAIL_BYTES = 4096
_SHOWN = ("equity", "trades", "activity", "buy_and_hold")
_ENDING_S = 10.0


@attrs.frozen(kw_only=True)
class StoredBacktest:
    """A backtest.

    Attributes:
        id: Its number.
        strategy: The strategy's file name.
        state: Where it is.
        made_ms: When it was asked for.
        share_done: How much of it is done, from 0 to 1.
        problem: Why it failed; empty otherwise.
        args: Its arguments, with ``***`` in place of secrets.
        settings: The settings of its form, as texts.
        figures: The figures by section, as ``metrics_of`` gives them, and ``currency``; empty before it is done.
        report: The report's file; None before it is written.
    """

    id: int
    strategy: str
    state: BacktestState
    made_ms: int
    share_done: float = 0.0
    problem: str = ""
    args: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    settings: Mapping[str, str] = attrs.field(factory=dict)
    figures: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    report: Path | None = None


class BacktestRuns:
    """The backtests of a platform. Any thread may use it.

    Each has a folder ``ID`` with ``run.json`` (what it is, and how it ended), ``config.json`` (the settings of the engine), ``stderr.log``, and
    ``out`` (what ``fmzthreads backtest --out`` writes). One that was running when the platform ended counts as stopped.

    Args:
        folder: Where the folders lie.
        command: What runs a backtest: the words before the strategy's file; None for this package's own.
    """

    def __init__(self, folder: Path, command: list[str] | None = None) -> None:
        self._folder = folder
        self._command = command or [sys.executable, "-m", "fmzthreads", "backtest"]
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()  # guards the fields below, and run.json
        self._processes: dict[int, subprocess.Popen[bytes] | None] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._stopped: set[int] = set()
        self._is_closed = False

    def start(
        self,
        file: Path,
        config: Mapping[str, Any],
        settings: Mapping[str, str],
        shown_args: Mapping[str, Any],
        bars: str = "",
        templates: Sequence[Path] = (),
    ) -> int:
        """Starts a backtest, or has it wait for its turn.

        Args:
            file: The strategy's file; it is copied, so that later edits change nothing.
            config: The settings, as a config file of ``fmzthreads backtest`` has them, arguments among them.
            settings: The settings of the form, to be shown.
            shown_args: The arguments, without secrets.
            bars: A file of bars, or several as ``EID/SYMBOL=FILE`` with semicolons between; empty for the data server.
            templates: The templates' files, in order; they are copied too.

        Returns:
            Its number.

        Raises:
            OperationFailed: The folder cannot be written, or the platform ends.
        """
        with self._lock:
            if self._is_closed:
                raise OperationFailed("the platform ends: no backtest is started any more")
            number = max([0, *self._numbers()]) + 1
            place = self._folder / str(number)
            try:
                place.mkdir(parents=True, mode=0o700)
                for one in (file, *templates):
                    shutil.copyfile(one, place / one.name)
                    beside = one.with_suffix(".json")
                    if beside.is_file():
                        shutil.copyfile(beside, place / beside.name)
                (place / "config.json").write_text(json.dumps(config), "utf-8")
                (place / "config.json").chmod(0o600)
                about = {
                    "strategy": file.name, "state": "waiting", "made_ms": time.time_ns() // 1_000_000, "args": dict(shown_args),
                    "settings": dict(settings),
                }  # fmt: skip
                self._write(number, about)
            except OSError as error:
                raise OperationFailed(f"a backtest cannot be stored in {str(place)!r}: {error.strerror}") from error
            self._processes[number] = None
            thread = threading.Thread(
                target=self._run,
                args=(number, [file.name, *(one.name for one in templates)], bars),
                name=f"fmzthreads-backtest-{number}",
                daemon=True,
            )
            self._threads[number] = thread
        thread.start()
        return number

    def all(self) -> list[StoredBacktest]:
        """All of them, the newest first."""
        return [one for number in sorted(self._numbers(), reverse=True)[:_MOST_STORED] if (one := self._read(number))]

    def get(self, number: int) -> StoredBacktest:
        """One of them.

        Raises:
            UnknownName: There is no such backtest.
        """
        found = self._read(number)
        if found is None:
            raise UnknownName(f"no backtest {number}")
        return found

    def stop(self, number: int) -> None:
        """Stops one that runs or waits; removes one that has ended.

        Raises:
            UnknownName: There is no such backtest.
        """
        self.get(number)
        with self._lock:
            if number not in self._processes:
                shutil.rmtree(self._folder / str(number), ignore_errors=True)
                return
            self._stopped.add(number)
            process = self._processes[number]
        if process is not None:
            process.terminate()

    def wait(self, number: int, timeout_s: float) -> bool:
        """Waits for the end of a backtest; returns whether it has ended."""
        with self._lock:
            thread = self._threads.get(number)
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def close(self) -> None:
        """Stops all that run or wait."""
        with self._lock:
            self._is_closed = True
            self._stopped |= set(self._processes)
            running = [process for process in self._processes.values() if process is not None]
            threads = list(self._threads.values())
        for process in running:
            process.terminate()
        for thread in threads:
            thread.join(_ENDING_S)

    # In the thread of one backtest

    def _run(self, number: int, files: Sequence[str], bars: str) -> None:
        changes: dict[str, Any] = {"state": "failed", "problem": "the platform failed to run it"}
        try:
            with self._slots:
                changes = self._ran(number, files, bars)
        finally:
            with self._lock:
                if number in self._stopped:
                    changes = {"state": "stopped", "problem": ""}
                self._processes.pop(number, None)
                self._threads.pop(number, None)
                self._stopped.discard(number)
                with contextlib.suppress(
                    OSError, ValueError
                ):  # a full disk, or a folder that is gone: it then shows as stopped
                    self._write(number, {**self._about(number), **changes})

    def _ran(self, number: int, files: Sequence[str], bars: str) -> dict[str, Any]:
        """Runs the process to its end; returns how that was. ``files`` are the strategy and its templates."""
        place = self._folder / str(number)
        words = [
            *self._command,
            str(place / files[0]),
            "--config",
            str(place / "config.json"),
            "--out",
            str(place / "out"),
            "--progress",
        ]
        for template in files[1:]:
            words += ["--template", str(place / template)]
        for one in filter(None, map(str.strip, bars.split(";"))):
            words += ["--bars", one]
        with (place / "stderr.log").open("wb") as stderr, (place / "stdout.log").open("wb") as stdout:
            with self._lock:
                if number in self._stopped:
                    return {}
                try:
                    process = subprocess.Popen(  # noqa: S603  # no shell: the words are passed as they are
                        words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=place, env=own_environment(), start_new_session=True
                    )  # fmt: skip
                except OSError as error:
                    return {"state": "failed", "problem": f"the backtest cannot be started: {error.strerror}"}
                self._processes[number] = process
                self._write(number, {**self._about(number), "state": "running"})
            code = process.wait()
        if code == 0:
            return {"state": "done", "share_done": 1.0, "figures": _figures(place / "out" / "result.json")}
        return {
            "state": "failed",
            "problem": _last_words(place / "stderr.log") or f"it ended with the exit code {code}",
        }

    # Files

    def _numbers(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return [int(one.name) for one in self._folder.iterdir() if one.name.isascii() and one.name.isdigit()]

    def _write(self, number: int, about: Mapping[str, Any]) -> None:
        place = self._folder / str(number)
        new = place / "run.json.new"
        new.write_text(json.dumps(about, default=str), "utf-8", "replace")
        new.replace(place / "run.json")

    def _about(self, number: int) -> dict[str, Any]:
        about: dict[str, Any] = json.loads((self._folder / str(number) / "run.json").read_text("utf-8"))
        return about

    def _read(self, number: int) -> StoredBacktest | None:
        place = self._folder / str(number)
        try:
            about = self._about(number)
            state: BacktestState = about["state"]
            found = StoredBacktest(
                id=number, strategy=about["strategy"], state=state, made_ms=about["made_ms"], share_done=about.get("share_done", 0.0),
                problem=about.get("problem", ""), args=about["args"], settings=about["settings"], figures=about.get("figures", {}),
            )  # fmt: skip
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return StoredBacktest(
                id=number,
                strategy="?",
                state="failed",
                made_ms=0,
                problem=f"run.json is damaged: {type(error).__name__}",
            )
        report = place / "out" / "report.html"
        found = attrs.evolve(found, report=report if report.is_file() else None)
        if state == "running":
            found = attrs.evolve(found, share_done=_share(place / "stderr.log"))
        with self._lock:
            is_mine = number in self._processes
        if state in {"waiting", "running"} and not is_mine:
            # It may have ended between the two looks; otherwise the platform that ran it has ended.
            again = self._about(number)
            return attrs.evolve(found, state="stopped") if again["state"] == state else self._read(number)
        return found


def _share(path: Path) -> float:
    found = _SHARE.findall(_tail(path))
    return min(1.0, int(found[-1]) / 100) if found else 0.0


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read()
    except OSError:
        return b""


def _last_words(path: Path) -> str:
    """The last line that is not the progress."""
    text = _tail(path).decode("utf-8", "replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    kept = [line for line in lines if line and not line.startswith("[")]
    return kept[-1][:500] if kept else ""


def _figures(path: Path) -> dict[str, Any]:
    try:
        metrics = json.loads(path.read_text("utf-8"))["metrics"]
        return {key: metrics[key] for key in (*_SHOWN, "currency") if key in metrics}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("the backtest left no result that can be read") from None
