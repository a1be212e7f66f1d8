from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fmzthreads.backtest.report.escaping import chart_text, color_of, html_text, number_of, script_json


def test_text_cannot_leave_an_element_or_an_attribute() -> None:
    assert html_text("<b title=\"x\" y='z'>&") == "&lt;b title=&quot;x&quot; y=&#x27;z&#x27;&gt;&amp;"
    assert html_text(None) == "None"


def test_json_cannot_end_its_script_element() -> None:
    text = script_json(["</script><!--", "\u2028", "&amp;", "中"])
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == ["</script><!--", "\u2028", "&amp;", "中"]
    with pytest.raises(ValueError, match="JSON"):
        script_json(math.nan)


def test_text_in_charts_has_neither_tags_nor_formulas() -> None:
    assert chart_text('<a href="https://example.org">x</a>') == '&lt;a href="https://example.org"&gt;x&lt;/a&gt;'
    assert "$" not in chart_text("$x^2$")
    assert chart_text("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("value", "color"),
    [
        ("#ff0000", "#ff0000"),
        ("#F00", "#F00"),
        (" red ", "red"),
        ("rgba(1, 2, 3, 0.5)", "rgba(1, 2, 3, 0.5)"),
        ("#ff000", None),
        ('red"onload="x', None),
        ("url(https://example.org)", None),
        ("@accent", None),
        ("var(--x)", None),
        (None, None),
        (5, None),
    ],
)
def test_only_colours_are_colours(value: Any, color: str | None) -> None:
    assert color_of(value) == color


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), (1.5, 1.5), (True, None), ("1", None), (None, None), (math.nan, None), (math.inf, None), (10**400, None)],
)
def test_only_finite_numbers_are_numbers(value: Any, number: float | None) -> None:
    assert number_of(value) == number
