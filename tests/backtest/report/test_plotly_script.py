"""Plotly's script as the report has it: less trace types, called at once, and untouched where its form is another one."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from fmzthreads.backtest.report import plotly_script as scripts
from fmzthreads.backtest.report.plotly_script import modules

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


PARTS = """var E=Object.create;var L=(e,t)=>()=>(e&&(t=e(e=0)),t);var W=(e,t)=>()=>{try{return t||e((t={exports:{}}).exports,t),t.exports}catch(r){throw r}},F=(e,t)=>{for(var r in t)E(e,r)};var used=W((a,b)=>{"use strict";b.exports=/[{"'`]\\//.test("}")?`${helped(`{${a}`)} {`:a/b});function helped(a={}){return a/2/"}".length}function lost(){return'{'}var lostToo=W((a,b)=>{lost();b.exports=lostNames});var x,y,wanted=L(()=>{used();x=1;y={}});var p,q,unwanted=L(()=>{p=`${x}{`});var lostNames={};F(lostNames,{one:()=>lost,two:()=>p});var names={};F(names,{helped:()=>helped});var after=W((a,b)=>{unused()});var core=W((a,b)=>{wanted();b.exports=names});return core();"""
"""Modules of both kinds, functions and names in the form that plotly's bundle has, with braces in texts, templates and patterns."""


UNREACHED = (
    "function lost(){return'{'}",
    "var lostToo=W((a,b)=>{lost();b.exports=lostNames});",
    "var p,q,unwanted=L(()=>{p=`${x}{`});",
    "var lostNames={};F(lostNames,{one:()=>lost,two:()=>p});",
    "var after=W((a,b)=>{unused()});",
)


def test_modules_that_are_never_reached_are_left_out() -> None:
    expected = PARTS
    for one in UNREACHED:
        assert one in expected
        expected = expected.replace(one, "")
    assert modules.reached_statements(PARTS) == expected


@pytest.mark.parametrize("broken", ["}", "`${", "{", "`"])
def test_a_bundle_whose_blocks_do_not_match_is_not_understood(broken: str) -> None:
    assert modules.reached_statements(PARTS.replace("var after", f"{broken}var after")) is None


def test_a_statement_that_runs_at_once_is_kept_with_what_it_needs() -> None:
    kept = modules.reached_statements(PARTS.replace("var after", "globalThis.one=lostToo();var after"))
    assert kept is not None
    assert "var lostToo" in kept
    assert "function lost()" in kept
    assert "F(lostNames," in kept


def test_the_style_sheet_of_maps_is_left_out() -> None:
    style = 'document.createElement("style");e.id="ab",e.textContent=%s,document.head.appendChild(e)'
    for text, is_kept in (
        ("'.maplibregl-map{a:b}\\n'", False),
        ("`.maplibregl-map{a:'b'}`", False),
        ("'.other{}'", True),
    ):
        sheet = f'var s=W(()=>{{(function(){{if(!document.getElementById("ab")){{var e={style % text}}}}})()}});'
        script = bundle(USED).replace("var l=W", f"var W=(e,t)=>()=>t;{sheet}var l=W").replace("core()", "core(s())")
        fitted = scripts.fitted(script)
        assert ("textContent" in fitted) == is_kept
        assert "var s=W(()=>{" in fitted


def test_the_installed_script_has_a_third_of_its_length() -> None:
    plotly = pytest.importorskip("plotly")
    whole = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text("utf-8")
    fitted = scripts.fitted(whole)
    assert len(fitted) < len(whole) * 0.36
    assert "maplibregl" not in fitted
    assert fitted.count("Copyright") >= whole[-3000:].count("Copyright")  # the notices at its end stay
