"""Parameters: the declaration's forms, types and ranges, filters, and the values of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import InputError, UnknownName
from fmzthreads.strategy.program.parameters import bind, declared
from fmzthreads.strategy.program.reading import read_source
from fmzthreads.strategy.program.source import Source
from fmzthreads.strategy.program.visibility import is_shown, names_in


def source_of(tmp_path: Path, rows: Any, *, header: str = "") -> Source:
    path = tmp_path / "grid.py"
    config = f"'''config\n{json.dumps(rows)}\n'''\n" if rows is not None else ""
    path.write_text(f"{header}{config}def main(): pass\n", encoding="utf-8")
    return read_source(path)


ROWS = [
    {"name": "amount", "default": 0.5, "type": "number", "min": 0.1, "max": 2, "step": 0.1, "label": "Amount", "group": "Orders"},
    {"name": "both", "default": True},
    {"name": "pair", "default": "BTC_USDT", "type": "string", "required": True},
    {"name": "side", "type": "selected", "options": ["buy", "sell"], "default": 0},
    {"name": "mode", "type": "selected", "options": [{"name": "fast", "value": "F"}, {"text": "slow", "value": "S"}], "default": "S"},
    {"name": "many", "type": "selected", "multiple": True, "options": ["A", "B", "C"], "default": [0, 2]},
    {"name": "secret", "default": "$$$__enc__$$$hunter22"},
    {"name": "limit@both", "type": "number", "default": None, "required": True},
    ["ma", "Average", "which one", "EMA|SMA|KAMA"],
    ["button", "", "", "$$$__cmd__$$$go"],
]  # fmt: skip


def test_all_forms_of_a_declaration_are_read(tmp_path: Path) -> None:
    parameters = declared(source_of(tmp_path, ROWS))
    assert [p.name for p in parameters] == ["amount", "both", "pair", "side", "mode", "many", "secret", "limit", "ma"]
    assert [p.kind for p in parameters] == [
        "number", "boolean", "string", "selected", "selected", "selected", "encrypted", "number", "selected",
    ]  # fmt: skip
    assert (parameters[0].label, parameters[0].group, parameters[0].step) == ("Amount", "Orders", 0.1)
    assert parameters[7].filter == "both"
    assert (parameters[8].label, parameters[8].description) == ("Average", "which one")
    assert "hunter22" not in repr(parameters)


def test_the_defaults_have_the_declared_types(tmp_path: Path) -> None:
    values = bind(source_of(tmp_path, ROWS), {"limit": "7"})
    assert values == {
        "amount": 0.5, "both": True, "pair": "BTC_USDT", "side": 0, "mode": "S", "many": [0, 2], "secret": "hunter22", "limit": 7,
        "ma": 0,
    }  # fmt: skip
    assert isinstance(values["limit"], int)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("amount", "1.5", 1.5),
        ("amount", "1", 1),
        ("amount", 2, 2),
        ("both", "false", False),
        ("both", 0, False),
        ("both", "1", True),
        ("pair", "ETH_USDT", "ETH_USDT"),
        ("side", "1", 1),
        ("side", "sell", 1),
        ("mode", "F", "F"),
        ("mode", "fast", "F"),
        ("many", "[1]", [1]),
        ("many", "A|B", [0, 1]),
        ("many", ["C"], [2]),
        ("ma", "KAMA", 2),
        ("secret", "other", "other"),
    ],
)
def test_a_value_is_converted(name: str, given: Any, value: Any, tmp_path: Path) -> None:
    found = bind(source_of(tmp_path, ROWS), {"limit": 1, name: given})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("amount", "0.05", "amount is '0.05', expected a number, at least 0.1, at most 2, in steps of 0.1"),
        ("amount", "0.55", "in steps of 0.1"),
        ("amount", "much", "expected a number"),
        ("amount", "nan", "expected a number"),
        ("amount", True, "expected a number"),
        ("both", "maybe", "expected true or false"),
        ("pair", 5, "expected a text"),
        ("side", "hold", r"expected one of 0 \(buy\), 1 \(sell\)"),
        ("many", "[7]", "expected a list of"),
        ("secret", 5, "argument: secret, expected a text"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name: str, given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        bind(source_of(tmp_path, ROWS), {"limit": 1, name: given})


def test_a_secret_is_in_no_error(tmp_path: Path) -> None:
    rows = [{"name": "secret", "type": "encrypted", "max": 5}]
    with pytest.raises(InputError) as caught:
        bind(source_of(tmp_path, rows), {"secret": "hunter2222"})
    assert "hunter" not in str(caught.value)


def test_an_unknown_parameter_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no parameter 'amuont'; did you mean 'amount'"):
        bind(source_of(tmp_path, ROWS), {"amuont": 1})


def test_missing_required_ones_are_all_named_unless_they_are_hidden(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have no value: pair, limit"):
        bind(source_of(tmp_path, ROWS), {"pair": ""})
    assert bind(source_of(tmp_path, ROWS), {"both": "false"})["limit"] is None


def test_saved_arguments_of_the_header_stand_between_default_and_argument(tmp_path: Path) -> None:
    header = '\'\'\'backtest\nstart: 2026-01-01 00:00:00\nargs: [["amount", 1.2], ["x", 1, "lib"], ["both", false]]\n\'\'\'\n'
    values = bind(source_of(tmp_path, ROWS, header=header), {"amount": "0.3"})
    assert (values["amount"], values["both"]) == (0.3, False)


def test_a_file_that_declares_nothing_takes_every_argument_as_what_it_looks_like(tmp_path: Path) -> None:
    given = {"a": "5", "b": "0.5", "c": "true", "d": "null", "e": "[1, 2]", "f": "text", "g": "1e999", "h": "{x"}
    assert bind(source_of(tmp_path, None), given) == {
        "a": 5, "b": 0.5, "c": True, "d": None, "e": [1, 2], "f": "text", "g": "1e999", "h": "{x",
    }  # fmt: skip


def test_a_json_file_beside_the_strategy_declares_too(tmp_path: Path) -> None:
    source = source_of(tmp_path, None)
    (tmp_path / "grid.json").write_text(json.dumps({"args": [["amount", "Amount", "", 3]]}))
    assert bind(source, {}) == {"amount": 3}
    (tmp_path / "grid.json").write_text("{")
    with pytest.raises(InputError, match=r"grid.json: .* not JSON"):
        declared(source)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": 1}, "nor an object with the key 'args'"),
        ([1], "parameter 1 is 1"),
        ([["a", "", "", 1, 2]], "5 items"),
        ([{"name": "1a"}], "cannot be a global's name"),
        ([{"name": "a", "defualt": 1}], "did you mean 'default'"),
        ([{"name": "a", "settings": {"minn": 1}}], "unknown setting 'minn'"),
        ([{"name": "a", "type": "numbr"}], "did you mean 'number'"),
        ([{"name": "a", "type": "number", "default": "x"}], "the default: a is 'x'"),
        ([{"name": "a", "type": "number", "default": 5, "max": 3}], "at most 3"),
        ([{"name": "a", "default": 1, "min": "low"}], "min is 'low'"),
        ([{"name": "a", "default": 1, "step": 0}], "step is 0"),
        ([{"name": "a", "type": "selected"}], "needs options"),
        ([{"name": "a"}, {"name": "a"}], "declared twice"),
        ([{"name": "a", "filter": "b == 1"}, {"name": "bb"}], "reads 'b'"),
        ([{"name": "a", "filter": "b == ("}], "not an expression"),
    ],
)
def test_a_wrong_declaration_is_named(rows: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        declared(source_of(tmp_path, rows))


def test_a_header_that_is_no_json_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "grid.py"
    path.write_text("x = 1\n'''config\n[}\n'''\n")
    with pytest.raises(InputError, match="config header at line 2 is not JSON"):
        declared(read_source(path))


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("", True), ("a", True), ("!a", False), ("b", False), ("!b", True), ("a > b", True), ("a >= 1 && a <= 10", True),
        ("a == 1 || b == 1", False), ("a!=3", False), ("a===3", True), ("a!==3", False), ("a=3", True), ("c == 'x y'", True),
        ("c == \"&&\"", False), ("a > -1", True), ("n > 1", False), ("b == false", True), ("!(a > 1)", False), ("1 < a < 4", True),
        ("n == null", True),
    ],
)  # fmt: skip
def test_a_filter_shows_or_hides(expression: str, shown: bool) -> None:
    assert is_shown(expression, {"a": 3, "b": False, "c": "x y", "n": None}) is shown


@pytest.mark.parametrize("expression", ["a(", "a()", "a.b", "a[0]", "a if b else c", "__import__('os')", "a in b"])
def test_a_filter_cannot_do_more_than_compare(expression: str) -> None:
    with pytest.raises(InputError, match="filter"):
        is_shown(expression, {"a": 1, "b": 2, "c": 3, "__import__": 1})


def test_the_names_that_a_filter_reads() -> None:
    assert names_in("a == 1 && !b || c > true") == {"a", "b", "c"}


EDGES = [
    {"name": "size", "type": "number", "default": 1.5, "min": 0.5, "max": 4.5, "step": 1},
    {"name": "note", "type": "string", "default": "", "min": 3, "max": 5},
    {"name": "kind", "type": "selected", "options": [{"name": "one", "value": 1}, {"name": "yes", "value": True}], "default": 1},
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("size", 0.5, 0.5),  # both ends belong to the range, and the steps are counted from the lower one
        ("size", "4.5", 4.5),
        ("note", "", ""),  # a text that is left out has no length to be checked
        ("note", "abc", "abc"),
        ("note", "abcde", "abcde"),
        ("kind", True, True),  # a value of the same type before one that is merely equal
        ("kind", 1, 1),
    ],
)
def test_the_edges_of_what_is_allowed(name: str, given: Any, value: Any, tmp_path: Path) -> None:
    found = bind(source_of(tmp_path, EDGES), {name: given})[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("size", 1), ("size", 0.4), ("size", 4.6), ("size", float("nan")), ("size", float("inf")), ("size", "inf"), ("size", "0" * 40 + "1.5"),
        ("note", "ab"), ("note", "abcdef"),
    ],
)  # fmt: skip
def test_just_beyond_the_edges(name: str, given: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name} is .*, expected a"):
        bind(source_of(tmp_path, EDGES), {name: given})


@pytest.mark.parametrize(
    ("name", "valid"),
    [("größe", True), ("数量", True), ("$x", True), ("_", True), ("1a", False), ("a-b", False), ("\U00020000", False)],
)
def test_names_of_globals(name: str, valid: bool, tmp_path: Path) -> None:
    source = source_of(tmp_path, None)
    rows = json.dumps([{"name": name, "default": 1}], ensure_ascii=False)
    source.path.with_suffix(".json").write_text(rows, encoding="utf-8")
    if valid:
        assert [parameter.name for parameter in declared(source)] == [name]
    else:
        with pytest.raises(InputError, match="cannot be a global's name"):
            declared(source)
