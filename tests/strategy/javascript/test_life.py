"""The life of a JavaScript strategy: onexit, destroy, async functions, and what ends a script that does not end by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.strategy.runtime import Runtime
from tests.helpers.runs import fmzthreads, started, wait_for_line

pytest.importorskip("quickjs")

TEMPLATES = {
    "a": "var n = 1\nfunction init() { Log('init a') }\nfunction destroy() { Log('destroy a', n) }\n$.More = function() { n++ }",
    "b": "function destroy() { Log('destroy b'); nothing_here() }",
    "c": "$.Last = 1",
}


def texts(runtime: Runtime) -> list[str]:
    return [line.text for line in runtime.journal.lines()]


def test_templates_are_destroyed_once_after_onexit(load: Any, runtime: Runtime) -> None:
    program = load("function main() { $.More() }\nfunction onexit() { Log('onexit') }", templates=TEMPLATES)
    for name in ("init", "main", "onexit", "onexit"):
        program.call(name)
    lines = texts(runtime)
    assert lines[:4] == ["init a", "onexit", "destroy a 2", "destroy b"]
    assert lines[4].startswith("ReferenceError: nothing_here is not defined\n    at destroy (b.js:1")
    assert lines[5:] == ["onexit"]


def test_templates_are_destroyed_after_onexit_is_missing_and_after_an_error(load: Any, runtime: Runtime) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    load("function main() {}", templates={"a": TEMPLATES["a"]}).call("onexit")
    program = load(
        "function main() { throw 5 }\nfunction onerror(e) { Log('onerror', e) }", templates={"a": TEMPLATES["a"]}
    )
    with pytest.raises(JavaScriptError):
        program.call("main")
    assert texts(runtime) == ["init a", "destroy a 1", "init a", "onerror 5", "destroy a 1"]


def test_async_functions_and_promises_run_to_their_end(load: Any, runtime: Runtime) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    load(
        "async function main() { Log(await Promise.all([1, (async () => 2)()])); Promise.resolve(3).then(function(x) { Log(x) }) }"
    ).call("main")
    assert texts(runtime) == ["[1,2]", "3"]
    with pytest.raises(JavaScriptError, match=r"Error: lost\n    at main \(bot\.js:2"):
        load("async function main() { await 1;\n throw new Error('lost') }").call("main")
    with pytest.raises(JavaScriptError, match="waits for something that never happens"):
        load("async function main() { await new Promise(function() {}) }").call("main")


def _strategy(tmp_path: Path, code: str) -> str:
    path = tmp_path / "bot.js"
    path.write_text(code)
    return str(path)


LOOP = "function main() { Log('begun'); for (;;) ; }"


@pytest.mark.example
def test_a_script_that_loops_without_a_call_is_ended_by_its_process(tmp_path: Path) -> None:
    done = fmzthreads("run", _strategy(tmp_path, LOOP), "--simulated", "--seconds", "1", home=tmp_path)
    assert done.returncode == 1
    assert "begun" in done.stdout
    assert "still running" in done.stderr + done.stdout


@pytest.mark.example
@pytest.mark.parametrize(
    "loop", ["for (;;) ;", "for (;;) Sleep(1000)", "for (;;) { try { Sleep(1000) } catch (e) {} }"]
)
def test_control_c_ends_every_script(tmp_path: Path, loop: str) -> None:
    code = _strategy(tmp_path, f"function main() {{ Log('begun'); {loop} }}")
    with started("run", code, "--simulated", home=tmp_path) as process:
        wait_for_line(process, "begun")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(100) in {0, 1, 130}


@pytest.mark.example
def test_control_c_ends_a_backtest(tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text("time,open,high,low,close,volume\n1704067200000,1,2,1,2,5\n1704070800000,2,3,2,3,5\n")
    code = _strategy(tmp_path, "function main() { console.log('begun'); for (;;) ; }")
    with started("backtest", code, "--bars", f"Binance/BTC_USDT={bars}", home=tmp_path) as process:
        wait_for_line(process, "begun")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(100) != 0


@pytest.mark.example
def test_a_memory_limit_of_the_process_ends_a_script(tmp_path: Path) -> None:
    code = _strategy(tmp_path, "function main() { var a = []; for (;;) a.push(new Array(100000).fill(a.length)) }")
    (tmp_path / "run.toml").write_text("memory_mb = 400\n")
    done = fmzthreads("run", code, "--simulated", "--config", str(tmp_path / "run.toml"), home=tmp_path)
    assert done.returncode == 1
    assert "memory" in done.stderr


def test_timers_run_in_order_while_an_async_main_waits(load: Any, runtime: Runtime) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    slept: list[float] = []
    now = [1_000.0]

    def sleep(ms: float) -> None:
        slept.append(ms)
        now[0] += ms

    more: dict[str, Any] = {"api": {"Sleep": sleep, "LogError": None}, "virtual": True, "now_ms": lambda: now[0]}
    load(
        """
        async function main() {
            setTimeout(function() { Log('30') }, 30); setTimeout(function(a, b) { Log('5', a, b) }, 5, 'x', 'y')
            clearTimeout(setTimeout(function() { Log('never') }, 6)); setTimeout(function() { Log('now') })
            await sleepAsync(20); Log('20'); await sleepAsync(20)
        }
        """,
        **more,
    ).call("main")
    assert (texts(runtime), slept) == (["now", "5 x y", "20", "30"], [5, 15, 10, 10])
    with pytest.raises(JavaScriptError, match="Error: in a timer"):
        load(
            "async function main() { setTimeout(function() { throw new Error('in a timer') }); await sleepAsync(1) }",
            **more,
        ).call("main")
    with pytest.raises(JavaScriptError, match="setTimeout needs a function"):
        load("function main() { setTimeout('x', 1) }", **more).call("main")


def test_fetch_asks_by_http_query(load: Any, runtime: Runtime) -> None:
    seen: list[Any] = []

    def query(url: str, options: Any) -> Any:
        seen.append((url, options))
        good = {"StatusCode": 404, "Header": {"X-A": ["b", "c"]}, "Body": '{"a":1}'}
        return good if url == "http://a/" else {"StatusCode": 0, "Error": "refused", "Body": ""}

    load(
        """
        async function main() {
            var r = await fetch('http://a/', {method: 'PUT', body: 'text', headers: new Map([['H', '1']])})
            Log(r.ok, r.status, r.headers.get('x-a'), await r.text(), (await r.json()).a)
            try { await fetch('http://b/') } catch (e) { Log(e instanceof TypeError, e.message) }
        }
        """,
        api={"HttpQuery": query},
    ).call("main")
    assert texts(runtime) == ['false 404 b, c {"a":1} 1', "true refused"]
    assert seen == [
        ("http://a/", {"debug": True, "method": "PUT", "body": "text", "headers": {"H": "1"}}),
        ("http://b/", {"debug": True}),
    ]
