"""A platform for tests of its pages: robots whose folders are filled, whose texts all try to break out, and a client that logs in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from fmzthreads.charts.points import ChartConfig, ChartPoint
from fmzthreads.exchange.holdings import HoldingsSample, SeenMoney, SeenPosition
from fmzthreads.platform.nodes.node import ProcessLook
from fmzthreads.platform.service import Platform
from fmzthreads.strategy.log.lines import Kind, Line, ProfitPoint
from fmzthreads.strategy.log.log_database import DatabaseSink
from tests.helpers.platforms import FakeNode, fake_platform, owner_of, robot_settings, served

__all__ = ["EVIL", "NOW_MS", "PASSWORD", "Client", "PagePlatform", "fill_log", "page_platform"]

PASSWORD = "a password of tests"
EVIL = "</script></textarea><img src=x onerror=\"document.title='owned'\">"
NOW_MS = 1_764_000_000_000
_GRID = '''"""A grid."""
"""config
[{"name": "levels", "label": "中文|Levels", "description": "<b>how many</b>", "default": 5, "type": "number", "min": 1, "max": 50, "step": 1},
 {"name": "share", "default": 0.5, "type": "number", "component": "slider", "min": 0, "max": 1, "step": 0.1},
 {"name": "mode", "type": "selected", "options": ["maker", "taker"], "default": 0},
 {"name": "many", "type": "selected", "multiple": true, "options": [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}], "default": ["a"]},
 {"name": "useStop", "label": "Use a stop", "type": "boolean", "default": false, "group": "Risk"},
 {"name": "stop", "type": "number", "default": 50000, "filter": "useStop && mode == 1", "required": true, "group": "Risk"},
 {"name": "color", "type": "string", "component": "color", "default": "#ff8800"},
 {"name": "begin", "type": "string", "component": "date", "default": "2026-01-01 00:00:00"},
 {"name": "token", "type": "encrypted"}]
"""


def main():
    pass
'''


def fill_log(platform: Platform, robot: int, count: int, *, text: str = "line", first: int = 1) -> None:
    """Writes lines to a robot's log, numbered from ``first`` on, as the robot itself would."""
    folder = platform.lives.run_folder(robot)
    folder.path.mkdir(parents=True, exist_ok=True)
    sink = DatabaseSink(folder.database)
    sink.write(
        [Line(number=n, time_ms=NOW_MS + n, kind="log", text=f"{text} {n}") for n in range(first, first + count)]
    )
    sink.close()


def _fill(platform: Platform, robot: int, *, charts: bool) -> None:
    folder = platform.lives.run_folder(robot)
    folder.path.mkdir(parents=True, exist_ok=True)
    kinds: tuple[Kind, ...] = ("buy", "sell", "cancel", "error", "profit", "log", "restart")
    lines = [
        Line(number=n + 1, time_ms=NOW_MS + n, kind=kind, text=f"{kind} {EVIL}", color="#00aa00" if n % 2 else "", label=EVIL, symbol=EVIL,
             order_id=EVIL, price=-1.0, amount=2.0)
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    series = [{"name": EVIL, "data": []}, {"name": "second", "type": "column", "data": []}]
    points = [ChartPoint(n + 1, n % 2, json.dumps([NOW_MS + n * 60_000, n]), NOW_MS) for n in range(40)]
    sink = DatabaseSink(folder.database)
    sink.write(lines)
    if charts:
        sink.write([Line(number=8, time_ms=NOW_MS, kind="log", text="for its owner only", private=True)])
        profits = [ProfitPoint(NOW_MS + n * 60_000, float(n)) for n in range(20)]
        held = SeenMoney(
            account="Binance:1", wallet="spot", currency="BTC", amount=2.0, quote="USDT", price=60_500.0, time_ms=NOW_MS
        )
        contract = SeenPosition(
            account="OKX:2", symbol=f"BTC_USDT.{EVIL}", amount=-3.0, price=60_000.0, profit=-12.5, time_ms=NOW_MS
        )
        sink.write([HoldingsSample(NOW_MS, (held,), (contract,))])
        sink.write([*profits, ChartConfig(json.dumps([{"title": {"text": EVIL}, "series": series}])), *points])
    sink.close()
    (folder.path / "stdout.log").write_text(EVIL)


def _status() -> str:
    button = {"type": "button", "name": f"Go {EVIL}", "cmd": "go", "description": EVIL}
    asks = {
        "type": "button",
        "name": "Limit",
        "cmd": "limit",
        "input": {"type": "number", "name": "value", "label": EVIL, "default": 7},
    }
    group = [
        {"type": "selected", "name": "side", "label": "Side", "options": ["long", "short"], "default": 1},
        {"type": "boolean", "name": "post", "label": "Post", "default": True},
        {"type": "number", "name": "size", "label": "Size", "default": 2, "filter": "post"},
    ]
    opens = {"type": "button", "name": "Order", "cmd": "order", "group": group}
    first = {"type": "table", "title": f"One {EVIL}", "cols": ["a", EVIL], "rows": [["x #ff0000", EVIL], [button, "y"]]}
    second = {"type": "table", "title": "Two", "cols": ["a"], "rows": [[asks], [opens]]}
    return f"status {EVIL}\n`{json.dumps([first, second])}`"


class PagePlatform:
    """A platform that is served, with a robot that runs (1), one that was stopped (2), and one that failed (3)."""

    def __init__(self, platform: Platform, node: FakeNode, url: str) -> None:
        self.platform = platform
        self.node = node
        self.url = url

    def client(self, name: str = "owner", password: str = PASSWORD) -> Client:
        """A client that is logged in."""
        client = Client(self.url)
        assert client.log_in(name, password).status_code == 303
        return client


class Client(requests.Session):
    """A browser's behaviour in short: keeps cookies, says where a change comes from, follows no redirect."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.trust_env = False
        self.headers.update({"accept": "text/html", "origin": url})

    def __reduce__(self) -> Any:
        raise TypeError("not to be copied")

    def see(self, path: str, **more: Any) -> requests.Response:
        """Asks for a page."""
        return self.get(self.url + path, allow_redirects=False, timeout=60, **more)

    def submit(self, path: str, data: Any = None, **more: Any) -> requests.Response:
        """Sends a form."""
        return self.post(self.url + path, data=data or {}, allow_redirects=False, timeout=60, **more)

    def log_in(self, name: str, password: str, **more: str) -> requests.Response:
        """Sends the form of the login."""
        return self.submit("/login", {"name": name, "password": password, **more})


@contextmanager
def page_platform(folder: Path) -> Iterator[PagePlatform]:
    """The platform, served on the loopback in this process."""
    for package in ("sse_starlette", "jinja2"):
        pytest.importorskip(package)
    with fake_platform(folder) as (platform, node):
        actor = owner_of(platform)
        for name in ("ann", "bob"):
            platform.accounts.create(name, PASSWORD, "operator" if name == "ann" else "reader", frozenset({1}))
        platform.strategies.write(actor, "grid.py", _GRID, "first")
        platform.strategies.write(actor, "grid.py", _GRID.replace("A grid", "A louder grid"), EVIL)
        platform.exchanges.create("OKX", f"sim {EVIL}", simulated=True)
        platform.groups.create(f"group {EVIL}")
        for name in (f"runs {EVIL}", "stopped", "failed"):
            args = (("amount", EVIL),)
            number = platform.lives.create(
                actor, robot_settings(platform, name=name, args=args, group_id=1 if name[0] == "r" else 0)
            )
            _fill(platform, number, charts=name == "failed")
        node.replies |= {"status": _status(), "stage": "onexit"}
        for number, code in ((2, 0), (3, 1)):
            platform.lives.table.update(number, asked_ms=1 if code == 0 else 0)
            node.looks[platform.lives.table.get(number).handle] = ProcessLook(
                alive=False, code=code, reason=f"why {EVIL}"
            )
            with platform.lives.alone(number):
                platform.lives.settle(platform.lives.table.get(number))
        with served(platform) as url:
            try:
                yield PagePlatform(platform, node, url)
            finally:
                platform.is_closing = True  # streams end
