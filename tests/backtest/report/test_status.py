from __future__ import annotations

import json
from typing import Any

import pytest

from fmzthreads.backtest.report.status import status_html

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def table(*rows: list[Any], **more: Any) -> str:
    return "`" + json.dumps({"type": "table", "title": "T", "cols": ["a", "b"], "rows": list(rows)} | more) + "`"


def test_lines_keep_their_colours() -> None:
    assert (
        status_html("one\ntwo #ff0000")
        == '<p class=status>one<br><span style="color:color-mix(in srgb,#ff0000 70%,currentcolor)">two</span></p>'
    )


def test_tables_stand_between_the_text() -> None:
    html = status_html(f"before {table(['x', 1.5])} after")
    assert html.index("before") < html.index("<table>") < html.index("after")
    assert "<caption>T</caption>" in html
    assert "<th>a</th><th>b</th>" in html
    assert "<td>x</td><td>1.5</td>" in html


def test_a_list_of_tables_is_all_of_them() -> None:
    one = {"type": "table", "title": "A", "cols": ["c"], "rows": [["v"]]}
    assert status_html("`" + json.dumps([one, {**one, "title": "B"}]) + "`").count("<table>") == 2


def test_cells_have_colours_buttons_spans_and_lists() -> None:
    button = {"type": "button", "name": "Stop", "cmd": "stop"}
    html = status_html(
        table(
            ["gain #00ff00", [button, button]], [{"body": "wide", "colspan": 2}], [None, {"body": 1, "rowspan": 10**9}]
        )
    )
    assert '<span style="color:color-mix(in srgb,#00ff00 70%,currentcolor)">gain</span>' in html
    assert html.count("<span class=button>Stop</span>") == 2
    assert '<td colspan="2">wide</td>' in html
    assert 'rowspan="100"' in html
    assert "<td></td>" in html


def test_pictures_of_the_text_itself_are_shown_and_no_others() -> None:
    assert f'<img alt="" src="{PICTURE}">' in status_html(f"`{PICTURE}`")
    assert f'<img alt="" src="{PICTURE}">' in status_html(table([f"`{PICTURE}`", 1]))
    for source in (
        "https://example.org/x.png",
        "data:image/svg+xml;base64,AAAA",
        'data:image/png;base64,AA"onerror="x',
    ):
        assert "<img" not in status_html(f"`{source}`")
        assert "<img" not in status_html(table([f"`{source}`", 1]))


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!--", "' onmouseover='x"]
)
def test_everything_is_escaped(evil: str) -> None:
    button = {"type": "button", "name": evil, "cmd": evil, "class": evil}
    html = status_html(
        evil + table([evil, {"body": evil}], [button, [evil]], title=evil, cols=[evil, evil]) + f"`{evil}`"
    )
    assert evil not in html
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.parametrize(
    "broken",
    [
        "`{",
        "`[1, 2]`",
        '`{"type": "table"}`',
        '`{"type":"table","cols":5,"rows":{"a":1}}`',
        "`" * 7,
        '`{"a": [[[[[[["deep"]]]]]]]}`',
    ],
)
def test_what_is_malformed_is_shown_as_text_or_left_out(broken: str) -> None:
    assert "<script" not in status_html(broken)


def test_long_tables_and_texts_are_cut() -> None:
    html = status_html(table(*([["r", 1]] * 600)))
    assert html.count("<tr>") == 501
    assert "100 more rows" in html
    assert "is not shown" in status_html("x" * 1_000_001)


def test_a_picture_that_cannot_be_decoded_stays_text() -> None:
    for broken in ("data:image/png;base64,A", "data:image/png;base64,AA=A"):
        html = status_html(f"text\n`{broken}`\n" + table([broken]))
        assert "<img" not in html
        assert html.count(broken) == 2


def test_a_table_scrolls_where_it_is_asked_to() -> None:
    long = {"type": "table", "title": "t", "cols": ["a"], "rows": [[1]] * 21, "scroll": "auto"}
    for change, scrolls in (({}, True), ({"rows": [[1]] * 20}, False), ({"scroll": "none"}, False)):
        html = status_html(f"`{json.dumps(long | change)}`")
        assert ('class="scroll tall"' in html) == scrolls


def test_the_language_is_chosen() -> None:
    assert "hello" in status_html("[trans]你好|hello[/trans]")
    assert "你好" in status_html("[trans]你好|hello[/trans]", "zh")
