"""The same strategy in Python and in JavaScript gives the same orders, fills, log and result."""

from __future__ import annotations

import json
import math
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from fmzthreads.backtest.backtest_run import BacktestRun
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.cli import main
from tests.helpers.backtest_results import golden_folder

pytest.importorskip("quickjs")

MA_CROSS = (
    """
def main():
    above = None
    while True:
        r = exchange.GetRecords(PERIOD_M15)
        if len(r) > 20:
            fast, slow = TA.MA(r, 5), TA.EMA(r, 20)
            now = fast[-2] > slow[-2]
            if above is not None and now != above:
                account = exchange.GetAccount()
                if now:
                    exchange.Buy(-1, _N(account.Balance * 0.9, 2), 'up', '%.4f' % fast[-2])
                else:
                    exchange.Sell(-1, _N(account.Stocks, 4), 'down', '%.4f' % slow[-2])
                LogProfit(exchange.GetAccount().Balance - 10000)
            above = now
        Sleep(1000 * 60 * 5)
""",
    """
function main() {
    var above = null
    while (true) {
        var r = exchange.GetRecords(PERIOD_M15)
        if (r.length > 20) {
            var fast = TA.MA(r, 5), slow = TA.EMA(r, 20), i = r.length - 2
            var now = fast[i] > slow[i]
            if (above !== null && now != above) {
                var account = exchange.GetAccount()
                if (now) exchange.Buy(-1, _N(account.Balance * 0.9, 2), 'up', fast[i].toFixed(4))
                else exchange.Sell(-1, _N(account.Stocks, 4), 'down', slow[i].toFixed(4))
                LogProfit(exchange.GetAccount().Balance - 10000)
            }
            above = now
        }
        Sleep(1000 * 60 * 5)
    }
}
""",
)
GRID = (
    """
def main():
    middle = _N(exchange.GetTicker().Last, 0)
    while True:
        price = exchange.GetTicker().Last
        for order in exchange.GetOrders():
            if abs(order.Price - price) > 600:
                exchange.CancelOrder(order.Id, 'far')
        if not exchange.GetOrders():
            for k in range(1, 4):
                exchange.Buy(price - 120 * k, 0.02, 'rung', k)
                if exchange.GetAccount().Stocks > 0.02 * k:
                    exchange.Sell(price + 120 * k, 0.02, 'rung', k)
        Log('%.2f' % middle, '%.2f' % price, len(exchange.GetOrders()), '%.6f' % exchange.GetAccount().Balance)
        Sleep(1000 * 60 * 20)
""",
    """
function main() {
    var middle = _N(exchange.GetTicker().Last, 0)
    while (true) {
        var price = exchange.GetTicker().Last
        _.each(exchange.GetOrders(), function(order) {
            if (Math.abs(order.Price - price) > 600) exchange.CancelOrder(order.Id, 'far')
        })
        if (exchange.GetOrders().length == 0) {
            for (var k = 1; k < 4; k++) {
                exchange.Buy(price - 120 * k, 0.02, 'rung', k)
                if (exchange.GetAccount().Stocks > 0.02 * k) exchange.Sell(price + 120 * k, 0.02, 'rung', k)
            }
        }
        Log(middle.toFixed(2), price.toFixed(2), exchange.GetOrders().length, exchange.GetAccount().Balance.toFixed(6))
        Sleep(1000 * 60 * 20)
    }
}
""",
)
TIME = (
    """
import time
def main():
    for _ in range(30):
        t = exchange.GetTicker()
        d = exchange.Go('GetDepth').wait()[0]
        Log(t.Time, '%.2f' % d.Asks[0].Price, int(time.time() * 1000), int(UnixNano() / 1000000), _D(t.Time / 1000))
        LogStatus('x', _D(t.Time / 1000))
        Sleep(70000)
    _G('Key', {'a': [1, None]}); Log(_G('kEY')['a'][0], IsVirtual(), exchange.GetName(), exchange.GetCurrency())
    exchange.Sell(-1, 99)
    Log(exchange.GetOrder('none'))
""",
    """
function main() {
    for (var i = 0; i < 30; i++) {
        var t = exchange.GetTicker()
        var d = exchange.Go('GetDepth').wait()
        Log(t.Time, d.Asks[0].Price.toFixed(2), Date.now(), Math.floor(UnixNano() / 1000000), _D(t.Time))
        LogStatus('x', _D(t.Time))
        Sleep(70000)
    }
    _G('Key', {a: [1, null]}); Log(_G('kEY').a[0], IsVirtual() ? 'True' : '', exchange.GetName(), exchange.GetCurrency())
    exchange.Sell(-1, 99)
    Log(exchange.GetOrder('none') === null ? 'None' : '')
}
""",
)
PAIRS = {"ma_cross": MA_CROSS, "grid": GRID, "time": TIME}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of five-minute bars."""
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    rows, price = ["time,open,high,low,close,volume"], 40_000.0
    for n in range(3 * 288):
        begun = price
        price += 60 * math.sin(n / 9) + 25 * math.sin(n * 1.7)
        high, low = max(begun, price) + 5, min(begun, price) - 5
        rows.append(f"{1_703_980_800_000 + n * 300_000},{begun:.1f},{high:.1f},{low:.1f},{price:.1f},3.5")
    path.write_text("\n".join(rows))
    return path


def run(file: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = main(["backtest", str(file), "--json", *words])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    found: dict[str, Any] = json.loads(printed.out)
    return found


@pytest.mark.parametrize("name", PAIRS)
def test_both_languages_give_the_same_result(
    name: str, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--bars", f"Binance/BTC_USDT={bars}", "--start", "2024-01-01 00:00:00", "--end", "2024-01-03 00:00:00", "--period", "15m",
        "--base-period", "5m", "--exchange", '{"eid": "Binance", "currency": "BTC_USDT", "balance": 10000, "stocks": 0.1}',
    ]  # fmt: skip
    results = []
    for ending, code in zip((".py", ".js"), PAIRS[name], strict=True):
        file = tmp_path / f"bot{ending}"
        file.write_text(code)
        results.append(run(file, words, capsys))
    python, javascript = results
    assert len(python["result"]["RuntimeLogs"]) > 10
    for key in ("RuntimeLogs", "ProfitLogs", "Snapshots", "Status", "Indicators", "LogsCount", "Time"):
        assert javascript["result"].get(key) == python["result"].get(key), key
    assert javascript["final"] == python["final"]
    assert javascript["metrics"] == python["metrics"]


def test_the_scripts_thread_owns_the_engines_lock(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    ended = BacktestRun.finish

    def finish(run: BacktestRun, end: Any) -> None:
        lock = cast("BacktestEngine", run.engine).lock
        seen.append((lock.owner not in {0, threading.get_ident()}, lock.shared))
        ended(run, end)

    monkeypatch.setattr(BacktestRun, "finish", finish)
    file = tmp_path / "bot.js"
    file.write_text("function main() { exchange.GetTicker(); Sleep(60000); exchange.GetTicker() }")
    exchange = '{"eid": "Binance", "currency": "BTC_USDT"}'
    words = ["--bars", f"Binance/BTC_USDT={bars}", "--start", "2024-01-01 00:00:00", "--end", "2024-01-02 00:00:00"]
    run(file, [*words, "--base-period", "5m", "--exchange", exchange], capsys)
    free = getattr(sys, "_is_gil_enabled", lambda: True)()
    assert seen[0] == (True, not free)


ARBITRAGE_JS = """
function main() {
    var a = exchanges[0], b = exchanges[1]
    while (true) {
        var ta = a.GetTicker(), tb = b.GetTicker()
        Log(ta.Last.toFixed(2), tb.Last.toFixed(2), exchanges.length)
        if (ta.Sell < tb.Buy) { a.Buy(-1, 100, 'a'); b.Sell(-1, 0.05, 'b') }
        Sleep(1000 * 60 * 7)
    }
}
"""
ARBITRAGE_PY = """
def main():
    a, b = exchanges[0], exchanges[1]
    while True:
        ta, tb = a.GetTicker(), b.GetTicker()
        Log('%.2f' % ta.Last, '%.2f' % tb.Last, len(exchanges))
        if ta.Sell < tb.Buy:
            a.Buy(-1, 100, 'a'); b.Sell(-1, 0.05, 'b')
        Sleep(1000 * 60 * 7)
"""
TREND_JS = """
function main() {
    exchange.SetContractType('swap')
    exchange.SetMarginLevel(5)
    var side = 0
    while (true) {
        var r = exchange.GetRecords(PERIOD_M15)
        if (r.length > 40) {
            var f = TA.EMA(r, 8), s = TA.EMA(r, 30), i = r.length - 2
            var want = f[i] > s[i] ? 1 : -1
            if (want != side) {
                _.each(exchange.GetPositions(), function(p) {
                    exchange.SetDirection(p.Type == PD_LONG ? 'closebuy' : 'closesell')
                    if (p.Type == PD_LONG) exchange.Sell(-1, p.Amount, 'close long')
                    else exchange.Buy(-1, p.Amount, 'close short')
                })
                var acc = exchange.GetAccount()
                var t = exchange.GetTicker()
                var amount = _N(acc.Balance * 0.6 * 5 / t.Last, 3)
                exchange.SetDirection(want == 1 ? 'buy' : 'sell')
                if (want == 1) exchange.Buy(-1, amount, 'open long')
                else exchange.Sell(-1, amount, 'open short')
                side = want
                _.each(exchange.GetPositions(), function(p) {
                    Log(p.Type, p.Price.toFixed(6), p.Amount.toFixed(3), p.Margin.toFixed(6), p.Profit.toFixed(6), Math.floor(p.MarginLevel))
                })
                LogProfit(exchange.GetAccount().Equity - 10000)
            }
        }
        Sleep(1000 * 60 * 5)
    }
}
"""


def test_the_futures_trend_is_that_of_fmzs_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = golden_folder("usdt_futures_trend")
    file = tmp_path / "trend.js"
    file.write_text(TREND_JS)
    found = run(file, ["--config", str(folder / "config.json"), "--bars", str(folder / "bars.csv")], capsys)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert found["result"]["RuntimeLogs"] == expected["runtimeLogs"]
    assert found["result"]["ProfitLogs"] == expected["profitLogs"]
    assert found["result"]["Snapshots"] == expected["snapshots"]
    assert found["final"][0]["account"] == expected["final"]["exchanges"][0]["account"]


def test_two_exchanges_share_the_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = golden_folder("two_exchange_arbitrage")
    results = []
    for name, code in (("a.py", ARBITRAGE_PY), ("a.js", ARBITRAGE_JS)):
        (tmp_path / name).write_text(code)
        words = ["--config", str(folder / "config.json"), "--bars", str(folder / "bars.csv")]
        results.append(run(tmp_path / name, words, capsys))
    assert results[0]["result"]["RuntimeLogs"] == results[1]["result"]["RuntimeLogs"]
    assert results[0]["final"] == results[1]["final"]


def test_the_end_of_the_data_cannot_be_caught_for_good(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bot.js"
    file.write_text("function main() { while (true) { try { exchange.GetTicker(); Sleep(3600000) } catch (e) {} } }")
    found = run(
        file,
        ["--bars", f"Binance/BTC_USDT={bars}", "--start", "2024-01-01 00:00:00", "--end", "2024-01-02 00:00:00"],
        capsys,
    )
    assert found["result"]["Finished"]


RECORDS = """
function main() {
    exchange.SetMaxBarLen(50)
    var last = exchange.GetRecords(), turns = 0
    while (true) {
        Sleep(1000 * 60 * 4)
        var now = exchange.GetRecords()
        if (now.length > 50) throw 'too long'
        for (var i = 1; i < now.length; i++) if (now[i].Time - now[i - 1].Time != 900000) throw 'a hole'
        var same = now.filter(function(bar) { return last.indexOf(bar) >= 0 }).length
        // Bars that are final are the same objects; the forming one is another each time.
        if (turns > 0 && (same < now.length - 3 || last[last.length - 1] === now[now.length - 1])) throw 'same ' + same
        last[0] = null
        last = now
        turns++
        if (turns % 100 == 0) Log(turns, JSON.stringify(now[0]), JSON.stringify(now[now.length - 1]), now.length)
    }
}
"""
RECORDS_PY = """
def main():
    exchange.SetMaxBarLen(50)
    exchange.GetRecords()
    turns = 0
    while True:
        Sleep(1000 * 60 * 4)
        now = exchange.GetRecords()
        turns += 1
        if turns % 100 == 0:
            shown = [json.dumps({k: int(v) if v == int(v) else v for k, v in bar.items()}, separators=(',', ':')) for bar in (now[0], now[-1])]
            Log(turns, shown[0], shown[1], len(now))
"""


def test_records_grow_and_share_their_final_bars(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--bars", f"Binance/BTC_USDT={bars}", "--start", "2024-01-01 00:00:00", "--end", "2024-01-03 00:00:00", "--period", "15m",
        "--base-period", "5m",
    ]  # fmt: skip
    results = []
    for name, code in (("bot.js", RECORDS), ("bot.py", RECORDS_PY)):
        (tmp_path / name).write_text(code)
        results.append(run(tmp_path / name, words, capsys)["result"]["RuntimeLogs"])
    assert len(results[0]) == 7
    assert results[0] == results[1]


IDIOMS = """
var OrgAccount = null
function adjustFloat(v) { return Math.floor(v * 1000) / 1000 }
function GetAccount(e) { return _C(e.GetAccount) }
var Manager = (function() {
  function M(e) { this.fn = function(name) { return e[name].bind(e)() } }
  M.prototype.tick = function() { return this.fn('GetTicker') }
  return M
})()
$.Cross = function(a, b) { return _Cross(a, b) }
function main() {
  SetErrorFilter('502:|503:|tcp|timeout|reset|EOF')
  LogReset(1); LogProfitReset(); exchange.SetPrecision(2, 3)
  OrgAccount = GetAccount(exchange)
  var m = new Manager(exchange), crossed = 0
  var chart = Chart({extension: {layout: 'single'}, series: [{type: 'candlestick', id: 'primary', data: []}, {type: 'flags', onSeries: 'primary', data: []}]})
  exchange.Buy(-1, 1000, 'open #ff0000', {why: ['x']})
  for (var turn = 0; turn < 60; turn++) {
    var r = exchange.GetRecords(), t = m.tick(), orders = exchange.GetOrders()
    if (!r || r.length < 30) { Sleep(60000); continue }
    var macd = TA.MACD(r), hi = TA.Highest(r, 20, 'High'), last = r[r.length - 1]
    if (hi != Math.max.apply(null, r.slice(-21, -1).map(x => x.High))) throw 'highest'
    if ($.Cross(TA.EMA(r, 5), TA.EMA(r, 10)) == 1 && !isNaN(macd[0][macd[0].length - 1])) crossed++
    chart.add([0, [last.Time, last.Open, last.High, last.Low, last.Close]])
    LogStatus('`' + JSON.stringify({type: 'table', title: 't', cols: ['a'], rows: [[t.Last, orders.length]]}) + '`', exchange.GetRawJSON())
    var cmd = GetCommand(); if (cmd) { var arr = cmd.split(':') }
    Sleep(1000 * 60 * 15)
  }
  LogProfit(adjustFloat(GetAccount(exchange).Balance - OrgAccount.Balance), '&')
  Log('crossed', crossed > 0, '@')
}
function onexit() { Log('exit') }
"""


def test_the_idioms_of_published_strategies(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bot.js"
    file.write_text(IDIOMS)
    words = [
        "--bars",
        f"Binance/BTC_USDT={bars}",
        "--start",
        "2024-01-01 00:00:00",
        "--end",
        "2024-01-03 00:00:00",
        "--period",
        "15m",
    ]
    result = run(file, words, capsys)["result"]
    texts = [row[7] for row in result["RuntimeLogs"]]
    assert texts == ['open #ff0000 {"why":["x"]}', "crossed true @", "exit"]
    assert -1000 <= result["ProfitLogs"][0][1] < -999.9  # the coins are cut to the amount step
    assert result["Status"].startswith('`{"type":"table"')
    assert result["Chart"]["Datas"]
