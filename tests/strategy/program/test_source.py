"""Reading a strategy file: encodings, line ends, other languages, Python 2, and what makes a file a strategy."""

from __future__ import annotations

import ast
import linecache
from pathlib import Path

import pytest

from fmzthreads.errors import InputError
from fmzthreads.strategy.program.reading import read_source
from fmzthreads.strategy.program.source import main_is_left_to_the_host


def written(tmp_path: Path, data: bytes | str, name: str = "grid.py") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


TEXT = "name = '网格'\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.encode("gb18030"),
        b"# -*- coding: gbk -*-\n" + TEXT.encode("gbk"),
        b"#!/usr/bin/env python\n# coding=big5\nname = '" + "網格".encode("big5") + b"'\n",
    ],
    ids=["utf-8", "bom", "utf-16", "gb18030", "coding line", "coding on line 2"],
)
def test_every_encoding_that_a_file_can_declare_is_read(data: bytes, tmp_path: Path) -> None:
    space: dict[str, str] = {}
    exec(read_source(written(tmp_path, data)).code, space)
    assert space["name"] in {"网格", "網格"}


def test_line_ends_of_all_systems_count_as_one(tmp_path: Path) -> None:
    source = read_source(written(tmp_path, b"#!python3\r\na = '''1\r\n2'''\rb = 3\n"))
    space: dict[str, object] = {}
    exec(source.code, space)
    assert (space["a"], space["b"]) == ("1\n2", 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a = 1\nb = '\xff\xff'\n", "line 2: byte 0xff"),
        (b"# coding: klingon\n", "unknown encoding: klingon"),
        (b"# coding: ascii\na = '\xe4'\n", "line 2: byte 0xe4 is not ascii"),
    ],
)
def test_bytes_that_are_no_text_are_named(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read_source(written(tmp_path, data))


def test_a_file_that_is_not_there_is_named_with_the_one_that_is_like_it(tmp_path: Path) -> None:
    written(tmp_path, "", "martingale.py")
    with pytest.raises(InputError, match=r"martingail.py'; did you mean 'martingale.py'"):
        read_source(tmp_path / "martingail.py")
    with pytest.raises(InputError, match="no strategy file"):
        read_source(tmp_path / "no_folder" / "x.py")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.rs", "Rust"),
        ("a.TS", "TypeScript"),
        ("a.pine", "Pine"),
        ("a.cpp", r"C\+\+"),
        ("a.cc", r"C\+\+"),
        ("a.mylang", "MyLanguage"),
    ],
)
def test_another_language_is_named(name: str, language: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=language):
        read_source(written(tmp_path, "", name))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("print 'hello'", r"print\(\.\.\.\)"),
        ("    print 'hello', 1", r"print\(\.\.\.\)"),
        ("try:\n    pass\nexcept Exception, e:\n    pass", "except ERROR as NAME"),
        ("raise ValueError, 'bad'", r"raise ERROR\(TEXT\)"),
        ("exec 'a = 1'", r"exec\(\.\.\.\)"),
        ("if 1 <> 2: pass", "write !="),
        ("a = `1`", "repr"),
        ("a = 0777", "0o"),
        ("a = 10L", "leave out the L"),
        ("a = ur'x'", "write r'...'"),
        ("def f(a, (b, c)): pass", "unpack it inside"),
        ("if 1:\n\ta = 1\n        b = 2", "indent with spaces"),
        ("import urllib2", "urllib.request"),
        ("from Queue import Queue", "use queue"),
    ],
)
def test_python_2_is_refused_with_the_line_and_what_to_change(line: str, words: str, tmp_path: Path) -> None:
    text = f"def main():\n    pass\n\n{'if True:' if line.startswith(' ') else 'x = 1'}\n{line}\n"
    with pytest.raises(InputError, match=rf"grid.py, line [5-9]: .*{words}.*Python 3"):
        _ = read_source(written(tmp_path, text)).code


def test_a_program_that_prepares_for_both_pythons_is_not_refused(tmp_path: Path) -> None:
    text = "try:\n    import urllib2\nexcept ImportError:\n    import urllib.request as urllib2\n"
    assert read_source(written(tmp_path, text)).code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def main(:\n", "line 1: invalid syntax|line 1: .*"),
        ("x = 1\nreturn 3\n", "line 2: 'return' outside function"),
        ("x = '\0'\n", "not Python|null"),
    ],
)
def test_what_is_no_python_at_all_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        _ = read_source(written(tmp_path, text)).code


def test_tracebacks_show_the_lines_as_they_were_loaded(tmp_path: Path) -> None:
    path = written(tmp_path, "# coding: gbk\nname = '网格'\n".encode("gbk"))
    source = read_source(path)
    _ = source.code
    path.write_text("changed\n")
    assert linecache.getline(str(source.path), 2) == "name = '网格'\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def main(): pass", True),
        ("if True:\n    def main(): pass", True),
        ("main = lambda: 1", True),
        ("def main(): pass\nmain()", False),
        ("def main(): pass\nif __name__ == '__main__':\n    main()", False),
        ("import sys\ndef main(): pass\nsys.exit(main())", False),
        ("def main(): pass\ndef start():\n    main()\nstart()", False),
        ("def main(): pass\ndef start():\n    main()\n", True),
        ("import threading\ndef main(): pass\nthreading.Thread(target=main).start()", False),
        ("class A:\n    def main(self): pass", False),
        ("x = 1", False),
        ("def other(): pass\nother()", False),
        ("def main():\n    main()\n", True),
    ],
)
def test_a_file_is_a_strategy_when_it_leaves_main_to_the_host(text: str, expected: bool) -> None:
    assert main_is_left_to_the_host(ast.parse(text)) is expected
