"""talib in JavaScript, with TA-Lib and without it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytest.importorskip("quickjs")


def test_without_ta_lib_the_first_use_says_how_to_install_it(logged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "talib", None)
    lines = logged("try { talib.MA([1, 2, 3], 2) } catch (e) { Log(e instanceof Error, e.message) }")
    assert lines == ["true talib.MA: TA-Lib is not installed; install it with: python -m pip install TA-Lib"]


class _Talib:
    """TA-Lib's functions as far as the test calls them."""

    @staticmethod
    def MA(close: Any, timeperiod: int = 30) -> Any:
        numpy = pytest.importorskip("numpy")
        assert close.dtype == float
        padded = [float("nan")] * (timeperiod - 1)
        return numpy.array(
            padded + [sum(close[i : i + timeperiod]) / timeperiod for i in range(len(close) - timeperiod + 1)]
        )

    @classmethod
    def BBANDS(cls, close: Any, timeperiod: int) -> Any:
        return cls.MA(close, timeperiod), cls.MA(close, timeperiod)


BODY = """
var records = _.range(6).map(function(i) { return {Time: i, Open: i, High: i + 2, Low: i - 2, Close: i, Volume: 1} })
var ma = talib.MA(_.pluck(records, 'Close'), 2), bands = talib.BBANDS([1, 2, 3, 4], 2)
Log(ma.length, isNaN(ma[0]), ma[1], ma[5], bands.length, isNaN(bands[0][0]))
"""


def test_arrays_cross_as_arrays_of_floats(logged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setitem(sys.modules, "talib", _Talib)
    assert logged(BODY) == ["6 true 0.5 4.5 2 true"]
    assert "TypeError" in logged("try { talib.MA() } catch (e) { Log('TypeError', e.message) }")[-1]


def test_ta_lib_itself(logged: Any) -> None:
    talib = pytest.importorskip("talib", reason="the extra ta")
    numpy = pytest.importorskip("numpy")
    body = """
    var closes = _.range(60).map(function(i) { return 100 + (7 * i % 13) - (3 * i % 5) + i / 4 })
    var macd = talib.MACD(closes, 12, 26, 9)
    Log(talib.RSI(closes, 14)[59].toFixed(10), macd.length, macd[0][59].toFixed(10), talib.MA(closes, 9).length)
    """
    closes = numpy.array([100 + (7 * i % 13) - (3 * i % 5) + i / 4 for i in range(60)])
    rsi, macd = talib.RSI(closes, 14)[-1], talib.MACD(closes, 12, 26, 9)[0][-1]
    assert logged(body) == [f"{rsi:.10f} 3 {macd:.10f} 60"]


def test_records_serve_functions_of_prices(logged: Any) -> None:
    talib = pytest.importorskip("talib", reason="the extra ta")
    numpy = pytest.importorskip("numpy")
    body = """
    var records = _.range(60).map(function(i) { return {Time: i, Open: i, High: i + 2 + i % 3, Low: i - 2 - i % 5, Close: i + i % 7, Volume: 1 + i % 4} })
    var last = function(values) { return values[59].toFixed(8) }
    Log(last(talib.RSI(records, 14)), last(talib.ATR(records, 14)), last(talib.OBV(records, records)), last(talib.OBV(records)),
        talib.MACD(records, 12, 26, 9).map(last), talib.STOCH(records, 9, 3, 0, 3, 0).map(last), last(talib.SAR(records)), last(talib.BOP(records)),
        last(talib.ATR(_.pluck(records, 'High'), _.pluck(records, 'Low'), _.pluck(records, 'Close'), 14)), isNaN(talib.MA(records, 9)[7]), last(talib.ADD(records, records)),
        last(talib.CDLDOJI(records)), talib.get_functions().length > 100)
    try { talib.NONE([1]) } catch (e) { Log(e.message) }
    """
    i = numpy.arange(60.0)
    high, low, close, volume = i + 2 + i % 3, i - 2 - i % 5, i + i % 7, 1 + i % 4
    many = [talib.MACD(close, 12, 26, 9), talib.STOCH(high, low, close, 9, 3, 0, 3, 0)]
    words = [[f"{row[-1]:.8f}" for row in rows] for rows in many]
    one = [talib.RSI(close, 14), talib.ATR(high, low, close, 14), talib.OBV(close, volume), talib.OBV(close, volume)]
    two = [talib.SAR(high, low), talib.BOP(i, high, low, close), talib.ATR(high, low, close, 14)]
    shown = [[f"{row[-1]:.8f}" for row in rows] for rows in (one, two)]
    lists = ["[" + ",".join(f'"{word}"' for word in row) + "]" for row in words]
    doji = f"{talib.CDLDOJI(i, high, low, close)[-1]:.8f}"
    assert logged(body) == [
        " ".join([*shown[0], *lists, *shown[1], "true", f"{2 * close[-1]:.8f}", doji, "true"]),
        "module 'talib' has no attribute 'NONE'",
    ]
