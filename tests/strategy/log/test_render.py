"""What arguments become, and the markup at a line's end."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.strategy.log.render import Markup, blocks, in_language, join, parse_markup, readable
from fmzthreads.structures import Ticker, info

TABLE = {"type": "table", "title": "Book", "cols": ["a", "b"], "rows": [[1, "two"]]}


def test_join_puts_one_space_between() -> None:
    assert join(("a", 1, 2.5, None, True, [1, "x"], {"k": 1})) == "a 1 2.5 None True [1, 'x'] {'k': 1}"
    assert join(()) == ""


def test_a_table_dict_becomes_ticked_json_and_a_list_of_tables_does_not() -> None:
    text = join((TABLE,))
    assert text == f"`{json.dumps(TABLE)}`"
    assert join(([TABLE],)) == str([TABLE])
    assert join(({"type": "table", "cols": []},)) == "{'type': 'table', 'cols': []}"


def test_a_table_may_hold_what_json_cannot() -> None:
    text = join(({**TABLE, "rows": [[Decimal("1.5"), {1}]]},))
    assert json.loads(text.strip("`"))["rows"] == [["1.5", "{1}"]]


def test_a_figure_becomes_a_picture() -> None:
    class Figure:
        def savefig(self, file: Any, format: str) -> None:
            assert format == "png"
            file.write(b"\x89PNG")

    assert join((Figure(),)) == "`data:image/png;base64," + base64.b64encode(b"\x89PNG").decode() + "`"


def test_structures_are_text_as_fmz_writes_it() -> None:
    assert join((Ticker(Last=5.0), [Ticker(Last=6.0)])) == "{'Last': 5.0} [{'Last': 6.0}]"
    assert join((info({"a": 1}),)) == "{'a': 1}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ("plain", "", False, False)),
        ("red #ff0000", ("red", "#ff0000", False, False)),
        ("red#FF0000", ("red", "#FF0000", False, False)),
        ("both #ff0000@", ("both", "#ff0000", True, False)),
        ("both #ff0000 @", ("both", "#ff0000", True, False)),
        ("push @", ("push", "", True, False)),
        ("private &", ("private", "", False, True)),
        ("all #00ff00 @&", ("all", "#00ff00", True, True)),
        ("other way @#00ff00", ("other way", "#00ff00", True, False)),
        ("#ff0000", ("", "#ff0000", False, False)),
        ("two #ff0000 #00ff00", ("two #ff0000", "#00ff00", False, False)),
        ("@@", ("@", "", True, False)),
        ("short #f00", ("short #f00", "", False, False)),
        ("mid #ff0000 text", ("mid #ff0000 text", "", False, False)),
        ("", ("", "", False, False)),
    ],
)
def test_markup(text: str, expected: tuple[str, str, bool, bool]) -> None:
    found = parse_markup(text)
    assert (found.text, found.color, found.push, found.private) == expected


def test_languages() -> None:
    text = "[trans]买|buy[/trans] 1 [trans]同[/trans]"
    assert in_language(text, "en") == "buy 1 同"
    assert in_language(text, "zh") == "买 1 同"
    assert in_language("[trans]open", "en") == "[trans]open"


def test_blocks() -> None:
    text = f"head\n`{json.dumps(TABLE)}` mid `data:image/png;base64,AAAA` `[1, 2` tail"
    assert blocks(text) == ["head\n", TABLE, " mid ", "[image]", " ", "`[1, 2`", " tail"]


def test_json_with_more_behind_it_is_no_widget() -> None:
    assert blocks('`{"type": "table"} x` y') == ['`{"type": "table"} x`', " y"]


def test_readable_table_with_merged_cells_buttons_and_colours() -> None:
    table = {
        "type": "table",
        "title": "T",
        "cols": ["name", "x", "y"],
        "rows": [
            [{"body": "span", "rowspan": 2}, "1 #ff0000", 2],
            [3, 4],
            [{"body": "wide", "colspan": 2}, {"type": "button", "name": "go", "cmd": "c"}],
            ["pic", "`data:image/png;base64,AA`", [{"type": "button", "name": "a"}, {"type": "button", "name": "b"}]],
            ["short"],
        ],
    }
    assert readable(f"top #00ff00\n`{json.dumps(table)}`").split("\n") == [
        "top",
        "T",
        "name   x        y",
        "-----  -------  -------",
        "span   1        2",
        "       3        4",
        "wide            [go]",
        "pic    [image]  [a] [b]",
        "short",
    ]


def test_readable_tabs_and_damaged_widgets() -> None:
    assert readable(f"`{json.dumps([TABLE, TABLE])}`").count("Book") == 2
    assert readable('`{"type": "table"') == '`{"type": "table"'
    assert readable("`not json`") == "`not json`"
    assert readable('`{"type":"table","cols":5}`')
    assert readable('`{"type":"table","rows":7,"cols":["a"]}`')
    assert readable('`{"type":"table","cols":["a"],"rows":[[{"body":"x","rowspan":-3}],[{"body":1,"colspan":-2}], 5]}`')
    assert len(readable('`{"type":"table","cols":["a"],"rows":[[{"body":"x","colspan":999999999}]]}`')) < 1_000
    assert readable("an open `tick") == "an open `tick"
    assert readable("`[" * 5_000)


def test_markup_is_taken_off_lines_that_hold_such_characters_elsewhere() -> None:
    for text in ("a # b", "a@b.c", "x & y", "#12345", "#1234567", "# ff0000"):
        assert parse_markup(text) == Markup(text)
    assert parse_markup("x\n@ \n") == Markup("x", push=True)


def test_plain_values_are_joined_as_str_makes_them() -> None:
    class Loud(str):
        def __str__(self) -> str:
            return self.upper()

    assert join((Loud("a"), "b", 1e22, float("nan"), -0.0, True, 10**5)) == "A b 1e+22 nan -0.0 True 100000"
    assert join((10**5000, 1.5)).endswith("bits> 1.5")
