"""The tutorial of docs/platform.md by hand in a browser: from an empty folder to a robot on two simulated exchanges, and its stop.

With FMZTHREADS_PICTURES=FOLDER it saves the pictures of that page there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.browsers import opened_browser
from tests.helpers.platforms import eventually, real_platform, served

LONG_MS = 100_000
pytestmark = [pytest.mark.example, pytest.mark.timeout(400)]


def picture(page: Any, name: str, height: int = 800) -> None:
    folder = os.environ.get("FMZTHREADS_PICTURES")
    if folder:
        page.set_viewport_size({"width": 1280, "height": height})
        page.wait_for_timeout(500)  # the charts take the new size
        page.screenshot(path=Path(folder) / f"{name}.png")
        page.set_viewport_size({"width": 1280, "height": 800})


def test_from_nothing_to_a_robot_on_two_simulated_exchanges(tmp_path: Path) -> None:
    for package in ("sse_starlette", "jinja2"):
        pytest.importorskip(package)
    with opened_browser() as browser, real_platform(tmp_path / "platform") as platform:
        platform.strategies.path.joinpath("waits.py").unlink()
        with served(platform) as url:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US", color_scheme="light")
            page.set_default_timeout(LONG_MS)
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.goto(url)
            page.fill("#password", "a password of tests")
            page.click("button.main")
            page.wait_for_selector("text=No robots yet")
            page.click("text=Upload a strategy, or take the one to begin with")
            page.click("button:has-text('New')")
            page.click("#fresh button.main")
            page.wait_for_selector(".toast")
            for name in ("Binance", "OKX"):
                page.goto(f"{url}/exchanges")
                page.select_option("#eid", name)
                page.click("text=Add a simulated one")
                page.wait_for_selector(".toast")
            page.goto(f"{url}/robots/new")
            page.select_option("#strategy", "prices.py")
            page.wait_for_selector("#name")
            page.fill("#name", "Prices of two exchanges")
            page.select_option("#exchange-rows select", label="Binance simulated (simulated)")
            page.click("text=Add an exchange")
            page.locator("#exchange-rows select").nth(1).select_option(label="OKX simulated (simulated)")
            picture(page, "platform-new-robot")
            page.click("text=Start the robot")
            page.wait_for_selector("#status-bar table td:has-text('OKX')")
            page.wait_for_selector("#figure-chart-0 .scatterlayer path.js-line")
            page.wait_for_selector("#pulse.on")
            page.wait_for_selector(".worth b", timeout=LONG_MS)
            picture(page, "platform-robot", 1700)
            page.goto(url)
            page.wait_for_selector(".worth b")
            picture(page, "platform-overview", 1000)
            page.goto(f"{url}/strategies/prices.py")
            picture(page, "platform-strategy")
            page.goto(url)
            page.click(".robots .name a")
            page.click("button:has-text('Stop')")
            page.click("#stop button.danger")
            page.wait_for_selector("#facts .badge.stopped")
            assert said == []
            page.close()
            platform.is_closing = True
        (robot,) = platform.lives.table.all()
        assert eventually(lambda: platform.lives.table.get(robot.id).phase == "stopped")
