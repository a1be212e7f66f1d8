"""The report page of a long backtest: how large its data are, and how long chromium takes to draw it.

Run ``python benchmarks/backtest_report.py [--bars 3000000] [--rounds 3]``. It needs the extras ``plot`` and playwright, and chromium (or what FMZTHREADS_CHROMIUM names). The
strategy trades twice a day, notes its profit each day, and draws a chart of its own with a point an hour. "data" is the page less plotly's script;
"drawn" goes from the page's address to the moment when it says that all charts are there; the processor time is that of the page's main thread, which
says more on a busy machine.
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

from backtest import START

from fmzthreads.backtest.report.page import plotly_script

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


def drawn_s(page: Path, rounds: int) -> tuple[list[float], list[float], list[float], str]:
    """Seconds from the address to the charts on the screen and to the last chart, processor time of the page's main thread, and how many were drawn."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("FMZTHREADS_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    seen, outside, inside, drawn = [], [], [], ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for _ in range(rounds):
            opened: Any = browser.new_page(viewport={"width": 1280, "height": 900})
            meter = opened.context.new_cdp_session(opened)
            meter.send("Performance.enable", {"timeDomain": "threadTicks"})
            begun = time.perf_counter()
            opened.goto(page.as_uri())
            opened.wait_for_selector("html[data-seen=yes]", state="attached")
            seen.append(time.perf_counter() - begun)
            opened.wait_for_selector("html[data-ready=yes]", state="attached")
            outside.append(time.perf_counter() - begun)
            figures = {one["name"]: one["value"] for one in meter.send("Performance.getMetrics")["metrics"]}
            inside.append(figures["TaskDuration"])
            drawn = f"{opened.locator('html').get_attribute('data-drawn')} charts, {opened.locator('html').get_attribute('data-failed')} failed"
            opened.close()
        browser.close()
    return seen, outside, inside, drawn


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
        seen, outside, inside, drawn = drawn_s(page, args.rounds)
        print(
            f"what is on the screen drawn in {statistics.median(seen):.2f} s, all in {statistics.median(outside):.2f} s, "
            f"{statistics.median(inside):.2f} s of processor time: {drawn}"
        )


if __name__ == "__main__":
    main()
