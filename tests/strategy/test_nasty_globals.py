"""Whatever is passed to one of FMZ's globals, only documented errors come out, at once, with a message that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import fmzthreads
from fmzthreads import Runtime
from fmzthreads.clock import ManualClock
from fmzthreads.errors import FmzError
from fmzthreads.strategy.runtime import bound
from tests.helpers.nasty_values import NASTY
from tests.helpers.watchdog import at_once

BAR = {"Time": 1000, "Open": 1.0, "High": 2.0, "Low": 0.5, "Close": 1.5, "Volume": 3.0}
CONFIG = {"series": [{"name": "a"}]}
GOOD: dict[str, tuple[Any, ...]] = {
    "Log": ("text",),
    "LogProfit": (1.0, "note"),
    "LogProfitReset": (1,),
    "LogStatus": ("text",),
    "LogReset": (1,),
    "LogError": ("text",),
    "EnableLog": (True,),
    "EnableLogLocal": (True,),
    "SetErrorFilter": ("timeout",),
    "_D": (1_700_000_000_000, "yyyy-MM-dd"),
    "_N": (3.14, 2),
    "_Cross": ([1, 2], [2, 1]),
    "_T": ("a", "b"),
    "_G": ("key", 1),
    "JSONParse": ("{}",),
    "MD5": ("text",),
    "StrDecode": (b"text", "utf-8"),
    "Encode": ("sha256", "raw", "hex", "data", "raw", "key"),
    "SetChannelData": ("data",),
    "GetChannelData": ("7",),
    "DBExec": (":SELECT ?", 1),
    "Dial": ("tcp://127.0.0.1:1", 1),
    "Chart": (CONFIG,),
    "KLineChart": ({},),
    "TA.MA": ([1.0, 2.0], 2),
    "TA.MACD": ([1.0, 2.0], 2, 3, 4),
    "TA.BOLL": ([1.0, 2.0], 2, 2.0),
    "TA.KDJ": ([BAR], 1, 2, 3),
    "TA.ATR": ([BAR], 2),
    "TA.Highest": ([BAR, BAR], 1, "High"),
    "chart.add": (0, [1, 2], -1),
    "chart.reset": (1,),
    "kline.begin": (BAR,),
    "kline.plot": (1.0, "title"),
    "kline.signal": ("buy", 1.0, 1.0, "id"),
}


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    made = Runtime(ManualClock(1_700_000_000), name="nasty", console=False)
    with bound(made):
        yield made
    made.close()


def _target(name: str) -> Callable[..., Any]:
    owner, _, method = name.rpartition(".")
    if not owner:
        function: Callable[..., Any] = getattr(fmzthreads, name)
        return function
    objects: dict[str, Callable[[], Any]] = {
        "TA": lambda: fmzthreads.TA,
        "chart": lambda: fmzthreads.Chart(CONFIG),
        "kline": fmzthreads.KLineChart,
    }
    made: Callable[..., Any] = getattr(objects[owner](), method)
    return made


@pytest.mark.parametrize("name", NASTY)
def test_only_documented_errors_at_once(
    runtime: Runtime, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    value = NASTY[name]
    own_methods = name in {
        "rude",
        "rude text",
        "rude int",
        "rude float",
        "long fraction",
        "long int",
        "long negative int",
        "deep list",
    }  # whose text raises: these let that pass, as print does
    for target, good in GOOD.items():
        # Each kind of chart in a runtime of its own: a strategy uses one of the two.
        with bound(Runtime(ManualClock(1_700_000_000), name="nasty", console=False)) as own:
            for place in range(len(good)):
                args = [*good]
                args[place] = value
                if (
                    target.startswith(("Log", "_T", "EnableLog", "EnableLogLocal", "GetChannelData", "chart.add"))
                    and own_methods
                ):
                    continue
                if target == "Dial" and place == 0 and isinstance(value, str) and "://" in value:
                    continue
                _only_documented(partial(_target(target), *args), f"{target} with {name} as argument {place}")
            own.close()
    assert runtime.name == "nasty"


def _only_documented(call: Callable[[], Any], what: str) -> None:
    try:
        at_once(call, what)
    except FmzError as error:
        text = str(error)
        assert 0 < len(text) <= 500, f"{what}: a message of {len(text)} characters"
        text.encode()
    except BaseException as error:
        raise AssertionError(f"{what}: {type(error).__name__} instead of a documented error") from error
