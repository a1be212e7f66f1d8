"""FMZ's global functions, on the current runtime (FMZ's API reference, "Global").

They may be called from any thread. A stop ends each wait (``Sleep``, ``_C``) with StopRequested, which a script should not catch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from .. import _version
from ..arguments import real_number
from ..errors import InputError, excerpt, short_repr
from ..tasks.handle import Handle
from . import numbers
from .runtime import Runtime, current

__all__ = [
    "MD5",
    "UUID",
    "_C",
    "_D",
    "_G",
    "_N",
    "_T",
    "EnableLog",
    "EnableLogLocal",
    "GetCommand",
    "GetLastError",
    "GetOS",
    "GetPid",
    "IsVirtual",
    "JSONParse",
    "Log",
    "LogProfit",
    "LogProfitReset",
    "LogReset",
    "LogStatus",
    "LogVacuum",
    "Mail",
    "Mail_Go",
    "SetErrorFilter",
    "Sleep",
    "Unix",
    "UnixNano",
    "Version",
    "_CDelay",
    "_Cross",
]


P = ParamSpec("P")
T = TypeVar("T")


class _Missing:
    """The default of arguments for which None is a valid value."""

    def __repr__(self) -> str:
        return "..."


_MISSING: Any = _Missing()


# The log family


def Log(*msgs: Any) -> None:
    """Writes a line.

    The arguments are joined with one space. A trailing ``#rrggbb`` colours the line, ``@`` asks for a push message, ``&`` makes it
    private. A status table given as a dict, and a matplotlib figure, are rendered; everything else is ``str()``.
    """
    current().journal.log(*msgs)


def LogProfit(profit: float, *args: Any) -> None:
    """Adds a point to the profit curve and writes a line; with ``"&"`` as the last argument, adds the point only.

    Raises:
        InputError: ``profit`` is not a finite number.
    """
    current().journal.profit(profit, *args)


def LogProfitReset(remain: int = 0) -> None:
    """Deletes all points of the profit curve but the newest ``remain``.

    Raises:
        InputError: ``remain`` is not a whole number of 0 or more.
    """
    current().journal.reset_profit(remain)


def LogReset(remain: int = 0) -> None:
    """Deletes all lines but the newest ``remain``.

    Raises:
        InputError: ``remain`` is not a whole number of 0 or more.
    """
    current().journal.reset(remain)


def LogVacuum() -> None:
    """Returns the space of deleted lines to the file system; slow."""
    current().journal.vacuum()


def LogStatus(*msgs: Any) -> None:
    """Replaces the status bar's text, which is not stored.

    JSON in back-ticks is drawn as a table, a list of tables as tabs.
    """
    current().journal.status(*msgs)


def EnableLog(enable: bool = True) -> None:
    """Switches the lines of orders on or off; other lines are not affected."""
    current().journal.enable_order_lines(enable)


def EnableLogLocal(enable: bool = True) -> None:
    """Switches the storing of further log lines in the strategy's database on or off; they are shown all the same.

    FMZ's guide does not describe it; published strategies call it as "whether to keep the log locally". The profit curve and charts are
    stored in any case.
    """
    current().journal.enable_storing(bool(enable))


def SetErrorFilter(filters: str) -> None:
    """Hides error lines that match a regular expression (``re.search`` on ``"call: text"``).

    Patterns accumulate; ``""`` removes them all. A hidden error is neither shown nor stored; ``GetLastError`` still returns it.

    Raises:
        InputError: It is not a valid regular expression; the message contains it.
    """
    current().journal.add_filter(filters)


def GetLastError() -> str | None:
    """Returns the last error of the strategy and clears it; None without an error.

    FMZ does not document whether it belongs to a thread; here it belongs to the strategy, so that a script that waits for ``Go``
    sees why a call failed. Of several threads that read at once exactly one gets it.
    """
    return current().take_last_error()


# Time


def Sleep(millisecond: float) -> None:
    """Sleeps for a number of milliseconds by the strategy's clock.

    Fractions count; 0 and less return at once.

    Raises:
        StopRequested: The strategy is being stopped.
        InputError: It is not a number.
    """
    # No longer than a wait can be told to the system (some thirty years).
    current().clock.sleep(min(real_number("Sleep(millisecond)", millisecond), 1e12) / 1000)


def Unix() -> int:
    """The time in whole seconds since the epoch (UTC)."""
    return current().clock.now_ns() // 1_000_000_000


def UnixNano() -> int:
    """The time in nanoseconds since the epoch (UTC); milliseconds are this over 1,000,000."""
    return current().clock.now_ns()


def _D(timestamp: float | None = None, fmt: str | None = None) -> str:
    """Formats a time in the local time zone.

    Args:
        timestamp: **Seconds** since the epoch, as in FMZ's Python (its JavaScript takes milliseconds; such a number here gives a year
            far in the future); a fraction is cut off. None is now.
        fmt: For ``strftime``; ``%Y-%m-%d %H:%M:%S`` when None.

    Raises:
        InputError: It is not a number, outside the range of the system's calendar, or ``fmt`` is not a format.
    """
    seconds = current().clock.now() if timestamp is None else numbers.finite_number("_D(timestamp)", timestamp)
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S" if fmt is None else fmt, time.localtime(seconds))
    except (OverflowError, OSError, ValueError, TypeError) as error:
        raise InputError(f"_D({short_repr(timestamp)}, {short_repr(fmt)}): {error}") from error


# Numbers and texts


def _N(num: float, precision: int = 4) -> float | int:
    """Truncates a number to a number of decimals; see ``numbers.cut``.

    Raises:
        InputError: One of them is not a number, or ``precision`` is not whole.
    """
    return numbers.cut(num, precision)


def _Cross(arr1: Iterable[Any], arr2: Iterable[Any]) -> int:
    """Counts the bars since two series crossed; see ``numbers.cross``.

    Positive while the first is above the second, negative while it is below.

    Raises:
        InputError: One is no series of numbers, or they differ in length.
    """
    return numbers.cross(arr1, arr2)


def _T(a: str, b: str | None = None) -> str:
    """A text in two languages: ``[trans]a|b[/trans]``, or ``[trans]a[/trans]`` when ``b`` is None."""
    return f"[trans]{a}[/trans]" if b is None else f"[trans]{a}|{b}[/trans]"


def JSONParse(s: str | bytes) -> Any:
    """Decodes JSON.

    Raises:
        InputError: It is not JSON (also a ValueError).
    """
    try:
        return json.loads(s)
    except (ValueError, TypeError, RecursionError) as error:
        shown = excerpt(s) if isinstance(s, (str, bytes)) else short_repr(s)
        raise InputError(f"JSONParse: not JSON ({error}): {shown}") from error


def MD5(data: str | bytes) -> str:
    """The MD5 of a text (as UTF-8) or of bytes: 32 lower-case hex digits.

    Raises:
        InputError: It is neither.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InputError(f"MD5: expected text, got {short_repr(data)}")
    import hashlib  # OpenSSL takes long to load

    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def UUID() -> str:
    """A random UUID (version 4), 36 characters with hyphens."""
    import uuid  # most strategies need none

    return str(uuid.uuid4())


# Trying again


def _C(func: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function until its result is neither None nor False nor zero; returns it.

    Empty text, lists and dicts are results. The number of attempts is not limited; errors of the function are raised. Between two
    attempts it sleeps by the strategy's clock, 3000 ms unless ``_CDelay`` says otherwise.

    Raises:
        InputError: ``func`` is not a function (``_C(exchange.GetTicker)``, not ``_C(exchange.GetTicker())``).
        StopRequested: The strategy is being stopped.
    """
    if not callable(func):
        raise InputError(f"_C: expected a function, got {short_repr(func)}; pass it without parentheses")
    runtime = current()
    while True:
        result = func(*args, **kwargs)
        if result is not None and not numbers.is_refused(result):
            return result
        runtime.clock.sleep(runtime.retry_pause_ms / 1000)


def _CDelay(ms: float) -> None:
    """Sets how long ``_C`` sleeps between two attempts, in milliseconds, for the whole strategy; 0 and less are ignored.

    Raises:
        InputError: It is not a number.
    """
    pause_ms = numbers.finite_number("_CDelay(ms)", ms)
    if pause_ms > 0:
        current().retry_pause_ms = pause_ms


# Stored values


def _G(k: Any = _MISSING, v: Any = _MISSING) -> Any:
    """Stores and reads values that survive a restart; names are case-insensitive.

    ``_G(k, v)`` stores, ``_G(k)`` reads (None when absent), ``_G(k, None)`` deletes, ``_G(None)`` deletes everything, ``_G()`` is the id
    of this run. Values come back as decoded JSON. For a plain script they are kept in a SQLite file of its own (``paths.database_path``),
    created by the first write.

    Raises:
        InputError: The name is not text, or the value cannot be encoded as JSON.
        OperationFailed: The file cannot be used, or is damaged.
    """
    runtime = current()
    if k is _MISSING:
        return runtime.run_id
    if k is None:
        if v is not _MISSING and v is not None:
            raise InputError("_G(None, value): a value needs a name; _G(None) alone deletes everything")
        runtime.store.clear()
        return None
    if v is _MISSING:
        return runtime.store.get(k)
    runtime.store.put(k, v)
    return None


# Where it runs


_FMZ_VERSION = "3.7"


def Version(detail: bool = False) -> str:
    """The version of FMZ's docker whose API this is, such as ``3.7``: strategies compare it as a number; with ``detail``, also that of fmzthreads."""
    if detail:
        import platform  # with GetOS the only one that needs it

        return f"FMZ {_FMZ_VERSION}, fmzthreads {_version.__version__}, Python {platform.python_version()}"
    return _FMZ_VERSION


def IsVirtual() -> bool:
    """Whether this is a simulation."""
    return current().virtual


_SYSTEMS = {"Linux": "linux", "Darwin": "darwin", "Windows": "windows"}
_MACHINES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i686": "386",
    "x86": "386",
}


def GetOS() -> str:
    """System and processor, such as ``linux/amd64`` or ``darwin/arm64``."""
    import platform

    machine = platform.machine().lower()
    system = platform.system()
    return f"{_SYSTEMS.get(system, system.lower())}/{_MACHINES.get(machine, machine)}"


def GetPid() -> int:
    """The id of this process."""
    return os.getpid()


def GetCommand() -> str | None:
    """Returns the oldest command sent to this strategy; None if no command waits."""
    return current().take_command()


# Mail


def Mail(smtpServer: str, smtpUsername: str, smtpPassword: str, mailTo: str, title: str, body: str) -> bool:
    """Sends a mail of plain text, and waits until the server accepts it.

    Args:
        smtpServer: ``host``, ``host:port``, ``smtp://host:port`` (TLS when the server offers it) or ``ssl://host:port`` (TLS from the
            first byte). Without a port: 465 for ``ssl://``, otherwise 587.
        smtpUsername: The login, and the sender.
        smtpPassword: The SMTP service's password, which is often not the mailbox's.
        mailTo: One address, or several with commas between them.
        title: The subject.
        body: The text.

    Returns:
        Whether the server accepted it. If not, there is an error line and ``GetLastError`` says why; the password is in neither. A
        line warns when the password was sent without TLS. In a simulation nothing is sent, and True
        is returned.

    Raises:
        StopRequested: The strategy is being stopped; the mail may still be sent.
        TooManyHandles: 2000 background calls have not ended.
    """
    runtime = current()
    args = (runtime, smtpServer, smtpUsername, smtpPassword, mailTo, title, body)
    # In a worker, because no stop and no Ctrl-C can end a read of smtplib's; they can end the wait for it.
    return bool(runtime.pool.start(_mail, *args, name="Mail", errors="raise").wait().value)


def Mail_Go(smtpServer: str, smtpUsername: str, smtpPassword: str, mailTo: str, title: str, body: str) -> Handle[bool]:
    """Sends a mail in the background; ``wait`` of the handle gives what ``Mail`` would. Its end is the event ``Mail``.

    Raises:
        TooManyHandles: 2000 background calls have not ended.
    """
    runtime = current()
    args = (runtime, smtpServer, smtpUsername, smtpPassword, mailTo, title, body)
    handle = runtime.pool.start(_mail, *args, name="Mail", failure_value=False)
    runtime.announce(handle, "Mail")
    return handle


def _mail(runtime: Runtime, server: str, username: str, password: str, to: str, title: str, body: str) -> bool:
    from .log import mail  # smtplib is loaded only when a mail is sent

    runtime.register_secret(str(password))
    if runtime.virtual:
        return True
    try:
        encrypted = mail.send(str(server), str(username), str(password), str(to), str(title), str(body))
    except (OSError, ValueError) as error:
        runtime.error(f"{type(error).__name__}: {error}", source="Mail")
        return False
    if password and not encrypted:
        runtime.journal.log(f"Mail: {server} offers no TLS; the password and the mail were sent unencrypted")
    return True
