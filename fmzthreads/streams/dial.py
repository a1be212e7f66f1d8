"""``Dial``: FMZ's way to open a stream (FMZ's API reference, "Dial")."""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

import logging
from typing import Literal, overload

from ..clock import Clock, WallClock
from ..errors import ErrorMode, OperationFailed, UnknownName, nearest, short_repr
from .connection import Connection
from .host import StreamHost
from .options import read_options
from .sqlite import SqliteConnection

__all__ = ["Dial", "PlainHost"]

_log = logging.getLogger("fmzthreads.streams")


class PlainHost:
    """The host of a stream outside a runtime: wall time, and ``logging`` as its journal."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else WallClock()

    def error(self, text: str, *, source: str) -> None:
        """Logs an error."""
        _log.error("%s: %s", source, text)

    def warning(self, text: str, *, source: str) -> None:
        """Logs a warning."""
        _log.warning("%s: %s", source, text)


@overload
def Dial(
    address: str,
    timeout_or_options: object = None,
    *,
    errors: Literal["raise"],
    host: StreamHost | None = None,
    **options: object,
) -> Connection | SqliteConnection:
    """Opens a stream, or raises the error."""


@overload
def Dial(
    address: str,
    timeout_or_options: object = None,
    *,
    errors: ErrorMode | Literal["none"] = "log",
    host: StreamHost | None = None,
    **options: object,
) -> Connection | SqliteConnection | None:
    """Opens a stream; None when it could not be opened."""


def Dial(
    address: str,
    timeout_or_options: object = None,
    *,
    errors: ErrorMode | Literal["none"] = "log",
    host: StreamHost | None = None,
    **options: object,
) -> Connection | SqliteConnection | None:
    """Opens a stream that a background thread reads.

    Args:
        address: ``ws:// wss:// tcp:// tls:// udp:// unix:// sqlite3://``, optionally with options after a bar:
            ``"wss://host/path|reconnect=true&payload={...}"`` (``||`` where the address itself holds a bar).
        timeout_or_options: A number is the connect time-out: up to 300 in seconds, above that in milliseconds (default 30 s). A dict, or its
            JSON text, holds options.
        errors: ``"log"``: a connection that cannot be opened gives None, one error line and ``GetLastError()``, as on FMZ; ``"raise"``
            raises the error. ``"none"`` is the older name of ``"log"``.
        host: The clock and the journal; None for wall time and ``logging``.
        **options: Options as keywords. The address takes precedence over keywords, and keywords over the dict.

    Returns:
        The connection, or None when it could not be opened.

    Raises:
        InputError: The address or an option is not valid; raised before anything is sent, whatever ``errors`` says.
        UnknownName: ``errors`` has another value, or there is no such option.
        NotSupported: The scheme is not one of those above; the error names it.
        OperationFailed: The connection could not be opened, with ``errors="raise"``.
        StopRequested: The strategy is being stopped.
    """
    if errors not in {"log", "raise", "none"}:
        raise UnknownName(
            f"errors must be 'log' or 'raise', got {short_repr(errors)}{nearest(errors, ('log', 'raise'))}"
        )
    place: StreamHost = host if host is not None else PlainHost()
    target, wanted = read_options(address, timeout_or_options, options)
    try:
        if target.scheme == "sqlite3":
            return SqliteConnection(target.target, place)
        if wanted.insecure and target.scheme in {"wss", "tls"}:
            place.warning(
                f"{target.shown}: insecureSkipVerify is on: the server's certificate is not verified", source="Dial"
            )
        connection = Connection(target, wanted, place)
        connection.open()
        return connection
    except (OperationFailed, OSError) as error:
        if errors == "raise":
            raise
        place.error(str(error), source="Dial")
        return None
