"""FMZ's names in JavaScript: values, failures, objects, time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmzthreads.charts.chart import ChartObject
from fmzthreads.charts.kline_chart import KLineChartObject
from fmzthreads.charts.points import ChartPoints
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.tasks.handle import Handle
from tests.helpers.exchange_room import make

pytest.importorskip("quickjs")


class Venue:
    """An exchange object whose calls are seen."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def GetName(self) -> str:
        return "Test"

    def Buy(self, *args: Any) -> str:
        self.seen.append(("Buy", *args))
        return "7"

    def GetOrder(self, order_id: Any) -> dict[str, Any] | None:
        return {"Id": order_id, "Info": {"orderId": 12345678901234567890, "small": 5}} if order_id == "7" else None

    def CancelOrder(self, order_id: Any, *args: Any) -> bool:
        self.seen.append(("CancelOrder", order_id, *args))
        return False

    def Go(self, method: str, *args: Any) -> Handle[Any]:
        from fmzthreads.clock import ManualClock

        handle = Handle(getattr(self, method), args, clock=ManualClock())
        handle.run()
        return handle


def test_log_shows_values_as_javascript_does(logged: Any) -> None:
    lines = logged("Log('a', 1, 1.5, true, null, undefined, {b: [1, 'x']}, [1, 2], new Error('e'), 10n, NaN)")
    assert lines == ['a 1 1.5 true null null {"b":[1,"x"]} [1,2] Error: e 10 NaN']


def test_colours_and_pushes_at_the_end_of_a_line(logged: Any, runtime: Runtime) -> None:
    logged("Log('fell', {a: 1}, '#ff0000'); Log('rose #00ff00'); Log('pushed', '#0000ff@'); Log('plain')")
    assert [(line.text, line.color) for line in runtime.journal.lines()] == [
        ('fell {"a":1}', "#ff0000"),
        ("rose", "#00ff00"),
        ("pushed", "#0000ff"),
        ("plain", ""),
    ]


def test_methods_work_off_their_object_and_texts_reach_the_log(logged: Any) -> None:
    venue = Venue()
    lines = logged(
        """
        var buy = exchange.Buy
        Log(buy(100.5, 3, 'because', {a: 1}), exchange.CancelOrder('7', [1]), exchange === exchanges[0], String(exchange))
        Log(exchange.Go('Buy', 1, 2, 'go', {b: 2}).wait(), exchange.Go.apply(this, ['GetOrder', '8']).wait())
        """,
        exchanges=(venue,),
    )
    assert lines == ["7 false true Test", "7 null"]
    assert venue.seen == [
        ("Buy", 100.5, 3, "because", '{"a":1}'),
        ("CancelOrder", "7", "[1]"),
        ("Buy", 1, 2, "go", '{"b":2}'),
    ]
    assert [type(value) for value in venue.seen[0][1:3]] == [float, int]


def test_a_time_out_is_in_milliseconds(logged: Any) -> None:
    exchange, venue, _ = make()
    assert logged("Log(exchange.SetTimeout(1500), exchange.SetTimeout('x'))", exchanges=(exchange,)) == ["true null"]
    assert venue.timeout_ms == 1500


def test_a_ticker_is_built_of_values_in_a_row(logged: Any) -> None:
    class Row(Venue):
        """A venue that gives a ticker's values, of which GetTicker is not called."""

        def GetTicker(self, symbol: str = "") -> None:
            self.seen.append(("GetTicker", symbol))

        def ticker_values(self, symbol: str = "") -> tuple[Any, ...] | None:
            self.seen.append(symbol)  # type: ignore[arg-type]
            return (symbol or "A_B", 2.5, 1.0, 2.0, 1.5, 1.75, 1.25, 7.0, 1.7e12, 0.0) if symbol != "none" else None

    venue = Row()
    lines = logged(
        "var f = exchange.GetTicker; Log(f()); Log(f('É_\\u0001').Symbol, f('\\u0001j1').Symbol === '\\u0001j1', f('none'))",
        exchanges=(venue,),
    )
    assert lines == [
        '{"Symbol":"A_B","High":2.5,"Low":1,"Sell":2,"Buy":1.5,"Last":1.75,"Open":1.25,"Volume":7,"Time":1700000000000,"OpenInterest":0}',
        "É_\x01 true null",
    ]
    assert venue.seen == ["", "É_\x01", "\x01j1", "none"]


def test_large_ids_keep_their_digits(logged: Any) -> None:
    lines = logged(
        """
        var order = exchange.GetOrder('7')
        Log(typeof order.Info.orderId, order.Info.orderId, typeof order.Info.small)
        Log(JSONParse('{"id": 98765432109876543210, "n": 5}'))
        """,
        exchanges=(Venue(),),
    )
    assert lines == ["string 12345678901234567890 number", '{"id":"98765432109876543210","n":5}']


def test_a_handle_gives_bare_values_and_says_when_it_is_done(logged: Any) -> None:
    lines = logged(
        """
        var h = exchange.Go('GetName')
        Log(h.wait(1000))
        try { h.wait(); Log('no') } catch (e) { Log(e.message.includes('already finished')) }
        """,
        exchanges=(Venue(),),
    )
    assert lines == ["Test", "true"]


@pytest.mark.parametrize(
    "text",
    ["plain", "é漢字😀", "a\u0000b", "\ud83d", "\u0001j[1]", "x" * 100_000, ""],
    ids=lambda text: repr(text)[:20],
)
def test_texts_cross_unchanged_both_ways(logged: Any, text: str) -> None:
    seen: list[Any] = []

    def echo(value: Any) -> Any:
        seen.append(value)
        return value

    quoted = json.dumps(text)
    lines = logged(
        f"var s = {quoted}; Log(Echo(s) === s, Echo([s])[0] === s, Echo(s + s) === s + s)", api={"Echo": echo}
    )
    assert lines == ["true true true"]
    assert seen == [text, [text], text + text]


def test_bytes_cross_unchanged_both_ways(logged: Any) -> None:
    seen: list[Any] = []

    def echo(value: Any) -> Any:
        seen.append(value)
        return bytes(range(256))

    lines = logged(
        "var b = new Uint8Array(Echo(new Uint8Array([0, 255, 1]))); Log(b.length, b[0], b[255]); Echo(b.buffer)",
        api={"Echo": echo},
    )
    assert lines == ["256 0 255"]
    assert seen == [bytes([0, 255, 1]), bytes(range(256))]


def test_numbers_cross_unchanged(logged: Any) -> None:
    seen: list[Any] = []

    def echo(value: Any) -> Any:
        seen.append(value)
        return value

    lines = logged(
        "Log(Echo(1), Echo(0.1), Echo(5000000000), Echo(9007199254740993n), Echo(-1.5), Echo(1e300), Object.is(Echo(-0), -0))",
        api={"Echo": echo},
    )
    assert lines == ["1 0.1 5000000000 9007199254740993 -1.5 1e+300 true"]
    assert seen[:4] == [1, 0.1, 5_000_000_000, 9_007_199_254_740_993]
    assert [type(value) for value in seen[:4]] == [int, float, int, int]


def test_what_is_not_finite_is_null(logged: Any) -> None:
    api = {"Odd": lambda: [float("nan"), float("inf"), 2**60], "Nan": lambda: float("nan")}
    assert logged("Log(Odd(), Nan())", api=api) == ['[null,null,"1152921504606846976"] null']


def test_indicators_have_nan_where_there_is_nothing(logged: Any) -> None:
    lines = logged(
        """
        var records = _.range(30).map(function(i) { return {Time: i, Open: i, High: i + 1, Low: i - 1, Close: i * i % 7, Volume: 1} })
        var ma = TA.MA(records, 5), macd = TA.MACD(records), flat = TA.MA([1, 2, 3, 4], 2)
        Log(ma.length, isNaN(ma[3]), isNaN(ma[4]), macd.length, flat)
        Log(TA.Highest(records, 3, 'High'), TA.ATR(records, 14).length, _Cross([1, 2, 3], [3, 2, 1]), _Cross(ma, ma))
        """
    )
    assert lines == ["30 true false 3 [null,1.5,2.5,3.5]", "29 30 1 0"]


def test_indicators_of_very_many_bars(logged: Any) -> None:
    lines = logged(
        """
        var bars = _.range(11000).map(function(i) { return {Time: i, Open: i, High: i + 1, Low: i - 1, Close: i, Volume: 2} })
        Log(TA.ATR(bars, 14)[10999], TA.OBV(bars)[10999], TA.MA(_.range(70000), 2)[69999], isNaN(TA.MA(_.range(70000), 2)[0]))
        Log(TA.MA([]), TA.KDJ(bars.slice(0, 20)).length, TA.MA([NaN, undefined, 1, 2, 3], 2)[4])
        try { TA.MA(null) } catch (e) { Log(e.message) }
        """
    )
    assert lines == ["2 22000 69998.5 true", "[] 3 2.5", "TA.MA needs records or numbers, got null"]


def test_small_globals(logged: Any, runtime: Runtime) -> None:
    lines = logged(
        """
        _G('Key', {a: [1]}); Log(_G('key').a[0], _G('none')); _G('KEY', null); Log(_G('key'))
        _G('a', 1); _G(null); Log(_G('a'), typeof _G())
        Log(_N(1.23456, 2), _N(129, -1), MD5('hello world'), ORDER_STATE_PENDING, PERIOD_M5)
        Log(_D(0).length, _D(86400000 * 10, 'yyyy-MM'), _D(new Date(86400000 * 10), '%Y'))
        var tries = 0
        Log(_C(function(x) { tries++; return tries > 0 && x }, 'x'), tries)
        """
    )
    assert lines == [
        "1 null", "null", "null number", "1.23 120 5eb63bbbe01eeed093cb22bb8f5acdc3 0 300", "19 1970-01 1970", "x 1"
    ]  # fmt: skip
    assert runtime.run_id == 1


def test_what_the_last_match_was(logged: Any, load: Any, runtime: Runtime) -> None:
    lines = logged(
        """
        Date.prototype.Format = function (fmt) {
            var parts = {'M+': this.getUTCMonth() + 1, 'd+': this.getUTCDate()};
            if (/(y+)/.test(fmt)) fmt = fmt.replace(RegExp.$1, (this.getUTCFullYear() + '').substr(4 - RegExp.$1.length));
            for (var k in parts)
                if (new RegExp('(' + k + ')').test(fmt))
                    fmt = fmt.replace(RegExp.$1, RegExp.$1.length == 1 ? parts[k] : ('00' + parts[k]).substr(('' + parts[k]).length));
            return fmt;
        };
        Log(new Date(0).Format('yyyy-MM-d'), new Date(0).Format('yy/M/dd'));
        'a1b2'.replace(/([a-z])(\\d)/g, ''); Log(RegExp.$1, RegExp['$2'], RegExp.lastMatch, RegExp.$3 === '');
        /z/.exec('a'); 'xay'.match(/a/); Log(RegExp.leftContext, RegExp.rightContext, RegExp.$1 === '', RegExp.input);
        """
    )
    assert lines == ["1970-01-1 70/1/01", "b 2 b2 true", "x y true xay"]
    load("var now = RegExp.$1; function main() { Log(typeof now) }").call("main")
    load("function main() { Log(typeof RegExp['lastIn' + 'dex']) }").call("main")  # a script that names none of them


def test_printing_and_require(logged: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = logged("console.log('a', {b: 1}); console.error('c'); try { require('fs') } catch (e) { Log(e.message) }")
    assert lines == ['require("fs") is not there: a strategy is one file, with templates beside it']
    out = capsys.readouterr()
    assert (out.out, out.err) == ('a {"b":1}\n', "c\n")


def test_parameters_are_globals_and_templates_share_one_object(load: Any, runtime: Runtime) -> None:
    program = load(
        "function init() { Log('init', fast, names) }\nfunction main() { fast++; Log($.Twice(fast), typeof hidden, typeof scale) }",
        args={"fast": 3, "names": ["a", None]},
        templates={
            "lib": "var hidden = 1\nfunction init() { Log('lib', scale) }\n$.Twice = function(x) { return x * scale }"
        },
    )
    program.call("init")
    program.call("main")
    program.call("onexit")  # there is none
    assert [line.text for line in runtime.journal.lines()] == ["lib 2", 'init 3 ["a",null]', "8 undefined undefined"]


def test_charts_are_made_and_grow(logged: Any) -> None:
    made: list[Any] = []

    def chart(options: Any) -> Any:
        made.append(ChartObject(ChartPoints(None, lambda: 5), options))
        return made[-1]

    logged(
        "var c = Chart({series: [{name: 'a', data: []}]}); c.add(0, [1000, 5]); c.add([0, [2000, 6]]); c.add(0, [2000, 7], -1)",
        api={"Chart": chart},
    )
    assert made[0].points(0) == [[1000, 5], [2000, 7]]


def test_drawings_on_bars_take_their_options_in_an_object(logged: Any) -> None:
    made: list[Any] = []

    def chart(options: Any) -> Any:
        made.append(KLineChartObject(ChartPoints(None, lambda: 5), options))
        return made[-1]

    logged(
        """
        var k = KLineChart({overlay: true})
        k.begin({Time: 1000, Open: 1, High: 2, Low: 0, Close: 1, Volume: 3})
        k.plot(1.5, 'line', {color: '#ff0000', linewidth: 2})
        k.close()
        """,
        api={"KLineChart": chart},
    )
    (candle,) = made[0].candles()
    assert candle["timestamp"] == 1000
    assert "#ff0000" in str(candle)


def test_a_backtest_has_its_own_dates_and_chance(load: Any, runtime: Runtime) -> None:
    code = """
    function main() {
      Log(Date.now(), new Date().getTime(), new Date(5).getTime(), new Date(2020, 0, 1) instanceof Date, typeof Date())
      Log(Math.random(), Math.random(), _.random(1, 6) <= 6)
    }"""
    times = iter(range(1000, 2000))
    for _ in range(2):
        load(code, virtual=True, seed=5, now_ms=lambda: next(times)).call("main")
    lines = [line.text for line in runtime.journal.lines()]
    assert lines[0] == "1000 1001 5 true string"
    assert lines[1] == lines[3]
    first = float(lines[1].split()[0])
    assert 0 <= first < 1
    load(code, virtual=True, seed=6, now_ms=lambda: next(times)).call("main")
    assert [line.text for line in runtime.journal.lines()][5] != lines[1]


def test_dates_in_fmzs_form_with_milliseconds_and_each_part_once(logged: Any) -> None:
    assert logged(
        """
        Log(_D(1705284645123, "yyyy-MM-ddThh:mm:ss.SSSZ").slice(-5), _D(5, "SSS|ss"), _D(0, "yyyy yy MM MM dd").replace(/[0-9]/g, '9'), _D(new Date(7), "SSS"))
        """
    ) == [".123Z 005|00 9999 99 99 MM 99 007"]


@pytest.mark.parametrize("name", ["BTC_USDT", "é_币", "\ud800"])
def test_an_object_of_values_in_a_row_has_texts_of_any_kind(name: str) -> None:
    import quickjs

    from fmzthreads.strategy.javascript.values import EngineValues

    context = quickjs.Context()
    values = EngineValues(context)
    context.add_callable("flat", values.flat(lambda *given: (name, *map(float, given)), ("Symbol", "Last")))
    assert json.loads(context.eval("JSON.stringify(flat(2.5))")) == {"Symbol": name, "Last": 2.5}
    context.add_callable("none", values.flat(lambda: None, ("Symbol",)))
    assert context.eval("none()") is None
