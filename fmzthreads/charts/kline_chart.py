"""FMZ's ``KLineChart``: candles with lines, marks and signals that are plotted bar by bar.

Source: FMZ's API reference, "KLineChart", and its Python backtest package for the arguments and their defaults.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from numbers import Real
from typing import Any

from ..arguments import real_number, whole_number
from ..errors import InputError, UnknownName, nearest, short_repr
from ..fork import after_fork_in_child
from .points import ChartPoints, point_text

__all__ = ["KLineChartObject"]

_FIELDS = ("Time", "Open", "High", "Low", "Close", "Volume")
_DIRECTIONS = {
    "long": "long", "buy": "long", "short": "short", "sell": "short", "closelong": "closelong", "closebuy": "closelong",
    "closeshort": "closeshort", "closesell": "closeshort",
}  # fmt: skip
_STYLES = (
    "line", "linebr", "stepline", "stepline_diamond", "cross", "area", "areabr", "circles", "columns", "histogram",
)  # fmt: skip


class KLineChartObject:
    """What ``KLineChart(...)`` returns: ``begin(bar)``, then plots, then ``close()`` for each bar. Safe from many threads.

    A bar older than the last one is ignored with all its plots; one of the same time replaces it. A series that is None is a gap. What a
    plot takes besides its named arguments is kept as it is. ``display`` other than ``"all"`` hides a plot.

    Args:
        points: The strategy's points.
        options: ``overlay`` (True draws plots over the candles unless they say otherwise), ``pricePrecision``, ``volumePrecision``, and
            styles under ``xAxis``, ``yAxis`` and ``candle``.

    Raises:
        InputError: The options are no dict, or JSON does not have what they are made of.
    """

    def __init__(self, points: ChartPoints, options: Mapping[str, Any] | None = None) -> None:
        if options is not None and not isinstance(options, Mapping):
            raise InputError(f"KLineChart takes a dict of options, got {short_repr(options)}")
        self._points = points
        self._overlay = bool((options or {}).get("overlay", False))
        self._lock = threading.RLock()  # guards the fields below
        self._last_ms: int | None = None
        self._bar: dict[str, Any] | None = None
        self._plots: list[dict[str, Any]] = []
        self._signals: list[dict[str, Any]] = []
        after_fork_in_child(self._start_anew)
        points.configure(point_text({"__isKLine": True, **(options or {})}))

    def _start_anew(self) -> None:
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        """Its kind."""
        return "<KLineChart>"

    # A bar

    def begin(self, bar: Mapping[str, Any]) -> None:
        """Begins a bar; the first call for each bar.

        Args:
            bar: With ``Time`` (ms), ``Open``, ``High``, ``Low``, ``Close`` and ``Volume``.

        Raises:
            InputError: A field is missing or not a number.
        """
        candle = _candle(bar)
        with self._lock:
            self._plots, self._signals = [], []
            late = self._last_ms is not None and candle["timestamp"] < self._last_ms
            self._bar = None if late else candle

    def close(self, bar: Mapping[str, Any] | None = None) -> None:
        """Ends a bar and keeps it with its plots.

        Args:
            bar: Its newest state; None for that of ``begin``.

        Raises:
            InputError: A field is missing or not a number.
        """
        newest = None if bar is None else _candle(bar)
        with self._lock:
            candle, self._bar = self._bar, None
            if candle is None:
                return
            candle = newest or candle
            self._last_ms = candle["timestamp"]
            candle["runtime"] = {"plots": self._plots, "signals": self._signals}
            self._points.add(0, {"x": candle["timestamp"], **candle})

    def reset(self, remain: int = 0) -> None:
        """Drops bars; ``remain`` of the newest stay. An older bar may then begin again.

        Raises:
            InputError: It is not a whole number of 0 or more.
        """
        left = whole_number("KLineChart.reset: remain", remain)
        with self._lock:
            self._last_ms = None
            self._points.reset(left)

    def candles(self) -> list[dict[str, Any]]:
        """The bars with their plots, oldest first: ``timestamp open high low close volume runtime``."""
        return [{key: value for key, value in point.items() if key != "x"} for point in self._points.points(0)]

    # Plots

    def plot(self, series: Any, title: str | None = None, color: Any = None, linewidth: float = 1, style: str = "line",
             trackprice: Any = None, histbase: float = 0, offset: int = 0, join: bool = False, editable: bool = False,
             show_last: Any = None, display: str = "all", overlay: bool | None = None, **options: Any) -> int | None:  # fmt: skip
        """A line; returns its number within the bar for ``fill``, None where nothing is drawn.

        Raises:
            UnknownName: There is no such style.
        """
        if not isinstance(style, str) or style not in _STYLES:
            raise UnknownName(f"plot has no style {short_repr(style)}{nearest(style, _STYLES)}")
        return self._add(
            "plot", title=title, color=color, linewidth=linewidth, style=style, trackprice=trackprice, histbase=histbase,
            offset=offset, join=join, show_last=show_last, display=display, overlay=overlay, value=_value(series), **options,
        )  # fmt: skip

    def hline(self, price: Any, title: str | None = None, color: Any = None, linestyle: str = "dashed", linewidth: float = 1,
              editable: bool = False, display: str = "all", overlay: bool | None = None, **options: Any) -> int | None:  # fmt: skip
        """A horizontal line; returns its number within the bar."""
        return self._shown(
            "hline",
            display,
            title=title,
            color=color,
            linestyle=linestyle,
            linewidth=linewidth,
            overlay=overlay,
            value=_value(price),
            **options,
        )

    def fill(self, plot1: int | None, plot2: int | None, color: Any = None, title: str | None = None, editable: bool = False,
             show_last: Any = None, fillgaps: bool = False, display: str = "all", **options: Any) -> None:  # fmt: skip
        """Colours the space between two lines of the same bar, given by their numbers.

        Raises:
            InputError: The bar has no line with that number.
        """
        with self._lock:
            for number in (plot1, plot2):
                count = len(self._plots)
                if number is not None and not (isinstance(number, int) and 0 <= number < count):
                    raise InputError(f"fill: this bar has {count} plots, none with the number {short_repr(number)}")
        if plot1 is not None and plot2 is not None:
            self._shown(
                "fill",
                display,
                title=title,
                color=color,
                plot1=plot1,
                plot2=plot2,
                show_last=show_last,
                fillgaps=fillgaps,
                **options,
            )

    def barcolor(self, color: Any, offset: int = 0, editable: bool = False, show_last: Any = None, title: str | None = None,
                 display: str = "all", **options: Any) -> None:  # fmt: skip
        """Colours the candle."""
        self._shown("barcolor", display, title=title, color=color, offset=offset, show_last=show_last, **options)

    def bgcolor(self, color: Any, offset: int = 0, editable: bool = False, show_last: Any = None, title: str | None = None,
                display: str = "all", overlay: bool | None = None, **options: Any) -> None:  # fmt: skip
        """Colours the background of the bar."""
        self._shown(
            "bgcolor", display, title=title, color=color, offset=offset, show_last=show_last, overlay=overlay, **options
        )

    def plotarrow(self, series: Any, title: str | None = None, colorup: Any = "#00ff00", colordown: Any = "#ff0000", offset: int = 0,
                  minheight: float = 5, maxheight: float = 100, editable: bool = False, show_last: Any = None, display: str = "all",
                  overlay: bool | None = None, **options: Any) -> None:  # fmt: skip
        """An arrow: the sign is its direction, the size its length."""
        self._shown(
            "plotarrow", display, title=title, colorup=colorup, colordown=colordown, offset=offset, minheight=minheight,
            maxheight=maxheight, show_last=show_last, overlay=overlay, value=_value(series), **options,
        )  # fmt: skip

    def plotshape(self, series: Any, title: str | None = None, style: str = "xcross", location: str = "abovebar", color: Any = None,
                  offset: int = 0, text: str | None = None, textcolor: Any = None, editable: bool = False, size: str = "auto",
                  show_last: Any = None, display: str = "all", overlay: bool | None = None, **options: Any) -> None:  # fmt: skip
        """A mark where the series is true."""
        self._add(
            "plotshape", title=title, style=style, location=location, color=color, offset=offset, text=text, textcolor=textcolor,
            size=size, show_last=show_last, display=display, overlay=overlay, value=_value(series), **options,
        )  # fmt: skip

    def plotchar(self, series: Any, title: str | None = None, char: str | None = None, location: str = "abovebar", color: Any = None,
                 offset: int = 0, text: str | None = None, textcolor: Any = None, editable: bool = False, size: str = "auto",
                 show_last: Any = None, display: str = "all", overlay: bool | None = None, **options: Any) -> None:  # fmt: skip
        """A character where the series is true; nothing without ``char``."""
        if char:
            self._add(
                "plotchar", title=title, char=char, location=location, color=color, offset=offset, text=text, textcolor=textcolor,
                size=size, show_last=show_last, display=display, overlay=overlay, value=_value(series), **options,
            )  # fmt: skip

    def plotcandle(self, open: Any, high: Any, low: Any, close: Any, title: str | None = None, color: Any = None,
                   wickcolor: Any = None, editable: bool = False, show_last: Any = None, bordercolor: Any = None, display: str = "all",
                   overlay: bool | None = None, **options: Any) -> None:  # fmt: skip
        """A second candle."""
        value = [_value(one) for one in (open, high, low, close)]
        self._shown(
            "plotcandle", display, title=title, color=color, wickcolor=wickcolor, bordercolor=bordercolor, show_last=show_last,
            overlay=overlay, value=value, **options,
        )  # fmt: skip

    def signal(self, direction: str, price: float, qty: float, id: str | None = None) -> None:
        """Marks a trade.

        Args:
            direction: ``long`` or ``buy``, ``short`` or ``sell``, ``closelong`` or ``closebuy``, ``closeshort`` or ``closesell``.
            price: The price.
            qty: The amount.
            id: The text beside it; None for the direction.

        Raises:
            UnknownName: There is no such direction.
            InputError: Price or amount is not a number.
        """
        side = _DIRECTIONS.get(direction) if isinstance(direction, str) else None
        if side is None:
            raise UnknownName(f"signal has no direction {short_repr(direction)}{nearest(direction, _DIRECTIONS)}")
        mark = {
            "direction": side,
            "price": real_number("signal: price", price),
            "qty": real_number("signal: qty", qty),
            "id": direction if id is None else id if type(id) is str else short_repr(id),
        }
        with self._lock:
            if self._bar is not None:
                self._signals.append(mark)

    def _shown(self, kind: str, display: str, **fields: Any) -> int | None:
        """A plot that another ``display`` than ``"all"`` suppresses."""
        return self._add(kind, **fields) if display == "all" else None

    def _add(self, kind: str, *, title: str | None = None, overlay: bool | None = None, **fields: Any) -> int | None:
        kept = {name: value for name, value in fields.items() if value is not None or name == "value"}
        with self._lock:
            if self._bar is None:
                return None
            number = len(self._plots)
            taken = {plot["title"] for plot in self._plots}
            name = str(title) if title else ""
            if not name or name in taken:
                name = f"{name or kind}_{number}"
            shown_over = self._overlay if overlay is None else bool(overlay)
            self._plots.append({"type": kind, "title": name, "overlay": shown_over, **kept})
            return number


def _candle(bar: Any) -> dict[str, Any]:
    if not isinstance(bar, Mapping):
        raise InputError(f"a bar must be a dict with {', '.join(_FIELDS)}, got {short_repr(bar)}")
    missing = [name for name in _FIELDS if name not in bar]
    if missing:
        raise InputError(f"the bar has no {', '.join(missing)}; expected {', '.join(_FIELDS)}")
    numbers = {name.lower(): real_number(f"the bar's {name}", bar[name]) for name in _FIELDS[1:]}
    return {"timestamp": whole_number("the bar's Time", bar["Time"]), **numbers}


def _value(series: Any) -> Any:
    """A value of one bar: the last element of a list; True and False as they are; None for a gap."""
    if isinstance(series, (list, tuple)):
        series = series[-1] if series else None
    if series is None or isinstance(series, (bool, str)):
        return series
    try:
        nan = isinstance(series, Real) and math.isnan(series)
    except Exception:  # whatever a foreign number raises: it is refused below
        nan = False
    return None if nan else real_number("a plotted value", series)
