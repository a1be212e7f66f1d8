"""Loading: templates first, one shared ext, own globals a file, the API before the first line, and tracebacks of own lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import fmzthreads
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.strategy.namespace import strategy_names
from fmzthreads.strategy.program.loader import Program, load
from fmzthreads.strategy.program.own_lines import last_line, own_traceback
from fmzthreads.strategy.program.reading import read_source
from fmzthreads.strategy.program.templates import read_templates


def loaded(
    tmp_path: Path,
    strategy: str,
    *templates: str,
    api: dict[str, Any] | None = None,
    given: dict[str, dict[str, Any]] | None = None,
    **args: Any,
) -> Program:
    path = tmp_path / "bot.py"
    path.write_text(strategy, encoding="utf-8")
    files = []
    for number, text in enumerate(templates, 1):
        files.append(tmp_path / f"lib{number}.py")
        files[-1].write_text(text, encoding="utf-8")
    source = read_source(path)
    return load(source, args, read_templates(files, given or {}, source), api or {})


def test_templates_are_loaded_first_each_with_its_own_globals_and_arguments(tmp_path: Path) -> None:
    said: list[Any] = []
    first = "period = 0\ndef init():\n    global period\n    period += n\n    say('init 1')\ndef f():\n    return period\next.f = f\ndef main(): say('never')\n"
    second = "say(ext.f())\next.g = lambda: 'g'\n"
    strategy = "say(ext.f(), ext.g(), 'period' in globals())\nclass ext2: pass\ndef init(): say('init')\ndef main(): say('main', n)\n"
    program = loaded(
        tmp_path, strategy, first, second, api={"say": lambda *a: said.append(a)}, given={"lib1": {"n": "4"}}, n=9
    )
    assert said == [("init 1",), (4,), (4, "g", False)]
    program.call("init")
    program.call("main")
    program.call("onexit")
    assert said[3:] == [("init",), ("main", 9)]
    assert [path.name for path in program.files] == ["bot.py", "lib1.py", "lib2.py"]


def test_what_no_template_exported_is_named(tmp_path: Path) -> None:
    program = loaded(tmp_path, "def main(): return ext.Crosss()\n", "ext.Cross = 1\n")
    with pytest.raises(UnknownName, match=r"ext.Crosss; did you mean 'Cross'"):
        program.call("main")
    with pytest.raises(UnknownName, match="no template is loaded"):
        loaded(tmp_path, "def main(): return ext.Cross()\n").call("main")
    loaded(tmp_path, "assert not hasattr(ext, 'Cross')\ndef main(): pass\n")


def test_an_init_that_is_no_function_is_not_called(tmp_path: Path) -> None:
    program = loaded(tmp_path, "init = 5\nonexit = None\ndef main(): pass\n", "init = 5\n")
    assert program.function("init") is None
    program.call("init")
    program.call("onexit")


def test_a_parameter_goes_before_a_name_of_the_api(tmp_path: Path) -> None:
    program = loaded(tmp_path, "def main(): pass\n", api={"n": 1, "k": 2}, n=9)
    assert (program.namespace["n"], program.namespace["k"]) == (9, 2)
    assert program.namespace["__file__"] == str(tmp_path / "bot.py")


def test_names_of_templates_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"template 'lob1'; did you mean 'lib1'"):
        loaded(tmp_path, "def main(): pass\n", "x = 1\n", given={"lob1": {}})
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "lib1.py").write_text("")
    (tmp_path / "lib1.py").write_text("")
    with pytest.raises(InputError, match="two templates are called 'lib1'"):
        read_templates([tmp_path / "lib1.py", tmp_path / "a" / "lib1.py"], {}, read_source(tmp_path / "bot.py"))


def test_the_usual_modules_and_names_are_there_without_import(tmp_path: Path) -> None:
    words = "json time math datetime random re os sys copy traceback"
    names = ", ".join(words.split())
    program = loaded(
        tmp_path,
        f"found = [m.__name__ for m in ({names})]\nx = [null, NaN, true, false, list(xrange(3)), __name__]\ndef main(): pass\n",
    )
    assert program.namespace["found"] == words.split()
    assert program.namespace["x"] == [None, None, True, False, [0, 1, 2], "__main__"]


def test_the_api_has_every_name_of_the_package(tmp_path: Path) -> None:
    api = strategy_names(["a", "b"])
    assert set(fmzthreads.__all__) - set(api) == {
        "FmzError",
        "Handle",
        "Report",
        "Runtime",
        "StopRequested",
        "Task",
        "VCtx",
        "__version__",
    }
    assert (api["exchange"], api["exchanges"]) == ("a", ["a", "b"])
    assert issubclass(api["StopError"], RuntimeError)
    assert strategy_names([])["exchange"] is None


@pytest.mark.parametrize("word", ["exit()", "quit()", "sys.exit()", "exit(3)"])
def test_exit_ends_the_strategy_and_leaves_the_standard_input_open(word: str, tmp_path: Path) -> None:
    program = loaded(tmp_path, f"def main(): {word}\n")
    with pytest.raises(SystemExit):
        program.call("main")
    assert not sys.stdin.closed


def test_a_main_that_is_no_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="main is 5"):
        loaded(tmp_path, "main = 5\n")
    with pytest.raises(InputError, match="plain script"):
        loaded(tmp_path, "x = 1\n")


def failure(program: Program) -> tuple[str, str]:
    with pytest.raises(Exception) as caught:
        program.call("main")
    return own_traceback(caught.value, program.files), last_line(caught.value, program.files)


def test_a_traceback_shows_the_lines_of_the_strategy_and_its_templates_only(tmp_path: Path) -> None:
    strategy = "import json\ndef main():\n    ext.parse('{')\n"
    template = "def parse(text):\n    try:\n        return json.loads(text)\n    except ValueError as error:\n        raise KeyError('bad') from error\next.parse = parse\n"
    text, line = failure(loaded(tmp_path, strategy, template))
    assert text.count("File ") == 3
    assert 'bot.py", line 3, in main\n    ext.parse' in text
    assert 'lib1.py", line 3, in parse' in text
    assert "json/decoder" not in text
    assert "loader.py" not in text
    assert Path(__file__).name not in text
    assert line == "KeyError: 'bad' (lib1.py, line 5)"


def test_a_name_of_python_2_is_explained(tmp_path: Path) -> None:
    text, _ = failure(loaded(tmp_path, "def main():\n    return unicode('x')\n"))
    assert text.endswith("unicode is a name of Python 2: use str")


def test_a_text_that_is_raised_is_reported_with_its_line(tmp_path: Path) -> None:
    text, line = failure(loaded(tmp_path, "def main():\n    raise 'stop'\n"))
    assert 'line 2, in main\n    raise "stop"' in text.replace("'", '"')
    assert line == "TypeError: exceptions must derive from BaseException (bot.py, line 2)"
