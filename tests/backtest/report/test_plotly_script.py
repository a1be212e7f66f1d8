"""Plotly's script as the report has it: less trace types, called at once, and untouched where its form is another one."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from fmzthreads.backtest.report import plotly_script as scripts

HEAD = """/**
* plotly.js v9.9.9
*/
(
 function(root, factory) {
  if (typeof module === "object" && module.exports) {
   module.exports = factory();
  } else {
   root.moduleName = factory();
  }
} (typeof self !== "undefined" ? self : this, () => {
"use strict";var Plotly=(()=>{"""
TAIL = """return l()})();
window.Plotly = Plotly;
return Plotly;
}));"""


def module(name: str, trace: str, kind: str = "trace") -> str:
    """A trace type and the module that hands it on, in the form that plotly's bundle has."""
    return (
        f'var {name}i=W((a,$b)=>{{"use strict";$b.exports={{plot:p(),moduleType:"{kind}",name:"{trace}",meta:{{}}}}}});'
        f'var {name}=W((c,d)=>{{"use strict";d.exports={name}i()}});'
    )


def bundle(names: dict[str, str]) -> str:
    """A script of plotly's form.

    Args:
        names: The trace type of each module.
    """
    modules = "".join(module(name, trace) for name, trace in names.items()) + module("$k", "calendars", "component")
    calls = ",".join(f"{name}()" for name in (*names, "$k"))
    return f'{HEAD}{modules}var l=W((e,f)=>{{"use strict";var r=core();r.register([{calls}]);f.exports=r}});{TAIL}'


USED = {"a": "bar", "b": "box", "c$": "pie", "d": "ohlc", "e": "candlestick"}


def test_only_the_trace_types_of_reports_are_registered() -> None:
    fitted = scripts.fitted(bundle({"m": "scattermap", **USED, "n": "surface"}))
    assert "r.register([a(),b(),c$(),d(),e(),$k()])" in fitted


def test_the_modules_may_be_in_another_order_than_the_list() -> None:
    script = bundle({"m": "scattermap", **USED})
    turned = script.replace("m(),a(),b(),c$(),d(),e(),$k()", "e(),d(),c$(),m(),b(),a(),$k()")
    assert turned != script
    assert "r.register([e(),d(),c$(),b(),a(),$k()])" in scripts.fitted(turned)


def test_the_script_is_one_function_that_is_called_at_once() -> None:
    fitted = scripts.fitted(bundle(USED))
    assert "root, factory" not in fitted
    assert fitted.startswith('/**\n* plotly.js v9.9.9\n*/\n(() => {\n"use strict";var Plotly=(()=>{')
    assert fitted.endswith("window.Plotly = Plotly;\n})();\n")


@pytest.mark.parametrize("missing", sorted(USED))
def test_all_are_registered_where_one_that_is_needed_is_not_found(missing: str) -> None:
    script = bundle({**USED, missing: "renamed", "m": "scattermap"})
    assert "m()" in re.findall(r"register\(\[(.*?)\]\)", scripts.fitted(script))[0]


def test_a_script_of_another_form_stays_as_it_is() -> None:
    for script in (
        "",
        "window.Plotly = null;",
        "var r;r.register([a(),b()]);r.register([c(),d()]);export{r as default}",
    ):
        assert scripts.fitted(script) == script


def test_the_installed_script_has_the_form_that_is_known() -> None:
    plotly = pytest.importorskip("plotly")
    whole = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text("utf-8")
    script = scripts.plotly_script()
    assert script is not None
    before, after = (re.findall(r"\.register\(\[((?:[\w$]+\(\),?)+)\]\)", text) for text in (whole, script))
    assert len(before[0].split(",")) > 40
    assert len(after[0].split(",")) == len(
        scripts.TRACE_TYPES
    )  # without scatter, which is built in; with the calendars
    assert "root, factory" not in script[:2000]
    notice = whole[: whole.index("*/")]
    assert "MIT license" in notice
    assert script.startswith(notice)


def test_without_the_package_there_is_no_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert scripts.plotly_script() is None
