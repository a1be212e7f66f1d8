"""What ``_G`` keeps: values by name, as JSON, in the strategy's own SQLite file, so that they survive a restart."""

from __future__ import annotations

import json
import os
import threading
from numbers import Integral
from typing import TYPE_CHECKING, Any

from ..arguments import exact_decimal, real_number, whole_number
from ..errors import InputError, OperationFailed, short_repr
from ..fork import after_fork_in_child

if TYPE_CHECKING:
    from ..database import Database

__all__ = ["Store"]

_SCHEMA = ("CREATE TABLE IF NOT EXISTS kvdb (k TEXT PRIMARY KEY, v TEXT NOT NULL)",)


def _name(key: Any) -> str:
    if isinstance(key, Integral):
        key = str(whole_number("_G: the key", key, least=-(2**63), most=2**63 - 1))
    if not isinstance(key, str):
        raise InputError(f"_G: a key is text, got {short_repr(key)}")
    try:
        key.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"_G: the key {short_repr(key)} is not valid Unicode text") from error
    return key.lower()


def _encoded(key: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:  # an InputError is a ValueError
        raise InputError(
            f"_G: the value of {short_repr(key)} cannot be kept as JSON ({error}): {short_repr(value)}"
        ) from error


def _plain(value: Any) -> Any:
    """A number (or flag) of numpy, a Decimal or a Fraction as Python's own."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0 and isinstance(item(), bool):
        return item()
    if isinstance(value, Integral):
        return int(value)
    return real_number("a value", exact_decimal("a value", value))


def _opened(path: str | os.PathLike[str]) -> Database:
    from ..database import (
        Database,
    )  # SQLite is loaded only by those who have a file: a backtest keeps its values in memory

    return Database(path, _SCHEMA, durable=True)


class Store:
    """Named values that survive a restart. Names are case-insensitive; values come back as decoded JSON (a tuple as a list).

    Every method may be called from many threads, and several processes may use one file: each call is one transaction, and a read sees
    what another process has written. A read followed by a write is two calls: another process may write in between.

    Args:
        path: The SQLite file, made at the first write or read; None keeps everything in memory only.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._database = None if path is None else _opened(path)
        self._memory: dict[str, str] = {}  # the values when there is no file
        self._lock = threading.Lock()  # guards _memory
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the file is opened again, and values in memory are a copy from here on."""
        self._lock = threading.Lock()

    @property
    def path(self) -> str:
        """Where the file lies, or will; empty when everything is in memory."""
        return "" if self._database is None else str(self._database.path)

    def get(self, key: str | int) -> Any:
        """Returns the value of a name; None if it is absent.

        Raises:
            InputError: The name is not text (or a whole number).
            OperationFailed: The file cannot be used, or what it holds under this name is not JSON.
        """
        name = _name(key)
        if self._database is None:
            with self._lock:
                text = self._memory.get(name)
        else:
            # A file that is not there holds nothing; looking does not make it.
            if not self._database.path.exists():
                return None
            rows = self._database.execute("SELECT v FROM kvdb WHERE k = ?", (name,))
            text = rows[0][0] if rows else None
        if text is None:
            return None
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise OperationFailed(f"the store {self.path} holds no JSON under {short_repr(name)}: {error}") from error

    def put(self, key: str | int, value: Any) -> None:
        """Stores a value under a name, in place of an earlier one; None deletes the name.

        Raises:
            InputError: The name is not text, or the value cannot be kept as JSON (NaN and infinity cannot either).
            OperationFailed: The file cannot be used.
        """
        name = _name(key)
        if value is None:
            self.delete(name)
            return
        text = _encoded(name, value)
        if self._database is None:
            with self._lock:
                self._memory[name] = text
            return
        self._database.execute(
            "INSERT INTO kvdb (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", (name, text)
        )

    def delete(self, key: str | int) -> None:
        """Deletes a name; one that is not there is ignored.

        Raises:
            InputError: The name is not text.
            OperationFailed: The file cannot be used.
        """
        name = _name(key)
        if self._database is None:
            with self._lock:
                self._memory.pop(name, None)
        elif self._database.path.exists():
            self._database.execute("DELETE FROM kvdb WHERE k = ?", (name,))

    def clear(self) -> None:
        """Deletes all names.

        Raises:
            OperationFailed: The file cannot be used.
        """
        if self._database is None:
            with self._lock:
                self._memory.clear()
        elif self._database.path.exists():
            self._database.execute("DELETE FROM kvdb")

    def keys(self) -> list[str]:
        """All names, in lower case, sorted."""
        if self._database is None:
            with self._lock:
                return sorted(self._memory)
        if not self._database.path.exists():
            return []
        return [row[0] for row in self._database.execute("SELECT k FROM kvdb ORDER BY k")]

    def close(self) -> None:
        """Closes the file; a later call opens it again."""
        if self._database is not None:
            self._database.close()
