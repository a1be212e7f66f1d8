"""Makes HTML of templates; everything that is put into them is escaped."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import require
from .sparkline import sparkline_svg
from .visit import PageVisit

__all__ = ["STATES", "Renderer", "ago_text", "moment", "number_text"]

STATES = {
    0: ("idle", "Idle"),
    1: ("running", "Running"),
    2: ("stopping", "Stopping"),
    3: ("exited", "Exited"),
    4: ("stopped", "Stopped"),
    5: ("failed", "Error"),
}
"""For each of FMZ's status codes the class and the text of its badge."""

_NAVIGATION = (
    ("/", "Overview", "grid", "reader"),
    ("/strategies", "Strategies", "code", "reader"),
    ("/backtests", "Backtests", "chart", "reader"),
    ("/exchanges", "Exchanges", "swap", "owner"),
    ("/keys", "API keys", "key", "owner"),
    ("/settings", "Settings", "gear", "reader"),
)


class Renderer:
    """Makes pages.

    Args:
        now_ms: Tells the time, for ages.

    Raises:
        MissingExtra: The extra ``platform`` is not installed.
    """

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        jinja2 = require("jinja2", "platform")
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._markup: Any = require("markupsafe", "platform").Markup
        loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
        self._environment: Any = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.filters.update(
            number=number_text, moment=moment, signed=signed_text, date=date_text, json_text=json_text
        )
        self._environment.globals.update(states=STATES, release=__version__, sparkline=self._sparkline)

    def _sparkline(self, values: Sequence[float]) -> Any:
        return self._markup(sparkline_svg(values))

    def markup(self, html: str) -> Any:
        """HTML that was escaped already."""
        return self._markup(html)

    def page(self, visit: PageVisit, template: str, **values: Any) -> str:
        """A page in its frame, or a part of one.

        Args:
            visit: For whom.
            template: The template's file.
            values: What stands in it.
        """
        now = self._now_ms()

        def _ago(ms: int) -> str:
            return ago_text(now - ms, visit.language) if ms > 0 else "–"

        role = visit.actor.role if visit.actor is not None else ""
        frame = {
            "_": visit.say,
            "visit": visit,
            "ago": _ago,
            "role": role,
            "navigation": [one[:3] for one in _NAVIGATION if one[3] != "owner" or role == "owner"],
            "said": visit.query.text("said"),
        }
        return str(self._environment.get_template(template).render({**frame, **values}))


def number_text(value: object, digits: int = 10) -> str:
    """A number with so many significant digits and with commas; a dash for None."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return "–" if value is None else str(value)
    if not math.isfinite(value):
        return str(value)
    before_point = len(str(int(abs(value))))
    text = (
        f"{value:,.{max(0, min(10, digits - before_point))}f}"
        if abs(value) >= 1
        else f"{float(f'{value:.{digits}g}'):,.10f}"
    )
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def signed_text(value: object, decimals: int = 2) -> str:
    """A profit: with its sign and so many decimals; a dash for None."""
    return f"{value:+,.{decimals}f}" if isinstance(value, (int, float)) else "–"


def moment(ms: int) -> str:
    """A time in UTC; a dash for 0."""
    if ms <= 0 or ms > 253_402_300_799_000:
        return "–"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def date_text(ms: int) -> str:
    """The day of a time in UTC; a dash for 0."""
    return moment(ms)[:10]


def json_text(value: object) -> str:
    """A value as JSON for an attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=False, default=str)


def ago_text(ms: int, language: str) -> str:
    """An age in one unit, such as ``5 min``."""
    seconds = max(0, ms) // 1000
    for size, english, chinese in ((86_400, "d", "天"), (3600, "h", "小时"), (60, "min", "分钟")):
        if seconds >= size:
            return f"{seconds // size} {chinese if language == 'zh' else english}"
    return f"{seconds} {'秒' if language == 'zh' else 's'}"
