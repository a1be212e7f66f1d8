"""The report page of a long backtest: how large its data are, and how long chromium takes to draw it.

Run ``python benchmarks/backtest_report.py [--bars 3000000] [--rounds 3]``. It needs the extras ``plot`` and playwright, and chromium (or what FMZTHREADS_CHROMIUM names). The
strategy trades twice a day, notes its profit each day, and draws a chart of its own with a point an hour. "data" is the page less plotly's script. Four times
are printed, of a fresh page each:

- the first screen: from the start of the navigation to the frame in which the browser has painted what is on the screen, charts included;
- the last chart, nobody scrolling: from the page's address to the moment when the driver sees that all charts are there (the figure of earlier versions);
- scrolled through: from the start of the navigation, with a scroll by a screen as soon as the charts on this one are painted, to the last of them;
- the processor time of the page's main thread until all is drawn, which says more on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
from backtest import START

from fmzthreads.backtest.report.plotly_script import plotly_script

STRATEGY = """'''backtest
period: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000000}]
'''
def main():
    chart = Chart({"title": {"text": "price"}, "xAxis": {"type": "datetime"}, "series": [{"name": "price", "data": []}]})
    hour = 0
    while True:
        ticker = exchange.GetTicker()
        chart.add(0, [ticker.Time, ticker.Last])
        if hour % 24 == 0:
            exchange.Buy(-1, 20000)
            LogProfit(exchange.GetAccount().Balance - 10000000)
        elif hour % 24 == 12:
            exchange.Sell(-1, min(1, exchange.GetAccount().Stocks))
        hour += 1
        Sleep(3600000)
"""
_PATTERN = 50_000
_PATIENCE_MS = 300_000


def write_long(path: Path, count: int) -> None:
    """One-minute bars of a random walk that repeats, on a slope."""
    rng = random.Random(5)
    price, rows = 20_000.0, []
    for _ in range(_PATTERN):
        close = price * (1 + rng.gauss(0, 3e-4))
        rows.append((price, max(price, close) * 1.0002, min(price, close) * 0.9998, close))
        price = close
    with path.open("w") as file:
        file.write("time,open,high,low,close,volume\n")
        for number in range(count):
            scale = 1 + 0.2 * number / count
            shown = ",".join(f"{value * scale:.2f}" for value in rows[number % _PATTERN])
            file.write(f"{START + 60_000 * number},{shown},1.5\n")


_SCROLLED = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const isMissing = (chart) => {
    const place = chart.getBoundingClientRect();
    return place.bottom > 0 && place.top < innerHeight && !chart.querySelector(".main-svg");
  };
  const charts = [...document.querySelectorAll(".chart")];
  for (;;) {
    while (charts.some(isMissing)) await frame();
    await frame();
    const before = scrollY;
    scrollBy({ top: innerHeight, behavior: "instant" });
    await frame();
    if (scrollY === before && !charts.some(isMissing)) return [performance.now() / 1000, charts.every((one) => one.querySelector(".main-svg"))];
  }
}"""


@attrs.frozen
class Times:
    """Seconds of one page."""

    screen: float
    last: float
    scrolled: float
    processor: float


def drawn_s(page: Path, rounds: int) -> tuple[list[Times], str]:
    """The times of each round, and how many charts were drawn."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("FMZTHREADS_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    times, drawn = [], ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for _ in range(rounds):
            opened: Any = browser.new_page(viewport={"width": 1280, "height": 900})
            meter = opened.context.new_cdp_session(opened)
            meter.send("Performance.enable", {"timeDomain": "threadTicks"})
            begun = time.perf_counter()
            opened.goto(page.as_uri(), timeout=_PATIENCE_MS)
            opened.wait_for_selector("html[data-ready=yes]", state="attached", timeout=_PATIENCE_MS)
            last = time.perf_counter() - begun
            figures = {one["name"]: one["value"] for one in meter.send("Performance.getMetrics")["metrics"]}
            screen = opened.evaluate("performance.getEntriesByName('seen')[0].startTime") / 1000
            drawn = f"{opened.locator('html').get_attribute('data-drawn')} charts, {opened.locator('html').get_attribute('data-failed')} failed"
            opened.close()
            opened = browser.new_page(viewport={"width": 1280, "height": 900})
            opened.goto(page.as_uri(), timeout=_PATIENCE_MS, wait_until="commit")
            opened.wait_for_selector("html[data-seen=yes]", state="attached", timeout=_PATIENCE_MS)
            scrolled, whole = opened.evaluate(_SCROLLED)
            assert whole, "a chart is missing after scrolling"
            opened.close()
            times.append(Times(screen, last, scrolled, figures["TaskDuration"]))
        browser.close()
    return times, drawn


def main() -> None:
    """Runs the backtest, opens its page, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_long(folder / "bars.csv", args.bars)
        (folder / "strategy.py").write_text(STRATEGY)
        begun = time.perf_counter()
        command = ["backtest", "strategy.py", "--bars", "bars.csv", "--out", "out"]
        subprocess.run(
            [sys.executable, "-m", "fmzthreads", *command], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        print(f"{args.bars:,} bars: the backtest and its page took {time.perf_counter() - begun:.1f} s")
        page = folder / "out" / "report.html"
        size = page.stat().st_size
        script = len((plotly_script() or "").encode())
        print(
            f"the page {size / 1e6:.2f} MB, plotly's script {script / 1e6:.2f} MB, data {(size - script) / 1e6:.2f} MB"
        )
        times, drawn = drawn_s(page, args.rounds)
        median = {one.name: statistics.median(getattr(each, one.name) for each in times) for one in attrs.fields(Times)}
        print(
            f"the first screen painted after {median['screen']:.2f} s, the last chart there after {median['last']:.2f} s, "
            f"scrolled through after {median['scrolled']:.2f} s, {median['processor']:.2f} s of processor time: {drawn}"
        )


if __name__ == "__main__":
    main()
