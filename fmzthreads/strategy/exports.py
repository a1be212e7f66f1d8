"""What a strategy uses besides the plain globals: indicators, ``Encode``, ``HttpQuery``, ``Dial`` and ``EventLoop``, tied to the current runtime."""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import ErrorMode
from ..indicators.ta import Indicators
from ..tasks.events import Event
from ..tasks.handle import Handle
from .runtime import current

if TYPE_CHECKING:  # HTTP and streams are loaded by those who use them
    from ..http.query import HttpAnswer, QueryOptions
    from ..streams.connection import Connection
    from ..streams.sqlite import SqliteConnection

__all__ = ["TA", "Dial", "Encode", "EventLoop", "HttpQuery", "HttpQuery_Go"]

TA = Indicators()
"""FMZ's indicators."""


def Encode(
    algo: str,
    inputFormat: str,
    outputFormat: str,
    data: str | bytes,
    keyFormat: str | None = None,
    key: str | bytes | None = None,
) -> str | bytes:
    """Digests, signs or converts data; ``exchange.Encode`` does the same with the account's keys.

    See ``exchange.keys.encoding.encode`` for the names, and what is raised.
    """
    from ..exchange.keys.encoding import encode  # OpenSSL is loaded only by those who use it

    return encode(algo, inputFormat, outputFormat, data, keyFormat, key)


def HttpQuery(
    url: str,
    options: QueryOptions | Mapping[str, Any] | str | bytes | None = None,
    cookies: str = "",
    headers: str | Mapping[str, str] | None = None,
) -> str | bytes | HttpAnswer:
    """Asks any URL; see ``HttpQuerier.query`` for the forms and options.

    Returns:
        The body of any reply, 4xx and 5xx too; ``""`` and one error line if there was no reply. With ``debug`` an ``HttpAnswer``.

    Raises:
        UnknownName: There is no such option.
        InputError: An option's value is not what it must be.
        NotSupported: ``profile`` was asked for.
        StopRequested: The strategy is being stopped.
    """
    return current().querier.query(url, options, cookies, headers)


def HttpQuery_Go(
    url: str,
    options: QueryOptions | Mapping[str, Any] | str | bytes | None = None,
    cookies: str = "",
    headers: str | Mapping[str, str] | None = None,
) -> Handle[str | bytes | HttpAnswer]:
    """The same in the background; ``wait`` of the handle gives what ``HttpQuery`` would. Its end is the event ``HttpQuery``.

    Raises:
        UnknownName, InputError, NotSupported: As ``HttpQuery`` does, at once.
        TooManyHandles: 2000 background calls have not ended.
    """
    runtime = current()
    handle = runtime.querier.query_go(url, options, cookies, headers)
    runtime.announce(handle, "HttpQuery")
    return handle


# "| Any" stands for SqliteConnection, which only the address tells: a script that reads a stream need not tell the two apart.
@overload
def Dial(
    address: str, timeout_or_options: object = None, *, errors: Literal["raise"], **options: object
) -> Connection | Any:
    """Opens a stream, or raises the error."""


@overload
def Dial(
    address: str, timeout_or_options: object = None, *, errors: Literal["log", "none"] = ..., **options: object
) -> Connection | Any | None:
    """Opens a stream; None when it could not be opened."""


def Dial(
    address: str, timeout_or_options: object = None, *, errors: ErrorMode | Literal["none"] = "log", **options: object
) -> Connection | SqliteConnection | None:
    """Opens a stream that a background thread reads: ``ws:// wss:// tcp:// tls:// udp:// unix:// sqlite3://``.

    It belongs to the current runtime: its errors go to that journal, its waits end with that stop, and its data wakes that
    ``EventLoop`` (event ``Dial``). See ``streams.dial.Dial`` for the address, the time-out and the options.

    Returns:
        The connection, or None when it could not be made; ``GetLastError()`` then says why.

    Raises:
        InputError: The address or an option is not valid.
        NotSupported: The scheme is one of FMZ's that this library does not speak.
        OperationFailed: The connection could not be made, with ``errors="raise"``.
        StopRequested: The strategy is to stop.
    """
    from ..streams import dial as streams
    from ..streams.connection import Connection

    runtime = current()
    connection = streams.Dial(address, timeout_or_options, host=runtime, errors=errors, **options)
    if isinstance(connection, Connection):
        runtime.hub.add_source(connection, "Dial")
    return connection


def EventLoop(timeout: float | None = None) -> Event | None:
    """Waits for the next event: the end of a background call, data on a connection, a change of a live book, or a command.

    It is a wake-up only: results stay in their handles, messages in their connections, books and commands where they are read. It listens
    from the first call on, so start with ``EventLoop(-1)``; a result that was taken before has no event any more. The events are named
    ``Exchange_<method>``, ``HttpQuery``, ``Mail``, ``Dial``, ``Subscribe`` (a live book) and ``Command``.

    Args:
        timeout: None or 0 waits for ever; more than 0 waits so many milliseconds at the most; negative only looks.

    Returns:
        The event, with ``Seq``, ``Event``, ``ThreadId``, ``Index`` (of the exchange, from 0, in the order in which they were made) and
        ``Nano``; None when there was none in time.

    Raises:
        StopRequested: The strategy is being stopped.
        InputError: ``timeout`` is not a number.
    """
    return current().hub.wait(timeout)
