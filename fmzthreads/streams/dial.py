"""``Dial``: FMZ's way to open a stream (spec sheet of the globals, 1.6)."""

from __future__ import annotations

import logging

from ..clock import Clock, WallClock
from ..errors import FmzError, InputError, NotSupported, OperationFailed
from .connection import Connection
from .host import StreamHost
from .options import read_options
from .sqlite import SqliteConnection

__all__ = ["Dial", "PlainHost"]

_log = logging.getLogger("fmzthreads.streams")


class PlainHost:
    """The host of a stream that no runtime owns: wall time, and ``logging`` for the journal."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else WallClock()

    def error(self, text: str, *, source: str) -> None:
        """Logs an error."""
        _log.error("%s: %s", source, text)

    def warning(self, text: str, *, source: str) -> None:
        """Logs a warning."""
        _log.warning("%s: %s", source, text)


def Dial(
    address: str,
    timeout_or_options: object = None,
    *,
    host: StreamHost | None = None,
    errors: str = "none",
    **options: object,
) -> Connection | SqliteConnection | None:
    """Opens a stream that a background thread reads.

    Args:
        address: ``ws:// wss:// tcp:// tls:// udp:// unix:// sqlite3://``, with options behind a bar if wanted:
            ``"wss://host/path|reconnect=true&payload={...}"`` (``||`` where the address itself holds a bar).
        timeout_or_options: A number is the connect time-out: up to 300 seconds, above milliseconds (30 s when nothing is given). A dict,
            or its JSON text, holds options.
        host: Where the script runs; None for wall time and ``logging``.
        errors: ``"none"``: a connection that cannot be made gives None, one error line and ``GetLastError()``, as at FMZ; ``"raise"``
            raises it.
        **options: Options as keywords. The address wins over keywords, and keywords win over the dict.

    Returns:
        The connection, or None when it could not be made.

    Raises:
        InputError: The address or an option is not valid; refused before anything was sent, whatever ``errors`` says.
        NotSupported: The scheme is another than those; the error names it.
        OperationFailed: The connection could not be made, with ``errors="raise"``.
        StopRequested: The strategy is to stop.
    """
    if errors not in {"none", "raise"}:
        raise InputError(f"errors must be 'none' or 'raise', got {errors!r}")
    place: StreamHost = host if host is not None else PlainHost()
    target, wanted = read_options(address, timeout_or_options, options)
    try:
        if target.scheme == "sqlite3":
            return SqliteConnection(target.target, place)
        if wanted.insecure and target.scheme in {"wss", "tls"}:
            place.warning(f"{target.shown}: insecureSkipVerify is on: certificates are not checked", source="Dial")
        connection = Connection(target, wanted, place)
        connection.open()
        return connection
    except (InputError, NotSupported):
        raise
    except (OperationFailed, OSError) as error:
        if errors == "raise":
            raise
        place.error(str(error), source="Dial")
        return None
    except FmzError:
        raise
