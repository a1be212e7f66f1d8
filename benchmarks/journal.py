"""What a ``Log`` call costs with the log in a SQLite file, against logging with a queue and against an insert for each line.

Run ``python benchmarks/journal.py [--rounds N] [--lines N]``. The sides are interleaved round by round, so that the machine's mood hits all of them
alike; the figures are medians over the rounds. ``a call`` is the caller's time; ``lines a second`` is until all lines are in the file. To reach:
at most 15 us a call, and 20,000 lines a second. logging has ``QueueHandler``, ``QueueListener`` and a handler that inserts each record and
commits when the queue is empty or holds 1,000. The second row is without the file that keeps waiting lines through the kill of the process.
"""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import queue
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fmzthreads.clock import WallClock
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.log_database import DatabaseSink
from fmzthreads.strategy.log.spill import Spill

TABLE = "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY AUTOINCREMENT, date INTEGER, kind TEXT, text TEXT)"
INSERT = "INSERT INTO log (date, kind, text) VALUES (?, ?, ?)"


def open_file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(TABLE)
    return connection


def with_journal(path: Path, lines: int, *, spill: bool = True) -> tuple[float, float]:
    journal = Journal(WallClock())
    journal.add_sink(DatabaseSink(path), Spill(path) if spill else None)
    journal.log("first")
    journal.flush()
    begin = time.perf_counter()
    for number in range(lines):
        journal.log("order filled at", 65000.5, number)
    called = time.perf_counter()
    assert journal.flush(60)
    end = time.perf_counter()
    assert journal.stats()[0].lost == 0
    journal.close()
    return called - begin, end - begin


class Inserting(logging.Handler):
    """Inserts records in the listener's thread; one transaction for what has gathered."""

    def __init__(self, path: Path, waiting: queue.SimpleQueue[logging.LogRecord]) -> None:
        super().__init__()
        self.connection, self.waiting, self.open = open_file(path), waiting, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Inserts one record."""
        if not self.open:
            self.connection.execute("BEGIN")
        self.connection.execute(INSERT, (int(record.created * 1000), record.levelname, record.getMessage()))
        self.open += 1
        if self.open >= 1_000 or self.waiting.empty():
            self.connection.execute("COMMIT")
            self.open = 0


def with_logging(path: Path, lines: int) -> tuple[float, float]:
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = Inserting(path, waiting)
    listener = logging.handlers.QueueListener(waiting, handler)  # type: ignore[arg-type]
    logger = logging.Logger("journal", logging.INFO)
    logger.addHandler(logging.handlers.QueueHandler(waiting))  # type: ignore[arg-type]
    listener.start()
    begin = time.perf_counter()
    for number in range(lines):
        logger.info("order filled at %s %s", 65000.5, number)
    called = time.perf_counter()
    listener.stop()
    if handler.open:
        handler.connection.execute("COMMIT")
    end = time.perf_counter()
    handler.connection.close()
    return called - begin, end - begin


def with_inserts(path: Path, lines: int) -> tuple[float, float]:
    connection = open_file(path)
    begin = time.perf_counter()
    for number in range(lines):
        connection.execute(INSERT, (int(time.time() * 1000), "log", f"order filled at {65000.5} {number}"))
    end = time.perf_counter()
    connection.close()
    return end - begin, end - begin


SIDES: dict[str, Callable[[Path, int], tuple[float, float]]] = {
    "fmzthreads": with_journal,
    "fmzthreads, where a kill loses what waits": lambda path, lines: with_journal(path, lines, spill=False),
    "logging, QueueHandler": with_logging,
    "sqlite3, a line an insert": with_inserts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lines", type=int, default=20_000)
    chosen = parser.parse_args()
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
    for number in range(chosen.rounds):
        for name, side in SIDES.items():
            with tempfile.TemporaryDirectory() as folder:
                results[name].append(side(Path(folder) / f"{number}.sqlite3", chosen.lines))
    print("| | a call, us | lines a second |\n|---|---|---|")
    for name, times in results.items():
        call_us = statistics.median(called for called, _ in times) / chosen.lines * 1e6
        rate = chosen.lines / statistics.median(whole for _, whole in times)
        print(f"| {name} | {call_us:.1f} | {rate:,.0f} |")
    print("| *to reach* | *15* | *20,000* |")


if __name__ == "__main__":
    main()
