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
