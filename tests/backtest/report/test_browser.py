"""The report in a real browser: what is drawn, what it says on its console, and that it asks for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.metrics import metrics_of
from fmzthreads.backtest.metrics.monte_carlo import monte_carlo_of
from fmzthreads.backtest.report import page, write_page
from fmzthreads.charts.kline_chart import KLineChartObject
from fmzthreads.charts.points import ChartPoints
from tests.helpers.backtest_results import made_result
from tests.helpers.browsers import opened_browser

WIDTHS = (1280, 390)
EVIL = '</script><img src=x onerror="document.title=\'owned\'"><a href="https://example.org/">link</a>'
LONG_MS = 60_000
"""How long a busy machine may take; a chart takes a tenth of a second on a quiet one."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium, driven by playwright."""
    with opened_browser() as opened:
        yield opened


class View:
    """A page that is open, and what it said and asked for meanwhile."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.wait_until_drawn()

    def wait_until_drawn(self) -> None:
        self.page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=LONG_MS)

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.text_content())

    def drawn(self) -> tuple[int, int]:
        """How many charts were drawn, and how many failed."""
        html = self.page.locator("html")
        return int(html.get_attribute("data-drawn")), int(html.get_attribute("data-failed"))

    def is_quiet(self, path: Path) -> bool:
        """Whether nothing was said, and nothing was asked for but the page itself."""
        return not self.said and [url for url in self.asked if not url.startswith(("data:", "blob:"))] == [
            path.as_uri()
        ]


def everything(folder: Path, name: str = "report.html") -> Path:
    """A page with all kinds of charts, status tables and log rows, all of them with texts that try to break out."""
    result, settings = made_result(200)
    start = settings.start_ms
    candle = [start, 1, 3, 0.5, 2]
    kinds = ("line", "area", "column", "scatter", "candlestick", "ohlc", "flags", "pie", "arearange")
    series = [
        {
            "type": kind,
            "name": f"{kind} {EVIL}",
            "yAxis": n % 2,
            "data": [{"x": start, "y": 2, "name": EVIL, "title": EVIL}] if kind in ("flags", "pie") else [candle],
        }
        for n, kind in enumerate(kinds)
    ]
    axes = [{"title": {"text": EVIL}, "height": "60%"}, {"top": "65%", "height": "35%"}]
    configs = [
        {"title": {"text": EVIL}, "yAxis": axes, "series": series},
        {"yAxis": [{}, {"opposite": True}], "series": series[:2]},
    ]
    result["Chart"] = {"Cfg": json.dumps(configs), "Datas": []}
    result["Status"] = (
        f"status {EVIL} #ff0000`" + json.dumps({"type": "table", "title": EVIL, "cols": ["a"], "rows": [[EVIL]]}) + "`"
    )
    texts = [f"{EVIL} #00aa00", "plain", *(f"line {n}" for n in range(400))]
    result["RuntimeLogs"] += [
        [n, start + n, 3 if n == 1 else 5, 0, "", 0, 0, text, "", ""] for n, text in enumerate(texts)
    ]
    metrics = metrics_of(result, settings)
    metrics["monte_carlo"] = monte_carlo_of(result, settings, metrics, 30)
    write_page(result, settings, metrics, folder / name, title=EVIL)
    return folder / name


def kline(folder: Path) -> Path:
    """A page with a KLineChart."""
    points = ChartPoints(None, lambda: 0)
    chart = KLineChartObject(points, {"overlay": True})
    result, settings = made_result(30)
    for n in range(50):
        chart.begin(
            {
                "Time": settings.start_ms + n * 60_000,
                "Open": n,
                "High": n + 2,
                "Low": n - 2,
                "Close": n + 1,
                "Volume": 1,
            }
        )
        line, level = chart.plot(n, EVIL), chart.plot(n + 3, "upper")
        chart.fill(line, level)
        chart.plot(n % 7, "below", overlay=False, style="columns")
        chart.plotshape(n % 9 == 0, "shape", text=EVIL)
        chart.signal("long", n, 1, EVIL)
        chart.close()
    result["Chart"] = {"Cfg": points.config, "Datas": [[row.series, json.loads(row.data)] for row in points.rows()]}
    write_page(result, settings, metrics_of(result, settings), folder / "kline.html")
    return folder / "kline.html"


@pytest.mark.parametrize("width", WIDTHS)
def test_all_charts_are_drawn_quietly_at_both_widths(browser: Any, tmp_path: Path, width: int) -> None:
    pytest.importorskip("plotly")
    path = everything(tmp_path)
    view = View(browser, path, width)
    assert view.drawn() == (12, 0)
    assert view.count(".chart .main-svg") >= 12
    for key in (
        "equity",
        "price-0",
        "positions",
        "returns",
        "rolling",
        "trips",
        "costs",
        "block-bootstrap",
        "trade-shuffle",
    ):
        assert view.count(f"#figure-{key} .cartesianlayer .trace path") > 0, key
    for kind in ("scatterlayer path.js-line", "barlayer path", "boxlayer path", "slice path", "ohlclayer path"):
        assert view.count(f"#figure-chart-0 .{kind}") > 0, kind
    assert view.page.locator("html").get_attribute("data-seen") == "yes"
    assert view.is_quiet(path), (view.said, view.asked)
    assert view.page.title() == EVIL
    assert view.count("main img, main a[href*=example], svg a") == 0
    assert EVIL[:20] in view.text("#figure-chart-0 .legendtext")
    box = view.page.locator("main").bounding_box()
    assert box["x"] >= 0
    assert box["width"] <= width
    for selector in ("section", ".chart", ".tile"):
        for one in view.page.locator(selector).all():
            place = one.bounding_box()
            assert place["x"] + place["width"] <= width, (selector, place)


def test_charts_on_the_screen_are_drawn_before_the_others(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = everything(tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(
        """new MutationObserver(() => {
          if (document.documentElement.dataset.seen !== "yes" || window.drawnWhenSeen) return;
          const charts = [...document.querySelectorAll(".chart")];
          const isSeen = (one) => one.getBoundingClientRect().top < innerHeight;
          window.drawnWhenSeen = charts.map((one) => [isSeen(one), one.querySelector(".main-svg") !== null]);
        }).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-seen"] });"""
    )
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=LONG_MS)
    found = page.evaluate("window.drawnWhenSeen")
    page.close()
    assert [True, True] in found  # on the screen, and drawn
    assert [True, False] not in found
    assert [False, False] in found


IDLE_NEVER = "window.requestIdleCallback = () => 0;"
"""A browser that is never idle: only what is on the screen is drawn."""


def never_idle(browser: Any, path: Path) -> Any:
    """The page with the charts of the first screen only."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(IDLE_NEVER)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-seen=yes]", state="attached", timeout=LONG_MS)
    return page


def missing_charts(page: Any) -> int:
    return int(
        page.evaluate(
            "[...document.querySelectorAll('.chart')].filter((one) => !one.querySelector('.main-svg')).length"
        )
    )


def test_the_first_screen_is_painted_before_the_page_draws_on(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    view = View(browser, everything(tmp_path))
    marks = view.page.evaluate(
        "['seen', 'ready'].map((name) => performance.getEntriesByName(name).map((one) => one.startTime))"
    )
    assert [len(one) for one in marks] == [1, 1]
    assert 0 < marks[0][0] < marks[1][0]


def test_printing_draws_the_charts_that_are_not_there_yet(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    page = never_idle(browser, everything(tmp_path))
    assert missing_charts(page) > 5
    page.pdf()
    page.wait_for_function("document.documentElement.dataset.drawn === '12'", timeout=LONG_MS)
    assert missing_charts(page) == 0
    page.close()


def test_a_chart_that_is_scrolled_to_is_drawn_next(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = everything(tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script("window.idle = []; window.requestIdleCallback = (then) => window.idle.push(then);")
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-seen=yes]", state="attached", timeout=LONG_MS)
    page.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
    page.evaluate("window.idle.shift()()")
    page.wait_for_function("document.documentElement.dataset.drawn === '2'", timeout=LONG_MS)
    keys = page.evaluate(
        "[...document.querySelectorAll('.chart')].map((one) => [one.id, one.querySelector('.main-svg') !== null])"
    )
    page.close()
    assert [key for key, is_drawn in keys if is_drawn][-1] == keys[-1][0]
    assert [is_drawn for _, is_drawn in keys].count(True) == 2


def test_the_page_is_ready_when_charts_that_printing_draws_are_there(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(
        """const wait = window.requestIdleCallback;
        let count = 0;
        window.requestIdleCallback = (then, how) => {
          if (++count === 1) {
            const draw = window.fmzFigures.draw; // slow charts: each is there some frames after its turn
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            window.fmzFigures.draw = async (...all) => { for (let n = 0; n < 20; n++) await frame(); return draw(...all); };
            dispatchEvent(new Event("beforeprint"));
          }
          return wait(then, how);
        };
        new MutationObserver(() => {
          if (document.documentElement.dataset.ready === "yes") window.missing ??= document.querySelectorAll(".chart:not(:has(.main-svg))").length;
        }).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-ready"] });"""
    )
    page.goto(everything(tmp_path).as_uri())
    page.wait_for_selector("html[data-ready=yes][data-drawn='12']", state="attached", timeout=LONG_MS)
    missing = page.evaluate("window.missing")
    page.close()
    assert missing == 0


def test_long_tables_are_laid_out_when_they_come_near_the_screen(browser: Any, tmp_path: Path) -> None:
    view = View(browser, everything(tmp_path))
    is_laid_out = "document.querySelector('#log-view td.text').checkVisibility({ contentVisibilityAuto: true })"
    assert not view.page.evaluate(is_laid_out)
    height = view.page.evaluate("document.querySelector('#log-view .long').clientHeight")
    view.page.locator("#log").scroll_into_view_if_needed()
    view.page.wait_for_function(f"() => {is_laid_out}", timeout=LONG_MS)
    assert (
        abs(view.page.evaluate("document.querySelector('#log-view .long').clientHeight") - height) < 2
    )  # nothing jumps
    view.page.close()


def test_a_table_that_goes_on_to_the_side_has_a_shadow_at_its_edge(browser: Any, tmp_path: Path) -> None:
    view = View(browser, everything(tmp_path), 390)
    cut, attached = view.page.evaluate(
        "(([one]) => [one.scrollWidth > one.clientWidth, getComputedStyle(one).backgroundAttachment])(document.querySelectorAll('#figures > .scroll'))"
    )
    single = view.page.evaluate(
        "[...document.querySelectorAll('#figures .sections .scroll')].map((one) => one.scrollWidth - one.clientWidth)"
    )
    view.page.close()
    assert cut
    assert attached == "local, local, scroll, scroll"  # covers that move along, shadows that stay
    assert single
    assert max(single) <= 0


def test_charts_of_the_account_need_no_more_than_their_margins(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    view = View(browser, everything(tmp_path))
    grown = view.page.evaluate(
        """[...document.querySelectorAll(".chart")].filter((one) => !/figure-(chart|kline)/.test(one.id)).map((one) => {
          const size = one._fullLayout._size, margin = one.layout.margin;
          return [one.id, ...["l", "r", "t", "b"].map((side) => size[side] - margin[side])];
        })"""
    )
    view.page.close()
    assert len(grown) > 5
    assert [more for more in grown if any(more[1:])] == []  # else plotly lays them out twice


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_stay_within_their_places(browser: Any, tmp_path: Path, width: int) -> None:
    pytest.importorskip("plotly")
    view = View(browser, everything(tmp_path), width)
    heights = view.page.evaluate(
        "[...document.querySelectorAll('.chart')].map((one) => [one.querySelector('.main-svg').clientHeight, one.clientHeight])"
    )
    view.page.close()
    assert heights
    assert all(drawn == place for drawn, place in heights)


def test_charts_follow_the_width_of_the_window(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    view = View(browser, everything(tmp_path))
    for width in (700, 390, 1100):
        view.page.set_viewport_size({"width": width, "height": 900})
        view.page.evaluate(
            """async () => {
              const charts = [...document.querySelectorAll(".chart")];
              while (!charts.every((one) => one.querySelector(".main-svg").clientWidth === one.clientWidth)) await new Promise(requestAnimationFrame);
            }"""
        )
    assert view.said == []
    view.page.close()


def test_the_theme_is_switched_while_charts_are_drawn(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page.add_init_script(
        """const wait = window.requestIdleCallback;
        let count = 0;
        window.requestIdleCallback = (then, how) => {
          if (++count === 3) document.getElementById("theme").click();
          return wait(then, how);
        };"""
    )
    page.goto(everything(tmp_path).as_uri())
    page.wait_for_selector("html.dark[data-ready=yes]", state="attached", timeout=LONG_MS)
    assert page.locator("html").get_attribute("data-drawn") == "12"
    fills = set(
        page.evaluate("[...document.querySelectorAll('.chart .xtick text')].map((one) => getComputedStyle(one).fill)")
    )
    page.close()
    assert fills == {"rgb(148, 161, 181)"}  # --muted of the dark theme


def many_trips(folder: Path) -> Path:
    """A page of a strategy with 1,500 marks in one chart."""
    result, settings = made_result(60)
    start = settings.start_ms
    data = [[start + 60_000 * n, n // 10 % 7] for n in range(1500)]
    config = {"xAxis": {"type": "datetime"}, "series": [{"type": "scatter", "name": "marks", "data": data}]}
    result["Chart"] = {"Cfg": json.dumps(config), "Datas": []}
    write_page(result, settings, metrics_of(result, settings), folder / "marks.html")
    return folder / "marks.html"


PLACES = """() => {
  const chart = document.getElementById("figure-chart-0"), trace = chart.data[0], layout = chart._fullLayout;
  const places = chart.querySelector(".scatterlayer .marks > path");
  const box = places ? [...places.getAttribute("d").matchAll(/[ML](-?[0-9.]+),(-?[0-9.]+)/g)].map((one) => [Number(one[1]), Number(one[2])]) : [];
  const at = (n) => [layout.xaxis.c2p(trace.x[n]), layout.yaxis.c2p(trace.y[n])];
  const wanted = trace.x.map((_, n) => at(n)).filter(([x]) => x >= 0 && x <= layout.xaxis._length);
  const missing = wanted.filter(([x, y]) => !box.some((one) => Math.abs(one[0] - x) < 0.5 && Math.abs(one[1] - y) < 0.5));
  return { places: box.length, wanted: wanted.length, missing: missing.length, elements: chart.querySelectorAll(".scatterlayer .point").length };
}"""
"""Where the marks are, and how many of those in view are missing."""


def marks_of(view: View, count: int | None = None) -> dict[str, int]:
    """What ``PLACES`` says, once so many marks are in view."""
    if count is not None:
        view.page.wait_for_function(
            f"() => ({PLACES})().wanted === {count} && ({PLACES})().missing === 0", timeout=LONG_MS
        )
    return dict(view.page.evaluate(PLACES))


def test_many_marks_are_one_element_that_shows_all_of_them(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = many_trips(tmp_path)
    view = View(browser, path)
    whole = marks_of(view)
    assert whole["wanted"] == 1500
    assert whole["missing"] == 0
    assert whole["places"] > 1000
    assert whole["elements"] == 1
    shape = "document.querySelector('.marks marker path').getAttribute('d')"
    assert view.page.evaluate(f"{shape} === document.querySelector('.scatterlayer .point').getAttribute('d')")
    held = view.page.evaluate("document.getElementById('figure-chart-0').data[0].x")
    first, last = held[200], held[349]
    view.page.evaluate(f"Plotly.relayout('figure-chart-0', {{'xaxis.range': [{first}, {last}]}})")
    part = marks_of(view, 150)
    assert part["places"] <= 160
    view.page.evaluate("Plotly.relayout('figure-chart-0', {'xaxis.autorange': true})")
    marks_of(view, 1500)
    view.page.set_viewport_size({"width": 700, "height": 900})
    marks_of(view, 1500)
    assert view.is_quiet(path), (view.said, view.asked)
    view.page.close()


def test_many_marks_are_hidden_by_the_legend_and_told_by_the_pointer(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = many_trips(tmp_path)
    view = View(browser, path)
    chart = view.page.locator("#figure-chart-0")
    chart.scroll_into_view_if_needed()
    x, y = view.page.evaluate(
        """() => {
          const chart = document.getElementById("figure-chart-0"), box = chart.getBoundingClientRect(), { xaxis, yaxis } = chart._fullLayout;
          return [box.x + xaxis._offset + xaxis.c2p(chart.data[0].x[701]), box.y + yaxis._offset + yaxis.c2p(chart.data[0].y[701])];
        }"""
    )
    view.page.mouse.move(x, y)
    view.page.wait_for_selector("#figure-chart-0 .hovertext", state="attached", timeout=LONG_MS)
    view.page.evaluate("Plotly.restyle('figure-chart-0', { visible: 'legendonly' })")
    view.page.wait_for_function(
        "() => document.querySelectorAll('#figure-chart-0 .marks').length === 0", timeout=LONG_MS
    )
    view.page.evaluate("Plotly.restyle('figure-chart-0', { visible: true })")
    marks_of(view, 1500)
    view.page.click("#theme")
    view.wait_until_drawn()
    assert marks_of(view)["missing"] == 0
    color = view.page.evaluate("getComputedStyle(document.querySelector('.marks marker path')).fill")
    assert color == view.page.evaluate("getComputedStyle(document.querySelector('.scatterlayer .point')).fill")
    assert view.is_quiet(path), (view.said, view.asked)
    view.page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_kline_chart_is_drawn(browser: Any, tmp_path: Path, width: int) -> None:
    pytest.importorskip("plotly")
    path = kline(tmp_path)
    view = View(browser, path, width, "dark")
    assert view.drawn()[1] == 0
    assert view.count("#figure-kline .boxlayer path") > 0
    assert view.count("#figure-kline .barlayer path") >= 40
    assert view.count("#figure-kline .scatterlayer .points path") >= 50
    assert view.is_quiet(path), (view.said, view.asked)


def test_the_theme_and_the_scale_are_switched(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = everything(tmp_path)
    view = View(browser, path, scheme="dark")
    ticks = "#figure-equity .yaxislayer-above text, #figure-equity .ytick text"
    assert view.page.locator("html.dark").count() == 1
    dark = view.page.locator(ticks).first.evaluate("one => getComputedStyle(one).fill")
    view.page.click("#theme")
    view.wait_until_drawn()
    assert view.page.locator("html.dark").count() == 0
    assert view.page.locator(ticks).first.evaluate("one => getComputedStyle(one).fill") != dark
    before = view.page.locator(ticks).all_text_contents()
    view.page.click("#figure-equity .switch button:has-text('Log')")
    view.page.wait_for_selector("#figure-equity .switch button[aria-pressed=true]:has-text('Log')")
    view.page.locator(ticks).first.wait_for()
    assert view.page.locator(ticks).all_text_contents() != before
    assert view.is_quiet(path), (view.said, view.asked)


def test_the_log_is_filtered_by_kind_and_word(browser: Any, tmp_path: Path) -> None:
    path = everything(tmp_path)
    view = View(browser, path, 390)
    rows = "#log-view tbody tr"
    assert view.count(rows) == 300
    view.page.click("#log-view button:has-text('Show more')")
    assert view.count(rows) > 400
    box = view.page.locator(f"{rows} td.text").first.bounding_box()
    assert box["x"] + box["width"] <= 390  # the text can be read without scrolling to the side
    colored = view.page.locator(f"{rows} td.text[style]").first
    assert colored.text_content() == EVIL
    view.page.fill("#log-view input[type=search]", "LINE 39")
    assert view.count(rows) == 11
    view.page.fill("#log-view input[type=search]", "")
    for name in ("Log", "Buy", "Sell"):
        view.page.click(f"#log-view label:has-text('{name} ') input")
    assert view.page.locator(f"{rows} td.text").all_text_contents() == ["plain"]
    assert view.is_quiet(path), (view.said, view.asked)


def test_the_log_shows_pictures_and_colours_that_can_be_read(browser: Any, tmp_path: Path) -> None:
    result, settings = made_result(20)
    start = settings.start_ms
    picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    texts = ["yellow #ffff00", f"`{picture}` chart", 'data:image/png;base64,A" onerror="document.title=1']
    result["RuntimeLogs"] = [[n, start + n, 5, 0, "", 0, 0, text, "", ""] for n, text in enumerate(texts * 2000)]
    path = tmp_path / "log.html"
    write_page(result, settings, metrics_of(result, settings), path, title="log")
    view = View(browser, path)
    newest = view.page.locator("#log-view tbody td.text")
    assert newest.nth(1).text_content() == "chart"
    assert newest.nth(1).locator("img").get_attribute("src") == picture
    assert newest.nth(0).text_content() == texts[2]
    assert newest.nth(0).locator("img").count() == 0
    assert newest.nth(2).evaluate("one => getComputedStyle(one).color") != "rgb(255, 255, 0)"
    assert "of which the page holds the newest 5000" in view.text("#log-view .note")
    assert view.is_quiet(path), (view.said, view.asked)
    assert view.page.title() == "log"
    view.page.close()


def test_hostile_charts_are_drawn_quietly(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    result, settings = made_result(20)
    start = settings.start_ms
    line = {"value": start, "color": EVIL, "label": {"text": EVIL}}
    marked = {
        "title": {"text": EVIL},
        "min": 0,
        "plotLines": [line],
        "plotBands": [{"from": 1, "to": 2, "label": {"text": EVIL}}],
    }
    huge = [[start, 1e308], [start + 1, -1e308], [start + 2, 1e-320]]
    marks = [[start + n, n % 7, EVIL] for n in range(400)]
    configs: list[Any] = [
        {
            "title": EVIL,
            "xAxis": marked,
            "yAxis": marked,
            "series": {"name": EVIL, "data": [[start, 1], [EVIL, 2], None, EVIL, {}]},
        },
        {"series": "nonsense"},
        {"series": [None, 3, {"type": ["x"], "data": "abc"}, {"type": "sankey", "data": [["a", "b", 3]]}]},
        {"series": [{"data": huge}], "tooltip": {"formatter": "function () { document.title = 'owned'; }"}},
        {"series": [{"type": "column", "data": [{"x": start + n, "y": n % 5 - 2, "color": EVIL} for n in range(9)]}]},
        {"series": [{"type": "scatter", "name": EVIL, "marker": {"symbol": EVIL, "radius": 1e99}, "data": marks}]},
    ]
    result["Chart"] = {"Cfg": json.dumps(configs), "Datas": []}
    path = tmp_path / "hostile.html"
    write_page(result, settings, metrics_of(result, settings), path, title="hostile")
    view = View(browser, path)
    assert view.drawn()[1] == 0
    assert view.count("[id^=figure-chart-]") == 5
    assert view.count("[id^=figure-chart-] img, [id^=figure-chart-] a[href*=example]") == 0
    assert view.is_quiet(path), (view.said, view.asked)
    assert view.page.title() == "hostile"
    view.page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_small_page_without_plotly(
    browser: Any, tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "plotly_script", lambda: None)
    path = everything(tmp_path)
    view = View(browser, path, width)
    assert view.count("svg.equity polyline") == 3
    assert view.count("#log-view tbody tr") == 300
    assert view.page.locator("svg.equity").bounding_box()["width"] <= width
    assert view.is_quiet(path), (view.said, view.asked)
