"""The parts that pages are made of: fields of parameters, status bars, forms, texts, curves, order files."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import fmzthreads
from fmzthreads.errors import InputError, OperationFailed
from fmzthreads.platform.pages.handlers.strategies import diff_lines
from fmzthreads.platform.pages.live_status import LiveStatusView
from fmzthreads.platform.pages.over_platform.order_file import orders_in, positions_in
from fmzthreads.platform.pages.parameter_fields import field_groups, typed_arguments
from fmzthreads.platform.pages.rendering import ago_text, json_text, moment, number_text, signed_text
from fmzthreads.platform.pages.sparkline import sparkline_svg
from fmzthreads.platform.pages.texts import CHINESE, translated
from fmzthreads.platform.pages.visit import Form, form_of, language_of
from fmzthreads.strategy.program.parameters import Option, Parameter

PAGES = Path(fmzthreads.__file__).parent / "platform" / "pages"


def test_every_text_of_the_pages_is_chinese_too() -> None:
    asked: set[str] = set()
    for file in [*PAGES.rglob("*.html"), *PAGES.rglob("*.py")]:
        text = file.read_text("utf-8")
        asked |= {one[0] or one[1] for one in re.findall(r"""\b_\("([^"]*)"\)|\b_\('([^']*)'\)""", text)}
        asked |= set(re.findall(r'\.say\("([^"]*)"\)', text))
    assert len(asked) > 200
    assert sorted(asked - set(CHINESE)) == []
    for english, chinese in CHINESE.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", chinese)), english
    assert translated("Stop", "zh") == "停止"
    assert translated("a strategy's own text", "zh") == "a strategy's own text"


def test_a_language_is_chosen_accepted_or_english() -> None:
    assert language_of("zh", "en") == "zh"
    assert language_of("", "de-DE, zh-CN;q=0.9, en;q=0.8") == "zh"
    assert language_of("<x>", "fr") == "en"


def test_forms_of_both_kinds_are_read() -> None:
    form = form_of("application/x-www-form-urlencoded", b"a=1&b=x%20y&a=2&c=")
    assert (form.text("a"), form.many("a"), form.text("b"), form.has("c"), form.names()) == (
        "2",
        ["1", "2"],
        "x y",
        True,
        ["a", "b", "c"],
    )
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="../a.py"\r\n\r\ndef main():\r\n    pass\r\n--B--\r\n'
    form = form_of("multipart/form-data; boundary=B", body)
    assert (form.text("file"), form.text("file.name")) == ("def main():\r\n    pass", "../a.py")
    for broken in (b"", b"--B", b"\xff\xfe" * 100):
        assert form_of("multipart/form-data; boundary=B", broken).names() == []
    with pytest.raises(InputError, match="more than 2000 fields"):
        form_of("", b"&".join([b"a=1"] * 2001))
    for text in ("-1", "1.5", "x", "9" * 20):
        with pytest.raises(InputError):
            Form([("n", text)]).number("n")


def typed(parameter: Parameter, *texts: str) -> Any:
    return typed_arguments([parameter], Form([("arg.p", text) for text in texts])).get("p", "nothing")


def test_arguments_get_their_declared_types() -> None:
    options = (Option("A", "a"), Option("B", 2))
    assert typed(Parameter(name="p", kind="number", minimum=1), "5") == 5
    assert typed(Parameter(name="p", kind="number"), "") is None
    assert typed(Parameter(name="p", kind="number", component="date"), "2026-01-01T00:00:00") == 1_767_225_600_000
    assert typed(Parameter(name="p", component="date"), "2026-01-01 10:00") == "2026-01-01 10:00:00"
    assert [typed(Parameter(name="p", kind="boolean"), *texts) for texts in (("on",), ())] == [True, False]
    assert typed(Parameter(name="p", kind="selected", options=options), "1") == 2
    assert typed(Parameter(name="p", kind="selected", options=options), "") is None
    assert typed(Parameter(name="p", kind="selected", options=options, multiple=True), "0", "1") == ["a", 2]
    assert typed(Parameter(name="p", component="textarea"), "a\r\nb") == "a\nb"
    assert typed(Parameter(name="p", kind="encrypted"), "") == "nothing"
    assert typed(Parameter(name="p", kind="encrypted"), "***") == "***"
    for wrong in ("0", "x", "nan"):
        with pytest.raises(InputError):
            typed(Parameter(name="p", kind="number", minimum=1), wrong)
    for wrong in ("2", "-1", "a"):
        with pytest.raises(InputError):
            typed(Parameter(name="p", kind="selected", options=options), wrong)
    with pytest.raises(InputError, match="expected a date"):
        typed(Parameter(name="p", component="date"), "tomorrow")


def test_fields_show_values_and_never_secrets() -> None:
    parameters = [
        Parameter(name="secret", kind="encrypted", default="hidden default"),
        Parameter(name="color", component="color", default="#ffffff", group="(中文|Looks)"),
        Parameter(name="slider", kind="number", component="slider", default=1, minimum=0, maximum=2),
        Parameter(name="unbound", kind="number", component="slider", default=1),
        Parameter(name="yes", kind="boolean", default=True),
        Parameter(name="date", component="date", default="not a date"),
    ]
    fields = {
        one.parameter.name: one
        for group in field_groups(parameters, {"secret": "stored"}, "en")
        for one in group.fields
    }
    assert fields["secret"].value == ""
    assert "hidden default" not in repr(fields["secret"])
    assert [fields[name].control for name in ("color", "slider", "unbound", "yes")] == [
        "color",
        "slider",
        "number",
        "switch",
    ]
    assert fields["yes"].value == "on"
    assert fields["date"].value == ""


def test_tables_become_tabs_and_buttons_carry_their_fields() -> None:
    one, two = ({"type": "table", "title": f"T{n}", "cols": ["a"], "rows": [["x"]]} for n in (1, 2))
    import json

    html = LiveStatusView("en", may_command=True).html(f"`{json.dumps([one, two])}`")
    assert html.count('role="tab"') == 2
    assert html.count("hidden") == 1
    assert "<caption>" not in html
    single = LiveStatusView("en", may_command=True).html(f"`{json.dumps([one])}`")
    assert "role=" not in single
    assert "<caption>T1" in single
    button = {
        "type": "button",
        "name": "[trans]中|En[/trans]",
        "cmd": 'a"b',
        "class": "btn btn-xs btn-danger",
        "input": {"type": "selected", "defValue": "A|B"},
    }
    html = LiveStatusView("zh", may_command=True).html(f"`{json.dumps(button)}`")
    assert 'data-command="a&quot;b"' in html
    assert "tone-danger" in html
    assert ">中</button>" in html
    assert "&quot;A&quot;" in html
    assert " disabled" in LiveStatusView("en", may_command=False).html(f"`{json.dumps(button)}`")


def test_changes_are_numbered_on_both_sides() -> None:
    lines = diff_lines("a\nb\nc\n", "a\nB\nc\nd\n")
    assert [(kind, old, new) for kind, old, new, _ in lines] == [
        ("same", "1", "1"), ("removed", "2", ""), ("added", "", "2"), ("same", "3", "3"), ("added", "", "4"),
    ]  # fmt: skip
    assert diff_lines("a", "a") == []


def test_numbers_ages_and_curves() -> None:
    assert [number_text(value) for value in (None, 0, 1234.5, 1e-9, float("nan"), "x")] == [
        "–",
        "0",
        "1,234.5",
        "0.000000001",
        "nan",
        "x",
    ]
    assert [number_text(value, 9) for value in (4_799_177.2000000002, 0.123456789012, -99_999.5, 12345678901.5, 100)] == [
        "4,799,177.2", "0.123456789", "-99,999.5", "12,345,678,902", "100",
    ]  # fmt: skip
    assert signed_text(-3.14159) == "-3.14"
    assert [ago_text(ms, "en") for ms in (-5, 61_000, 7_200_000, 90_000_000)] == ["0 s", "1 min", "2 h", "1 d"]
    assert [moment(ms) for ms in (0, 10**18, 1000)] == ["–", "–", "1970-01-01 00:00:01"]
    assert json_text('"<') == '"\\"<"'
    assert "<polyline" not in sparkline_svg([1.0, float("nan")])
    assert 'class="spark down"' in sparkline_svg([2.0, 1.0])
    assert "nan" not in sparkline_svg([1.0, 1.0, float("inf")])


def test_orders_and_positions_are_read_from_the_order_log(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite3"
    assert orders_in(path, 5) == []
    from fmzthreads.exchange.order_log.rows import SCHEMA

    with sqlite3.connect(path) as connection:
        assert orders_in(path, 5) == []  # no tables yet
        for statement in SCHEMA:
            connection.execute(statement)
        for number, side, order in ((1, "buy", "o1"), (2, "sell", "o2"), (3, "buy", "o3")):
            row = (
                number,
                "Binance:host:key",
                "order",
                "BTC_USDT",
                side,
                "100",
                "2",
                f"c{number}",
                None,
                None,
                order,
                "placed",
                "",
                number,
                0,
                0,
                1,
                "2",
            )
            connection.execute(f"INSERT INTO intents VALUES ({','.join('?' * 18)})", row)
        for order, trade, price, amount in (
            ("o1", "t1", "100", "2"),
            ("o2", "t2", "110", "0.5"),
            ("o3", "t3", "90", "0"),
        ):
            connection.execute(
                "INSERT INTO fills VALUES (?,?,?,?,?,?,?,?,?,?)",
                ("Binance:host:key", "BTC_USDT", order, trade, price, amount, "0", "", 1, 0),
            )
        for number, order, kind, fate in (
            (4, "o4", "order", "placed"),
            (5, "o4", "cancel", "cancelled"),
            (6, "o5", "order", "placed"),
            (7, "o5", "cancel", "refused"),
        ):
            row = (
                number,
                "Binance:host:key",
                kind,
                "BTC_USDT",
                "buy",
                "100",
                "2",
                f"c{number}",
                None,
                None,
                order,
                fate,
                "",
                0,
                0,
                0,
                None,
                None,
            )
            connection.execute(f"INSERT INTO intents VALUES ({','.join('?' * 18)})", row)
        filled = ("Binance:host:key", "BTC_USDT", "o4", "t4", "100", "0.25", "0", "", 1, 0)
        connection.execute("INSERT INTO fills VALUES (?,?,?,?,?,?,?,?,?,?)", filled)
    connection.close()
    newest = orders_in(path, 4)
    assert [(one.id, one.filled, one.state) for one in newest[:2]] == [("o5", 0.0, "placed"), ("o4", 0.25, "cancelled")]
    newest = newest[2:]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM fills WHERE order_id = 'o4'")
    connection.close()
    assert [(one.id, one.exchange, one.side, one.filled, one.state) for one in newest] == [
        ("o3", "Binance", "buy", 2.0, "filled"), ("o2", "Binance", "sell", 2.0, "filled"),
    ]  # fmt: skip
    (position,) = positions_in(path)
    assert (position.amount, round(position.price, 4)) == (1.5, round(145 / 1.5, 4))
    path.write_bytes(b"damaged" * 1000)
    with pytest.raises(OperationFailed, match="cannot be read"):
        orders_in(path, 2)
