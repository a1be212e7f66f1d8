"""Errors of JavaScript strategies: their own lines, onerror, syntax, and ends that cannot be caught."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import InputError, StopRequested
from fmzthreads.strategy.program.own_lines import last_line, own_traceback
from fmzthreads.strategy.program.reading import read_source
from fmzthreads.strategy.runtime import Runtime

pytest.importorskip("quickjs")


def test_an_error_shows_the_strategys_own_lines_and_calls_onerror(load: Any, runtime: Runtime) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    program = load(
        "function main() {\n  _.each([1], function inner() {\n    $.Fail()\n  })\n}\nfunction onerror(text) { Log(text) }",
        templates={"lib": "\n$.Fail = function fail() { nothing_of_that_name() }"},
    )
    with pytest.raises(JavaScriptError) as caught:
        program.call("main")
    lines = str(caught.value).splitlines()
    assert lines[0] == "ReferenceError: nothing_of_that_name is not defined"
    assert [line.split("(")[-1].rsplit(":", 1)[0] for line in lines[1:]] == ["lib.js:2", "bot.js:3", "bot.js:2"]
    assert own_traceback(caught.value, program.files) == str(caught.value)
    assert last_line(caught.value, program.files).startswith(
        "ReferenceError: nothing_of_that_name is not defined (fail"
    )
    assert [line.text for line in runtime.journal.lines()] == [str(caught.value)]


def test_an_error_of_ours_is_an_exception_with_the_same_text(logged: Any) -> None:
    assert logged("try { Sleep('x') } catch (e) { Log(e instanceof Error, e.message.includes('x')) }") == ["true true"]


def test_an_error_that_is_no_error_object_has_its_text(load: Any) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    with pytest.raises(JavaScriptError, match=r"^my text$"):
        load("function main() { throw 'my text' }").call("main")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("function main() {\n  var a = ;\n}", r"bot\.js, line 2, column \d+: SyntaxError: .*: var a = ;"),
        ("function main() {", r"line \d+, column \d+: SyntaxError"),
        ("function main() {\n  let a: number = 1\n}", "this is TypeScript"),
        ("import x from 'y'\nfunction main() {}", "line 1"),
    ],
)
def test_a_syntax_error_names_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bot.js"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        _ = read_source(path).code


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("function main() {\n  return import('x')\n}", 2, 10),
        ("async function main() {\n\n  Log(`${await import ( 'x' )}`)\n}", 3, 16),
        ("// import('x')\nimport('y'); function main() {}", 2, 1),
    ],
)
def test_an_import_within_the_script_is_refused_with_the_reason(
    tmp_path: Path, text: str, line: int, column: int
) -> None:
    path = tmp_path / "bot.js"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"bot\.js, line {line}, column {column}: import\(\.\.\.\) .* one file"):
        _ = read_source(path).code


def test_an_import_is_refused_before_a_line_runs(load: Any, runtime: Runtime) -> None:
    with pytest.raises(InputError, match=r"line 2, column 19: import"):
        load("Log('ran')\nfunction main() { import('x') }")
    assert not runtime.journal.lines()


def test_the_same_letters_elsewhere_are_no_import(tmp_path: Path) -> None:
    path = tmp_path / "bot.js"
    path.write_text(
        "// import('a')\nvar own = { import(x) { return x } }, text = \"import('b')\", form = /import('c')/\n"
        "function main() { return own.import(`import('d')`) }"
    )
    _ = read_source(path).code


def test_a_file_without_main_is_refused(load: Any) -> None:
    with pytest.raises(InputError, match="no function main"):
        load("var x = 1")


def test_headers_stand_in_comments(tmp_path: Path) -> None:
    from fmzthreads.strategy.program.header import backtest_header, header_arguments

    path = tmp_path / "bot.js"
    path.write_text('// x\n/*backtest\nstart: 2024-01-01\nargs: [["fast", 3]]\n*/\nfunction main() {}')
    source = read_source(path)
    assert backtest_header(source)["start"] == "2024-01-01"
    assert header_arguments(source) == [["fast", 3]]
    assert source.is_strategy


def test_a_stop_that_is_caught_comes_again_until_the_script_is_given_up(load: Any, runtime: Runtime) -> None:
    program = load("function main() { Log('begun'); for (;;) { try { Sleep(1000) } catch (e) {} } }")

    def stop() -> None:
        clock: Any = runtime.clock
        clock.wait_for_sleepers(1, 60)
        runtime.stop.request("enough")

    begun = threading.Thread(target=stop)
    begun.start()
    with pytest.raises(StopRequested):
        program.call("main")
    begun.join(60)


def test_the_end_of_the_data_is_the_text_that_fmz_throws_and_may_still_be_logged(load: Any, runtime: Runtime) -> None:
    def ended() -> None:
        raise EOFError("EOF")

    program = load("function main() { try { Next() } catch (e) { Log(typeof e, e) } }", api={"Next": ended})
    with pytest.raises(EOFError):
        program.call("main")
    assert [line.text for line in runtime.journal.lines()] == ["string EOF"]


def test_a_stop_may_still_be_logged_but_not_for_ever(load: Any, runtime: Runtime) -> None:
    runtime.stop.request("enough")
    with pytest.raises(StopRequested):
        load(
            "function main() { try { Sleep(1) } catch (e) { Log(e.message) } finally { Log('left', Unix() >= 0) } }"
        ).call("main")
    assert [line.text for line in runtime.journal.lines()] == ["enough", "left true"]
    program = load("function main() { for (;;) { try { Sleep(1) } catch (e) {} for (;;) Log('on') } }")
    with pytest.raises(StopRequested):
        program.call("main")
    assert len(runtime.journal.lines()) < 1000


def test_an_exit_that_is_caught_refuses_every_call(load: Any, runtime: Runtime) -> None:
    program = load("function main() { try { Panic('over') } catch (e) { Log('caught') } }")
    with pytest.raises(SystemExit):
        program.call("main")
    assert "caught" not in [line.text for line in runtime.journal.lines()]


def test_a_script_that_takes_too_much_memory_fails(load: Any) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    with pytest.raises(JavaScriptError, match="out of memory"):
        load("function main() { var a = []; for (;;) a.push('text ' + a.length) }", memory_bytes=8_000_000).call("main")


def test_endless_recursion_fails(load: Any) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    with pytest.raises(JavaScriptError, match="Maximum call stack"):
        load("function main() { main() }").call("main")


def test_another_call_while_one_runs_is_refused(load: Any) -> None:
    inside, release = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert release.wait(60)

    program = load("function main() { Hold() }\nfunction onexit() {}", api={"Hold": hold})
    running = threading.Thread(target=program.call, args=("main",))
    running.start()
    assert inside.wait(60)
    with pytest.raises(RuntimeError, match="still running"):
        program.call("onexit")
    release.set()
    running.join(60)
    program.call("onexit")


def test_without_the_engine_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from fmzthreads.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "quickjs", None)
    path = tmp_path / "bot.js"
    path.write_text("function main() {}")
    with pytest.raises(MissingExtra, match=r"fmzthreads\[js\]"):
        _ = read_source(path).code


def test_what_fmz_has_and_is_not_here_is_named(load: Any) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    with pytest.raises(
        JavaScriptError, match=r"Decimal is not defined: FMZ has Decimal; fmzthreads does not have it\n    at main"
    ):
        load("function main() { new Decimal(1) }").call("main")
    with pytest.raises(JavaScriptError, match=r"mine is not defined\n"):
        load("function main() { mine() }").call("main")


def test_a_series_cannot_be_deleted_and_the_error_says_so(logged: Any, load: Any) -> None:
    from fmzthreads.strategy.javascript.errors import JavaScriptError

    with pytest.raises(JavaScriptError, match=r"Chart\.del: FMZ has it; fmzthreads does not"):
        load("function main() { Chart({series: [{name: 'a', data: []}]}).del(0) }").call("main")
