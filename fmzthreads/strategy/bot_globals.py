"""FMZ's global functions that concern the bot as a whole: its database, its metadata, what it shows other bots, its machine.

Source: FMZ's API reference, "Global"; ``LogError``, ``Panic``, ``StrDecode`` are those of its Python backtest package.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ..arguments import whole_number
from ..errors import FmzError, InputError, UnknownName, nearest, short_repr
from .globals import GetOS
from .log.render import join
from .runtime import current

if TYPE_CHECKING:
    from ..charts.chart import ChartObject
    from ..charts.kline_chart import KLineChartObject

__all__ = [
    "Chart",
    "DBExec",
    "GetChannelData",
    "GetMeta",
    "KLineChart",
    "LogError",
    "Panic",
    "SetChannelData",
    "StrDecode",
    "SysInfo",
]


def Chart(options: Any) -> ChartObject:
    """Makes the strategy's chart, or replaces its configuration; the points that it has stay.

    Points are kept in the run's database where there is one, and continue there in the next run. Drawing is not part of it.

    Args:
        options: A Highcharts-shaped dict, or a list of them for several charts, whose series are then counted through all of them.

    Raises:
        InputError: It is neither, JSON does not have what it is made of, or the strategy uses ``KLineChart``.
        OperationFailed: The points of an earlier run cannot be read.
    """
    return current().charts.chart(options)


def KLineChart(options: Mapping[str, Any] | None = None) -> KLineChartObject:
    """Makes the strategy's chart of candles; see ``Chart`` for where its bars are kept.

    Args:
        options: ``overlay``, ``pricePrecision``, ``volumePrecision``, and styles.

    Raises:
        InputError: They are no dict, or the strategy uses ``Chart``.
        OperationFailed: The bars of an earlier run cannot be read.
    """
    return current().charts.kline_chart(options)


def GetMeta() -> str | None:
    """The metadata that was given to this run (``meta`` in its config file); None where none was given."""
    return current().meta or None


def SetChannelData(data: Any) -> None:
    """Publishes a value on this bot's channel, whose id is ``_G()``; it replaces the one before.

    Every strategy of this machine that runs under the same user (and ``FMZTHREADS_HOME``) can read it. A value that is too large (over 1024
    bytes as JSON) or that JSON cannot hold is not published; an error line says so.

    Args:
        data: Anything that JSON can hold.
    """
    runtime = current()
    try:
        runtime.channels.publish(str(runtime.run_id), data)
    except FmzError as error:
        runtime.error(str(error), source="SetChannelData")


def GetChannelData(channelId: str | int) -> Any:
    """Reads the newest value of a channel.

    Args:
        channelId: The id of a bot (its ``_G()``).

    Returns:
        The value; None at the first call for this channel, which subscribes to it, and while nothing was published. None and an error line
        when it cannot be read.
    """
    runtime = current()
    try:
        if isinstance(channelId, bool) or not isinstance(channelId, (str, int)):
            raise InputError(f"the id of a channel is text or a whole number, got {short_repr(channelId)}")
        number = isinstance(channelId, int)
        channel = str(whole_number("the id of a channel", channelId)) if number else str(channelId)
        return runtime.channels.read(channel.encode("utf-8", "replace").decode())
    except FmzError as error:
        runtime.error(str(error), source="GetChannelData")
        return None


def DBExec(sql: str, *params: Any) -> dict[str, Any] | None:
    """Runs one SQL statement in the strategy's own SQLite database.

    Args:
        sql: The statement, with ``?`` placeholders; one that begins with a colon goes to a database in memory instead.
        *params: The values of the placeholders.

    Returns:
        ``{"columns": [...], "values": [[...], ...]}``, both empty for a statement without rows; None when it failed, with an error line.

    Raises:
        InputError: ``sql`` is not text.
    """
    if not isinstance(sql, str):
        raise InputError(f"DBExec: expected an SQL statement as text, got {type(sql).__name__}")
    runtime = current()
    try:
        connection = runtime.sql(in_memory=sql.startswith(":"))
    except FmzError as error:
        runtime.error(str(error), source="DBExec")
        return None
    return connection.exec(sql.removeprefix(":"), *params)


def LogError(*msgs: Any) -> None:
    """Writes an error line; the arguments are rendered as by ``Log``."""
    current().error(join(msgs))


def Panic(*msgs: Any) -> NoReturn:
    """Writes an error line and ends the strategy.

    Raises:
        SystemExit: Always, with the code 1.
    """
    current().error(join(msgs), source="Panic")
    raise SystemExit(1)


def StrDecode(s: str | bytes, c: str = "gbk") -> str:
    """Decodes bytes, or a text whose characters stand for bytes, by a character set.

    Args:
        s: The bytes; a text with characters beyond 255 is returned as it is.
        c: The character set.

    Raises:
        UnknownName: There is no such character set.
        InputError: The data is neither text nor bytes.
    """
    if not isinstance(s, (str, bytes, bytearray)):
        raise InputError(f"StrDecode: expected bytes or text, got {short_repr(s)}")
    try:
        data = str.encode(s, "latin-1") if isinstance(s, str) else bytes(s)
    except UnicodeEncodeError:
        return s if isinstance(s, str) else ""
    try:
        return data.decode(c, "replace")
    except (LookupError, TypeError, ValueError):  # ValueError: a name that cannot be one
        raise UnknownName(f"StrDecode: unknown character set {short_repr(c)}") from None


def SysInfo(attr: str) -> Any:
    """A fact about the process and its machine.

    Args:
        attr: ``pid``, ``ppid``, ``ncpu``, ``arch``, ``os``, ``threads``, or ``mem`` (the largest resident memory of the process so far, in
            bytes; None where the system does not tell it).

    Raises:
        UnknownName: There is no such fact.
    """
    facts = {
        "pid": os.getpid,
        "ppid": os.getppid,
        "ncpu": os.cpu_count,
        "os": lambda: GetOS().partition("/")[0],
        "arch": lambda: GetOS().partition("/")[2],
        "threads": threading.active_count,
        "mem": _resident_bytes,
    }
    if attr not in facts:
        raise UnknownName(f"SysInfo: unknown attribute {attr!r}{nearest(str(attr), facts)}")
    return facts[attr]()


def _resident_bytes() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
