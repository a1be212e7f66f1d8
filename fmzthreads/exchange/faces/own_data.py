"""``SetData`` and ``GetData`` of a live exchange object: series of anything by time, set by the strategy or read from a URL.

Source: FMZ's API reference, "exchange.SetData" and "exchange.GetData".
"""

from __future__ import annotations

import json
import threading
from typing import Any

import attrs

from ...arguments import real_number
from ...clock import Clock
from ...errors import BadReply, InputError, short_repr
from ...fork import after_fork_in_child
from ...http.query import HttpQuerier
from ..host import Host
from ..state import Failure_co
from .own_series import StepFunction, series_rows
from .settings import SettingsFace

__all__ = ["OwnData", "OwnDataFace"]

_LIFE_MS = 60_000.0
_LEAST_LIFE_MS = 5_000.0
_MOST_URLS = 100


@attrs.frozen
class _Fetched:
    series: StepFunction
    until_s: float  # of the clock's monotonic time


class OwnData:
    """The series of one exchange object; its methods may be called from several threads.

    Args:
        host: Tells the time, and takes the error lines of a URL that does not answer.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._clock: Clock = host.clock
        self._start_anew()
        after_fork_in_child(self._start_anew)
        self._querier: HttpQuerier | None = None  # until a URL is asked for
        self._series: dict[str, StepFunction] = {}
        self._fetched: dict[str, _Fetched] = {}

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards the fields of __init__

    def put(self, name: Any, data: Any) -> int:
        """Sets a series, in place of an earlier one of that name; returns the length of the rows as JSON.

        Raises:
            InputError: The name is not text, the rows are not in this form, or cannot be written as JSON.
        """
        if not isinstance(name, str) or not name:
            raise InputError(f"the name of a series must be text, got {short_repr(name)}")
        series = StepFunction(series_rows(data))
        try:
            text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"the series {name!r} cannot be written as JSON: {error}") from None
        with self._lock:
            self._series[name] = series
        return len(text)

    def get(self, name: Any, timeout_ms: Any) -> dict[str, Any] | None:
        """Returns the latest row whose time has come; None before the first.

        Raises:
            InputError: An argument is not valid.
            BadReply: The URL answered something else than a series.
        """
        if not isinstance(name, str) or not name:
            raise InputError(f"the name of a series must be text, got {short_repr(name)}")
        life_ms = max(_LEAST_LIFE_MS, real_number("timeout", timeout_ms) or _LIFE_MS)
        with self._lock:
            series = self._series.get(name)
        if series is None and name.startswith(("http://", "https://")):
            series = self._of_url(name, life_ms / 1000)
        return None if series is None else series.at(self._clock.now() * 1000)

    def close(self) -> None:
        """Closes the connections to the URLs."""
        with self._lock:
            querier, self._querier = self._querier, None
        if querier is not None:
            querier.close()

    def _of_url(self, url: str, life_s: float) -> StepFunction | None:
        now_s = self._clock.monotonic()
        with self._lock:
            kept = self._fetched.get(url)
            querier = self._querier = self._querier or HttpQuerier(self._host)
        if kept is not None and now_s < kept.until_s:
            return kept.series
        text = querier.query(url)
        if not text:  # the error line is written
            return None
        series = StepFunction(_answered_rows(text))
        with self._lock:
            if len(self._fetched) >= _MOST_URLS:
                self._fetched.clear()
            self._fetched[url] = _Fetched(series, now_s + life_s)
        return series


def _answered_rows(text: Any) -> list[tuple[int, Any]]:
    try:
        answer = json.loads(text)
        columns = list(answer["schema"])
        time, data = columns.index("time"), columns.index("data")
        return series_rows([[row[time], row[data]] for row in answer["data"]])
    except (TypeError, ValueError, KeyError, IndexError, InputError):
        raise BadReply(
            f"the answer is not a series, expected {{'schema': ['time', 'data'], 'data': [[ms, value], ...]}}, got {short_repr(text)}"
        ) from None


class OwnDataFace(SettingsFace[Failure_co]):
    """The part of FMZ's exchange object that keeps data of one's own beside the prices."""

    _own_data: OwnData

    def SetData(self, key: str, value: Any) -> int | Failure_co:
        """Sets a series of one's own, in place of an earlier one of that name.

        Args:
            key: Its name.
            value: Rows ``[time in ms, anything]``.

        Returns:
            The length of the rows as JSON.
        """
        return self._run("SetData", self._own_data.put, key, value)

    def GetData(self, key: str, timeout: float = 60_000, offset: float = 0) -> dict[str, Any] | Failure_co | None:
        """Returns the latest row of a series whose time has come: ``Time`` (ms) and ``Data``.

        Args:
            key: The name; or a URL whose reply is ``{"schema": ["time", "data"], "data": [[ms, value], ...]}``.
            timeout: How long the reply of a URL is kept, in ms; at least 5000.
            offset: Without effect.

        Returns:
            None when there is no such row.
        """
        return self._run("GetData", self._own_data.get, key, timeout)
