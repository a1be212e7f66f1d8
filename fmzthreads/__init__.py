"""Runs plain synchronous FMZ strategy scripts anywhere.

``from fmzthreads import *`` gives a script what FMZ's platform gives it, by FMZ's names: exchange objects, the log family, ``_G``, the
constants and the rest; and what fmzthreads adds: ``TaskQueue``, ``gather``, ``SharedContext``, ``select``, ``merge`` and their results.
What FMZ has and fmzthreads does not yet raises NotSupported when it is used.
"""

from __future__ import annotations

import typing as _typing
import warnings as _warnings
from importlib import import_module as _import_module

from ._version import __version__
from .exchange.factories import FACTORIES as _FACTORIES
from .first_use import FirstUse as _FirstUse

if _typing.TYPE_CHECKING:
    from .backtest.vctx import (
        VCtx,
    )
    from .constants import (
        LOG_TYPE_BUY,
        LOG_TYPE_CANCEL,
        LOG_TYPE_ERROR,
        LOG_TYPE_LOG,
        LOG_TYPE_PROFIT,
        LOG_TYPE_RESTART,
        LOG_TYPE_SELL,
        ORDER_CONDITION_TYPE_GENERIC,
        ORDER_CONDITION_TYPE_OCO,
        ORDER_CONDITION_TYPE_SL,
        ORDER_CONDITION_TYPE_TP,
        ORDER_OFFSET_CLOSE,
        ORDER_OFFSET_OPEN,
        ORDER_STATE_CANCELED,
        ORDER_STATE_CLOSED,
        ORDER_STATE_PENDING,
        ORDER_STATE_UNKNOWN,
        ORDER_TYPE_BUY,
        ORDER_TYPE_SELL,
        PD_LONG,
        PD_LONG_YD,
        PD_SHORT,
        PD_SHORT_YD,
        PERIOD_D1,
        PERIOD_D3,
        PERIOD_H1,
        PERIOD_H2,
        PERIOD_H4,
        PERIOD_H6,
        PERIOD_H12,
        PERIOD_M1,
        PERIOD_M3,
        PERIOD_M5,
        PERIOD_M15,
        PERIOD_M30,
        PERIOD_W1,
    )
    from .errors import (
        FmzError,
        StopRequested,
    )
    from .exchange.exchange import (
        Exchange,
    )
    from .runner.launch import run_strategy as run_strategy
    from .strategy.bot_globals import (
        Chart,
        DBExec,
        GetChannelData,
        GetMeta,
        KLineChart,
        LogError,
        Panic,
        SetChannelData,
        StrDecode,
        SysInfo,
    )
    from .strategy.exports import (
        TA,
        Dial,
        Encode,
        EventLoop,
        HttpQuery,
        HttpQuery_Go,
    )
    from .strategy.globals import (
        _C,
        _D,
        _G,
        _N,
        _T,
        MD5,
        UUID,
        EnableLog,
        EnableLogLocal,
        GetCommand,
        GetLastError,
        GetOS,
        GetPid,
        IsVirtual,
        JSONParse,
        Log,
        LogProfit,
        LogProfitReset,
        LogReset,
        LogStatus,
        LogVacuum,
        Mail,
        Mail_Go,
        SetErrorFilter,
        Sleep,
        Unix,
        UnixNano,
        Version,
        _CDelay,
        _Cross,
    )
    from .strategy.not_built import (
        talib,
    )
    from .strategy.runtime import (
        Runtime,
    )
    from .structures import (
        Account,
        Asset,
        Condition,
        Depth,
        Fee,
        Funding,
        Market,
        MarketOrder,
        Order,
        Position,
        Record,
        Records,
        Ticker,
        Trade,
    )
    from .tasks.binding import (
        G,
    )
    from .tasks.events import (
        merge,
        select,
    )
    from .tasks.gather import (
        Gathered,
        gather,
    )
    from .tasks.handle import (
        Handle,
    )
    from .tasks.queue import (
        TaskQueue,
    )
    from .tasks.report import (
        Report,
    )
    from .tasks.shared_context import (
        SharedContext,
    )
    from .tasks.task import (
        Task,
    )

__all__ = [
    "LOG_TYPE_BUY",
    "LOG_TYPE_CANCEL",
    "LOG_TYPE_ERROR",
    "LOG_TYPE_LOG",
    "LOG_TYPE_PROFIT",
    "LOG_TYPE_RESTART",
    "LOG_TYPE_SELL",
    "MD5",
    "ORDER_CONDITION_TYPE_GENERIC",
    "ORDER_CONDITION_TYPE_OCO",
    "ORDER_CONDITION_TYPE_SL",
    "ORDER_CONDITION_TYPE_TP",
    "ORDER_OFFSET_CLOSE",
    "ORDER_OFFSET_OPEN",
    "ORDER_STATE_CANCELED",
    "ORDER_STATE_CLOSED",
    "ORDER_STATE_PENDING",
    "ORDER_STATE_UNKNOWN",
    "ORDER_TYPE_BUY",
    "ORDER_TYPE_SELL",
    "PD_LONG",
    "PD_LONG_YD",
    "PD_SHORT",
    "PD_SHORT_YD",
    "PERIOD_D1",
    "PERIOD_D3",
    "PERIOD_H1",
    "PERIOD_H2",
    "PERIOD_H4",
    "PERIOD_H6",
    "PERIOD_H12",
    "PERIOD_M1",
    "PERIOD_M3",
    "PERIOD_M5",
    "PERIOD_M15",
    "PERIOD_M30",
    "PERIOD_W1",
    "TA",
    "UUID",
    "_C",
    "_D",
    "_G",
    "_N",
    "_T",
    "Account",
    "Asset",
    "Chart",
    "Condition",
    "DBExec",
    "Depth",
    "Dial",
    "EnableLog",
    "EnableLogLocal",
    "Encode",
    "EventLoop",
    "Exchange",
    "Fee",
    "FmzError",
    "Funding",
    "G",
    "Gathered",
    "GetChannelData",
    "GetCommand",
    "GetLastError",
    "GetMeta",
    "GetOS",
    "GetPid",
    "Handle",
    "HttpQuery",
    "HttpQuery_Go",
    "IsVirtual",
    "JSONParse",
    "KLineChart",
    "Log",
    "LogError",
    "LogProfit",
    "LogProfitReset",
    "LogReset",
    "LogStatus",
    "LogVacuum",
    "Mail",
    "Mail_Go",
    "Market",
    "MarketOrder",
    "Order",
    "Panic",
    "Position",
    "Record",
    "Records",
    "Report",
    "Runtime",
    "SetChannelData",
    "SetErrorFilter",
    "SharedContext",
    "Sleep",
    "StopRequested",
    "StrDecode",
    "SysInfo",
    "Task",
    "TaskQueue",
    "Ticker",
    "Trade",
    "Unix",
    "UnixNano",
    "VCtx",
    "Version",
    "_CDelay",
    "_Cross",
    "__version__",
    "gather",
    "merge",
    "select",
    "talib",
]


def _current_runtime() -> _typing.Any:
    from .strategy.runtime import current

    return current()


def _create_venue(name: str, **options: _typing.Any) -> _typing.Any:
    from .venues.registry import create_venue

    return create_venue(name, **options)


# A new exchange object belongs to the runtime that is current then: its lines and errors go to that journal, in which its keys are never
# shown, it waits by that clock, and the ends of its background calls wake that EventLoop.
_FACTORIES.host = _current_runtime
_FACTORIES.venue = _create_venue

# Where each name comes from. Its module is imported when the name is first used: starting is not to take long, and a backtest needs
# neither HTTP nor the order log. The imports above, which only type checkers see, say the same; a test compares them.
_PLACES = _FirstUse(
    __name__,
    {
        "backtest.vctx": "VCtx",
        "constants": (
            "LOG_TYPE_BUY LOG_TYPE_CANCEL LOG_TYPE_ERROR LOG_TYPE_LOG LOG_TYPE_PROFIT LOG_TYPE_RESTART "
            "LOG_TYPE_SELL ORDER_CONDITION_TYPE_GENERIC ORDER_CONDITION_TYPE_OCO ORDER_CONDITION_TYPE_SL "
            "ORDER_CONDITION_TYPE_TP ORDER_OFFSET_CLOSE ORDER_OFFSET_OPEN ORDER_STATE_CANCELED ORDER_STATE_CLOSED "
            "ORDER_STATE_PENDING ORDER_STATE_UNKNOWN ORDER_TYPE_BUY ORDER_TYPE_SELL PD_LONG PD_LONG_YD PD_SHORT "
            "PD_SHORT_YD PERIOD_D1 PERIOD_D3 PERIOD_H1 PERIOD_H2 PERIOD_H4 PERIOD_H6 PERIOD_H12 PERIOD_M1 "
            "PERIOD_M3 PERIOD_M5 PERIOD_M15 PERIOD_M30 PERIOD_W1"
        ),
        "errors": "FmzError StopRequested",
        "exchange.exchange": "Exchange",
        "runner.launch": "run_strategy",
        "strategy.bot_globals": "Chart DBExec GetChannelData GetMeta KLineChart LogError Panic SetChannelData StrDecode SysInfo",
        "strategy.exports": "TA Dial Encode EventLoop HttpQuery HttpQuery_Go",
        "strategy.globals": (
            "_C _D _G _N _T MD5 UUID EnableLog EnableLogLocal GetCommand GetLastError GetOS GetPid IsVirtual "
            "JSONParse Log LogProfit LogProfitReset LogReset LogStatus LogVacuum Mail Mail_Go SetErrorFilter "
            "Sleep Unix UnixNano Version _CDelay _Cross"
        ),
        "strategy.not_built": "talib",
        "strategy.runtime": "Runtime",
        "structures": (
            "Account Asset Condition Depth Fee Funding Market MarketOrder Order Position Record Records Ticker Trade"
        ),
        "tasks.binding": "G",
        "tasks.events": "merge select",
        "tasks.gather": "Gathered gather",
        "tasks.handle": "Handle",
        "tasks.queue": "TaskQueue",
        "tasks.report": "Report",
        "tasks.shared_context": "SharedContext",
        "tasks.task": "Task",
    },
)
# What a user finds as an attribute of the package without importing it.
_ROOMS = {
    "arguments", "backtest", "charts", "clock", "constants", "database", "deadline", "errors", "exchange", "fork", "home", "http",
    "indicators", "net", "process_start", "redaction", "strategy", "structures", "tasks", "venues",
}  # fmt: skip

if not _typing.TYPE_CHECKING:  # a type checker is to report names that do not exist

    def __getattr__(name: str) -> _typing.Any:
        """Imports a name at its first use, and answers those of the last version that still work, with a warning."""
        if name in _PLACES.modules:
            return globals().setdefault(name, _PLACES.value(name))
        if name in _ROOMS:
            return _import_module(f".{name}", __name__)
        if name == "snapshot":
            _warnings.warn("fmzthreads.snapshot is deprecated: use fmzthreads.gather", DeprecationWarning, stacklevel=2)
            return __getattr__("gather")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """The names of the package, those too that are not imported yet."""
        return sorted({*globals(), *_PLACES.modules, *_ROOMS})
