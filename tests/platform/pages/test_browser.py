"""The pages in a real browser: at both widths, with no word on the console, no request elsewhere, and live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.strategy.program.visibility import is_shown
from tests.helpers.browsers import opened_browser
from tests.helpers.page_platforms import EVIL, PASSWORD, PagePlatform, fill_log
from tests.helpers.platforms import eventually, owner_of, robot_settings

WIDTHS = (1280, 390)
LONG_MS = 60_000
"""How long a busy machine may take; each step takes a tenth of a second on a quiet one."""
PAGES = (
    "/", "/robots/1", "/robots/2", "/robots/1/settings", "/robots/new?strategy=grid.py", "/robots/import", "/strategies", "/strategies/grid.py", "/backtests",
    "/backtests/new?strategy=grid.py", "/exchanges?eid=OKX", "/keys", "/settings", "/audit", "/robots/99",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as opened:
        yield opened


_TOO_WIDE = """
[...document.body.querySelectorAll('*')]
    .filter(one => one.getBoundingClientRect().right > innerWidth)
    .map(one => one.outerHTML.slice(0, 200))
"""


class Tab:
    """A page of a person who is logged in, and what it said and asked for."""

    def __init__(self, context: Any, url: str) -> None:
        self.url = url
        self.page = context.new_page()
        self.page.set_default_timeout(LONG_MS)
        self.said: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.elsewhere.append(url)

    def open(self, path: str) -> Any:
        self.page.goto(self.url + path)
        return self.page

    def check(self, path: str, width: int) -> None:
        """Nothing was said or asked for, nothing is wider than the window, and no text became an element."""
        said = [text for text in self.said if not (path == "/robots/99" and "404" in text)]
        assert said == [], path
        assert self.elsewhere == [], path
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (path, self.page.evaluate(_TOO_WIDE))
        assert self.page.locator("img[src=x]").count() == 0, path
        assert self.page.title() != "owned"
        self.said.clear()


@contextmanager
def tab(browser: Any, pages: PagePlatform, width: int = 1280, scheme: str = "light") -> Iterator[Tab]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US")
    client = pages.client()
    context.add_cookies(
        [{"name": "fmzthreads_session", "value": client.cookies["fmzthreads_session"], "url": pages.url, "sameSite": "Strict", "httpOnly": True}]
    )  # fmt: skip
    try:
        yield Tab(context, pages.url)
    finally:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_each_page_is_quiet_and_fits(browser: Any, pages: PagePlatform, width: int, scheme: str) -> None:
    with tab(browser, pages, width, scheme) as found:
        for path in PAGES:
            page = found.open(path)
            if path == "/robots/1":
                page.wait_for_selector("html[data-log=ready]", state="attached")
            assert page.locator("h1").first.is_visible(), path
            assert page.locator("nav a[aria-current=page]").count() <= 1
            found.check(path, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_person_logs_in_with_the_keyboard(browser: Any, pages: PagePlatform, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    found = Tab(context, pages.url)
    page = found.open("/robots/2")
    assert "/login?next=" in page.url
    page.keyboard.type(PASSWORD)  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_url(f"{pages.url}/robots/2")
    found.check("/robots/2", width)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "word"
    context.close()


def test_charts_are_drawn_at_both_widths(browser: Any, pages: PagePlatform) -> None:
    pytest.importorskip("plotly")
    with tab(browser, pages) as found:
        page = found.open("/robots/3")
        page.wait_for_selector("html[data-charts=ready]", state="attached")
        assert page.locator("#figure-profit .scatterlayer path.js-line").count() == 1
        assert page.locator("#figure-chart-0 .barlayer path").count() > 0
        titles = page.locator("#charts .chart-title").all_text_contents()
        assert titles[0] == "Profit"
        assert any(EVIL[:12] in title for title in titles)
        found.check("/robots/3", 1280)
        page.set_viewport_size({"width": 390, "height": 900})
        edge = "document.querySelector('#figure-profit .main-svg').getBoundingClientRect().right"
        eventually(lambda: page.evaluate(edge) <= 390)
        found.check("/robots/3", 390)


def test_the_log_is_live_and_filtered(browser: Any, pages: PagePlatform) -> None:
    robot = pages.platform.lives.create(owner_of(pages.platform), robot_settings(pages.platform, name="live"))
    fill_log(pages.platform, robot, 250)
    with tab(browser, pages, 390) as found:
        page = found.open(f"/robots/{robot}")
        page.wait_for_selector("#pulse.on")
        rows = "#log-table tbody tr"
        assert page.locator(rows).count() == 200
        fill_log(pages.platform, robot, 1, text=EVIL, first=251)
        page.wait_for_selector(f'{rows}[data-id="251"]')
        assert page.locator(f"{rows} td.text").first.text_content() == f"{EVIL} 251"
        page.click("#log-more")
        page.wait_for_selector(f'{rows}[data-id="1"]')
        assert page.locator(rows).count() == 251
        page.fill("#log-filters [name=word]", "line 24")
        eventually(lambda: page.locator(rows).count() == 11)
        fill_log(pages.platform, robot, 2, text="other", first=252)
        fill_log(pages.platform, robot, 1, text="line 24x", first=254)
        page.wait_for_selector(f'{rows}[data-id="254"]')
        assert page.locator(rows).count() == 12  # those that do not match are not shown
        found.check("/robots/live", 390)


def test_buttons_of_the_status_send_their_commands(browser: Any, pages: PagePlatform) -> None:
    with tab(browser, pages) as found:
        page = found.open("/robots/1")
        page.wait_for_selector("#pulse.on")
        page.click("[data-command=go]")
        page.wait_for_selector("html[data-sent=go]", state="attached")
        page.locator("[role=tab]").first.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("[role=tabpanel]").nth(1).is_visible()
        page.click("[data-command=limit]")
        page.fill("#ask input", "12.5")
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-sent='limit:12.5']", state="attached")
        page.click("[data-command=order]")
        assert page.locator("#ask select").evaluate("one => one.selectedOptions[0].textContent") == "short"
        page.uncheck("#ask input[type=checkbox]")
        assert not page.locator("#ask input[type=number]").is_visible()  # shown when Post is on
        page.click("#ask button.main")
        page.wait_for_selector("html[data-sent^='order:']", state="attached")
        found.check("/robots/1", 1280)
    sent = [request["command"] for _, request in pages.node.asked if "command" in request]
    assert sent[-3:-1] == ["go", "limit:12.5"]
    name, _, fields = sent[-1].partition(":")
    assert (name, json.loads(fields)) == ("order", {"side": 1, "post": False, "size": 2})


def test_fields_are_shown_by_their_filter(browser: Any, pages: PagePlatform) -> None:
    with tab(browser, pages) as found:
        page = found.open("/robots/new?strategy=grid.py")
        stop = page.locator("[id='arg.stop']")
        assert not stop.is_visible()
        page.locator("label.switch:has([id='arg.useStop'])").click()
        assert not stop.is_visible()
        page.select_option("[id='arg.mode']", label="taker")
        assert stop.is_visible()
        values = {"a": 2, "b": True, "c": "x", "d": None, "e": 0}
        expressions = (
            "a", "!a", "e", "b && a > 1", "a == 2 || e", "c == 'x'", 'c != "y"', "a >= 1 && a <= 10", "!(a < 3)", "d == null", "d > 1",
            "c > 1", "b == 1", "a = 2", "-a < 0", "1 < a < 3", "3 < a < 1", "a === 2 && b !== false",
        )  # fmt: skip
        script = (
            "([texts, values]) => texts.map((text) => window.fmzFilters.holds(text, new Map(Object.entries(values))))"
        )
        assert page.evaluate(script, [list(expressions), values]) == [is_shown(text, values) for text in expressions]
        refused = page.evaluate(
            "(text) => { try { window.fmzFilters.holds(text, new Map()); return 'held'; } catch { return 'refused'; } }",
            "alert(1)",
        )
        assert refused == "refused"
        found.check("/robots/new", 1280)


def test_a_robot_is_started_and_stopped_by_hand(browser: Any, pages: PagePlatform) -> None:
    with tab(browser, pages, 390) as found:
        page = found.open("/robots/new?strategy=waits.py")
        page.fill("#name", "by hand")
        page.click("button:has-text('Start the robot')")
        page.wait_for_selector("h1:has-text('by hand')")
        page.click("button:has-text('Stop')")
        page.click("#stop button.danger")
        page.wait_for_selector(".toast")
        page.wait_for_url(lambda url: "said=" not in url)  # it is not said again when the page is loaded again
        page.wait_for_selector(".stages .now")
        assert pages.node.asked[-1][1].keys() & {"stop", "state"}
        found.check("/robots/by-hand", 390)
    robot = next(one for one in pages.platform.lives.table.all() if one.name == "by hand")
    assert robot.phase == "stopping"


def test_the_overview_is_read_again(browser: Any, pages: PagePlatform) -> None:
    with tab(browser, pages) as found:
        page = found.open("/")
        pages.platform.groups.create("robots that came later")
        group = pages.platform.groups.all()[-1].id
        settings = robot_settings(pages.platform, name="came later", group_id=group)
        pages.platform.lives.create(owner_of(pages.platform), settings)
        page.wait_for_selector("text=came later")
        found.check("/", 1280)


def test_the_box_of_an_exchange_fits(browser: Any, pages: PagePlatform) -> None:
    """The boxes in rows of tables took over their alignment, and ran out of narrow windows."""
    with tab(browser, pages, 390) as found:
        page = found.open("/exchanges")
        page.click("button[popovertarget='change-1']")
        box = page.locator("#change-1")
        box.wait_for()
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        assert box.evaluate("box => getComputedStyle(box).textAlign") == "start"
        assert page.locator("#SecretKey-1").get_attribute("type") == "password"
        found.check("/exchanges", 390)


def test_the_editor_numbers_its_lines(browser: Any, pages: PagePlatform) -> None:
    with tab(browser, pages) as found:
        page = found.open("/strategies/waits.py")
        lines = page.locator("textarea[name=text]").input_value().count("\n") + 1
        assert page.locator(".numbers").text_content().split()[-1] == str(lines)
        page.locator("textarea[name=text]").focus()
        page.keyboard.press("Control+End")
        page.keyboard.type("# more")
        page.keyboard.press("Enter")
        assert page.locator(".numbers").text_content().split()[-1] == str(lines + 1)
        page.fill("[name=note]", "one more line")
        page.click("button:has-text('Save')")
        page.wait_for_selector(".toast")
        assert page.locator("textarea[name=text]").input_value().endswith("# more\n")
        found.check("/strategies/waits.py", 1280)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_shared_robot_is_read_only(browser: Any, pages: PagePlatform, width: int) -> None:
    made = pages.client().submit("/robots/1/share", {"days": "7"}).text
    path = "/shared/" + made.partition('value="/shared/')[2].partition('"')[0]
    context = browser.new_context(viewport={"width": width, "height": 900})
    found = Tab(context, pages.url)
    page = found.open(path)
    page.wait_for_selector("html[data-log=ready]", state="attached")
    assert page.locator("#log-table tbody tr").count() == 7
    assert page.locator("[data-command]:not([disabled]), #command, aside").count() == 0
    found.check(path, width)
    context.close()
