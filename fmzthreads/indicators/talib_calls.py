"""TA-Lib's functions over records, as FMZ's JavaScript calls them: ``talib.MACD(records, 12, 26, 9)``, ``talib.ATR(records, 14)``.

Source: FMZ's syntax guide, "talib": where a function takes prices, it takes the bars, or an array of closes where one price is enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["call_talib"]


def call_talib(function: Callable[..., Any], name: str, args: Sequence[Any]) -> Any:
    """Calls a function of TA-Lib.

    Args:
        function: The function, as Python has it.
        name: Its name, such as ``"MACD"``.
        args: Bars as a mapping of columns (``Open``, ``High``, ``Low``, ``Close``, ``Volume``), lists of numbers in which None is a gap,
            and parameters.

    Returns:
        A list of floats; several such lists where the function has several results; anything else as it is.

    Raises:
        ImportError: numpy is not installed.
        Exception: What TA-Lib raises for arguments that do not fit.
    """
    numpy = importlib.import_module("numpy")
    inputs = [
        numpy.array(value, dtype=float) if isinstance(value, list) else value for value in _spread(_inputs(name), args)
    ]
    found = function(*inputs)
    if isinstance(found, tuple):
        return [_listed(one) for one in found]
    return _listed(found)


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _inputs(name: str) -> list[list[str]]:
    """The columns that each input of a function takes; empty where that is unknown."""
    try:
        found = importlib.import_module("talib.abstract").Function(name).input_names
    except Exception:  # talib raises a plain Exception for a name that is no indicator, such as get_functions
        return []
    return [list(columns) if not isinstance(columns, str) else ["close"] for columns in found.values()]


def _spread(inputs: list[list[str]], args: Sequence[Any]) -> list[Any]:
    """The arguments with the columns of bars in place of bars; bars that are given once serve all inputs."""
    given, spread = list(args), []
    bars: Mapping[str, Any] | None = None
    for columns in inputs:
        if given and isinstance(given[0], Mapping):
            bars = given.pop(0)
        elif given and isinstance(given[0], list):
            spread.extend(given[: len(columns)])
            del given[: len(columns)]
            continue
        if bars is None:
            break
        spread.extend(bars[column.title()] for column in columns)
    return [*spread, *(value["Close"] if isinstance(value, Mapping) and "Close" in value else value for value in given)]
