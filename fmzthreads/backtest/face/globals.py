"""FMZ's globals in a backtest: the same names as live, on the backtest's clock and log.

What FMZ's sandbox does not have (``Dial``, ``DBExec``, ``EventLoop``) writes the error line that FMZ's engine writes, and returns None.
Source: FMZ's public Python backtest package, and the published engine, github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any, NoReturn

from ...clock import ManualClock
from ...errors import InputError, NotSupported, short_repr
from ...indicators.ta import Indicators
from ...strategy import numbers
from ...strategy.log.render import join
from ...strategy.namespace import strategy_names
from ...strategy.store import Store
from ...tasks.handle import Handle
from ..modules.clock import SimulatedClock
from ..modules.time_module import local_time
from ..result.log import RunLog
from .charts import RunCharts

__all__ = ["RunGlobals"]

_MISSING: Any = object()
_UNSUPPORTED = ("Dial", "DBExec", "EventLoop", "SetChannelData")


class RunGlobals:
    """The globals of one backtest.

    Args:
        clock: The backtest's clock.
        log: Its log.
        exchanges: FMZ's exchange objects, in order.
        zone: The time zone of ``_D``.
        seed: Of ``UUID``.
    """

    def __init__(
        self, clock: SimulatedClock, log: RunLog, exchanges: Sequence[Any], zone: tzinfo, seed: int = 0
    ) -> None:
        self._clock = clock
        self._log = log
        self._exchanges = exchanges
        self._zone = zone
        self._random = random.Random(f"uuid {seed}")
        self._store = Store(None)
        self._retry_pause_ms = 3000.0
        self.charts = RunCharts(lambda: clock.now_ms)
        """The strategy's charts."""
        self.indicators: dict[str, list[list[float]]] = {}
        """The arguments that each TA function was called with."""
        self._seen: set[tuple[str, str]] = set()

    def names(self) -> dict[str, Any]:
        """Everything that FMZ puts into the globals of a strategy, by name."""
        own: dict[str, Any] = {
            name: getattr(self, method)
            for name, method in (
                ("Log", "log"), ("LogProfit", "log_profit"), ("LogProfitReset", "log_profit_reset"), ("LogReset", "log_reset"),
                ("LogStatus", "log_status"), ("LogError", "log_error"), ("Panic", "panic"), ("EnableLog", "enable_log"),
                ("_D", "date_text"), ("_G", "stored"), ("_C", "retried"), ("_CDelay", "retry_pause"), ("UUID", "new_uuid"),
                ("GetLastError", "last_error"), ("HttpQuery_Go", "http_query_go"), ("Mail_Go", "mail_go"),
            )
        }  # fmt: skip
        clock = self._clock
        own.update(
            {
                "Exchange": _no_exchange,
                "Sleep": clock.sleep,
                "Unix": lambda: clock.now_ms // 1000,
                "UnixNano": lambda: clock.now_ms * 1_000_000,
                "IsVirtual": lambda: True,
                "GetCommand": lambda timeout=None: "",
                "GetMeta": lambda: None,
                "GetChannelData": lambda channelId=None: "",
                "HttpQuery": lambda *args, **options: "dummy",
                "Mail": lambda *args, **options: True,
                "LogVacuum": lambda: None,
                "EnableLogLocal": lambda enable=True: None,
                "SetErrorFilter": lambda filters="": None,
                "Chart": self.charts.chart,
                "KLineChart": self.charts.kline_chart,
                "TA": Indicators(self._note_indicator),
                **{name: self._unsupported(name) for name in _UNSUPPORTED},
            }
        )
        return strategy_names(self._exchanges, own)

    def _unsupported(self, name: str) -> Callable[..., None]:
        def _call(*args: Any, **options: Any) -> None:
            self._log.error(0, f"sandbox not support {name}")

        _call.__name__ = name
        return _call

    def _note_indicator(self, name: str, params: str) -> None:
        if (name, params) not in self._seen:
            self._seen.add((name, params))
            values = [float(param) for param in params.split(",") if param]
            whole = [int(value) if value.is_integer() else value for value in values]
            self.indicators.setdefault(name, []).append(whole)

    # The log

    def log(self, *msgs: Any) -> None:
        """Writes a row; the arguments are joined with one blank."""
        self._log.log(join(msgs))

    def log_error(self, *msgs: Any) -> None:
        """Writes an error row."""
        self._log.error(0, join(msgs))

    def panic(self, *msgs: Any) -> NoReturn:
        """Writes an error row and ends the strategy.

        Raises:
            SystemExit: Always.
        """
        self._log.error(0, join(msgs))
        raise SystemExit(1)

    def log_profit(self, profit: float, *args: Any) -> None:
        """Adds a point to the profit curve and writes a row; with ``"&"`` as the last argument, adds the point only.

        Raises:
            InputError: ``profit`` is not a finite number.
        """
        value = numbers.finite_number("LogProfit(profit)", profit)
        if isinstance(profit, int):
            value = profit
        silent = bool(args) and args[-1] == "&"
        self._log.profit(value, join(args[:-1] if silent else args), silent=silent)

    def log_profit_reset(self, remain: int = 0) -> None:
        """Deletes all points of the profit curve but the newest ``remain``."""
        self._log.reset_profit(remain)

    def log_reset(self, remain: int = 0) -> None:
        """Deletes all rows but the newest ``remain``."""
        self._log.reset(remain)

    def log_status(self, *msgs: Any) -> None:
        """Replaces the status text."""
        self._log.status(join(msgs))

    def enable_log(self, enable: bool = True) -> None:
        """Switches the rows of orders on or off."""
        self._log.enable_orders(bool(enable))

    def last_error(self) -> str | None:
        """Returns the text of the last error and clears it; None without one."""
        return self._log.take_last_error()

    # Time

    def date_text(self, timestamp: float | None = None, fmt: str | None = None) -> str:
        """``_D``: a time in the backtest's zone.

        Args:
            timestamp: Seconds since the epoch; None is now.
            fmt: For ``strftime``; ``%Y-%m-%d %H:%M:%S`` when None.

        Raises:
            InputError: It is not a number, or out of the range of the calendar.
        """
        seconds = self._clock.now_ms / 1000 if timestamp is None else numbers.finite_number("_D(timestamp)", timestamp)
        try:
            return time.strftime("%Y-%m-%d %H:%M:%S" if fmt is None else fmt, local_time(seconds, self._zone))
        except (OverflowError, OSError, ValueError, TypeError) as error:
            raise InputError(f"_D({short_repr(timestamp)}, {short_repr(fmt)}): {error}") from error

    # Trying again, and stored values

    def retried(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """``_C``: calls a function until its result is neither None nor False nor zero, with pauses by the clock.

        Raises:
            InputError: ``func`` is not a function.
            EOFError: The end of the backtest is reached.
        """
        if not callable(func):
            raise InputError(f"_C: expected a function, got {short_repr(func)}; pass it without parentheses")
        while True:
            result = func(*args, **kwargs)
            if result is not None and not numbers.is_refused(result):
                return result
            self._clock.sleep(self._retry_pause_ms)

    def retry_pause(self, ms: float) -> None:
        """``_CDelay``: sets the pause of ``_C`` in milliseconds; 0 and less are ignored."""
        pause_ms = numbers.finite_number("_CDelay(ms)", ms)
        if pause_ms > 0:
            self._retry_pause_ms = pause_ms

    def stored(self, k: Any = _MISSING, v: Any = _MISSING) -> Any:
        """``_G``: keeps values for the time of the backtest, by case-insensitive names; values pass through JSON.

        Raises:
            InputError: The name is not text, or the value cannot be encoded as JSON.
        """
        if k is _MISSING:
            return 1
        if k is None:
            if v is not _MISSING and v is not None:
                raise InputError("_G(None, value): a value needs a name; _G(None) alone deletes everything")
            self._store.clear()
            return None
        if v is _MISSING:
            return self._store.get(k)
        self._store.put(k, v)
        return None

    def new_uuid(self) -> str:
        """``UUID``: drawn from the run's seed, so that a run can be repeated."""
        return _uuid4(self._random.getrandbits(128))

    # The network, which the sandbox does not have

    def http_query_go(self, *args: Any, **options: Any) -> Handle[Any]:
        """``HttpQuery_Go``: a handle that is done, with the text ``dummy``."""
        return _done("dummy", "HttpQuery")

    def mail_go(self, *args: Any, **options: Any) -> Handle[Any]:
        """``Mail_Go``: a handle that is done, with True."""
        return _done(True, "Mail")


def _uuid4(bits: int) -> str:
    """A UUID of version 4 from 128 bits, as the module ``uuid`` writes it (which each start would import)."""
    bits = bits & ~(0xF << 76) & ~(0b11 << 62) | 4 << 76 | 0b10 << 62
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _done(value: Any, name: str) -> Handle[Any]:
    handle: Handle[Any] = Handle(lambda: value, (), clock=ManualClock(), name=name)
    handle.run()
    return handle


def _no_exchange(*args: Any, **options: Any) -> None:
    """``Exchange`` in a backtest.

    Raises:
        NotSupported: Always: a backtest must not reach a real exchange.
    """
    raise NotSupported("Exchange(...) in a backtest: the exchanges are those of its settings (exchange, exchanges)")
