from __future__ import annotations

import json
import random
import re
from array import array
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.config.settings import BacktestSettings, MarketDetail
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.metrics import BacktestFill, metrics_of
from fmzthreads.backtest.metrics.curves import Curve
from fmzthreads.backtest.metrics.monte_carlo import monte_carlo_of
from fmzthreads.backtest.report import page, write_page
from fmzthreads.backtest.report.account_charts import monthly_returns
from fmzthreads.backtest.report.log_rows import log_rows
from fmzthreads.backtest.report.page import MOST_BYTES, page_text
from tests.helpers.backtest_results import DAY, GOLDEN, account, golden_result, made_result, snapshot_row, spot_settings

SCRIPT = "window.Plotly = null;"
"""What stands for plotly's script where nothing is drawn."""


class Elements(HTMLParser):
    """Collects tags with their attributes, ids, and the text of the data's script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data, self._in_data = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_data = tag == "script" and dict(attrs).get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data

    @property
    def ids(self) -> set[str]:
        return {attrs["id"] or "" for _, attrs in self.tags if "id" in attrs}


def text_of(result: dict[str, Any], settings: BacktestSettings, script: str | None = SCRIPT, **more: Any) -> str:
    metrics = metrics_of(result, settings)
    metrics["monte_carlo"] = monte_carlo_of(result, settings, metrics, 20)
    return page_text(result, settings, metrics, script, **more)


def figures(text: str) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in json.loads(Elements(text).data)["figures"]}


def test_it_has_a_section_and_a_chart_of_everything() -> None:
    result, settings = made_result()
    found = Elements(text := text_of(result, settings, title="My strategy"))
    sections = {
        "equity",
        "figures",
        "prices",
        "held",
        "months",
        "distribution",
        "rolling-sharpe",
        "round-trips",
        "fees",
        "monte-carlo",
        "log",
    }
    assert sections <= found.ids
    drawn = set(figures(text))
    assert drawn == {
        "equity",
        "price-0",
        "positions",
        "returns",
        "rolling",
        "trips",
        "excursions",
        "costs",
        "block-bootstrap",
        "trade-shuffle",
    }
    assert {f"figure-{key}" for key in drawn} <= found.ids
    assert "<title>My strategy</title>" in text
    assert figures(text)["equity"]["scale_switch"]


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_cases_make_whole_pages(case: str, tmp_path: Path) -> None:
    result, settings = golden_result(case)
    path = tmp_path / "report.html"
    write_page(result, settings, metrics_of(result, settings), path, title=case)
    found = Elements(path.read_text("utf-8"))
    assert {"equity", "figures", "log"} <= found.ids
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_fills_stand_on_the_price_of_their_symbol() -> None:
    result, settings = made_result()
    price = figures(text_of(result, settings))["price-0"]
    names = {trace["name"]: trace for trace in price["data"]}
    orders = result["final"][0]["historyOrders"]
    bought = [order for order in orders if order["Type"] == 0]
    assert names["Bought"]["x"] == [order["Time"] for order in bought]
    assert names["Bought"]["y"] == pytest.approx([order["AvgPrice"] for order in bought], rel=1e-6)
    assert len(names["Sold"]["x"]) == len(orders) - len(bought)


def test_many_fills_are_thinned_and_counted() -> None:
    result, settings = made_result(20)
    fills = [
        BacktestFill(
            time_ms=settings.start_ms + n * 60_000, exchange=0, symbol="BTC_USDT", side="buy", price=100.0, amount=1
        )
        for n in range(20_000)
    ]
    text = text_of(result, settings, fills=fills)
    assert len(figures(text)["price-0"]["data"][1]["x"]) <= 1500
    assert "20,000 fills; of those that share a pixel column" in text


def test_two_exchanges_have_a_price_chart_each() -> None:
    settings = spot_settings(10, exchanges=2)
    rows = [
        snapshot_row(settings.start_ms + n * DAY, account(10_000, n, 100), account(10_000, -n, 101)) for n in range(11)
    ]
    text = text_of({"Snapshots": rows}, settings)
    assert {"price-0", "price-1", "positions"} <= set(figures(text))
    assert "<h3>Binance BTC_USDT</h3>" in text
    names = [trace["name"] for trace in figures(text)["positions"]["data"]]
    assert names == ["Binance BTC", "Binance BTC", "Utilization Binance", "Utilization Binance"]


def test_months() -> None:
    start = 1_704_067_200_000  # 2024-01-01
    curve = Curve([start, start + 15 * DAY, start + 31 * DAY, start + 40 * DAY], [100.0, 110.0, 121.0, 60.5])
    assert monthly_returns(curve) == [(2024, [pytest.approx(0.21), pytest.approx(-0.5)] + [None] * 10)]
    assert monthly_returns(Curve([start, start + 31 * DAY], [100.0, 110.0])) == [
        (2024, [pytest.approx(0.1)] + [None] * 11)
    ]


def test_an_empty_result_makes_a_page() -> None:
    settings = spot_settings(10)
    text = text_of({}, settings)
    assert "the result has no account snapshots" in text
    assert "The log is empty" in text
    assert "the result has no account snapshots" in text_of({}, settings, None)


# Without plotly


def test_without_plotly_there_are_tables_and_an_equity_curve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(page, "plotly_script", lambda: None)
    result, settings = made_result()
    write_page(result, settings, metrics_of(result, settings), tmp_path / "small.html")
    text = (tmp_path / "small.html").read_text("utf-8")
    found = Elements(text)
    assert text.count("<polyline") == 3
    assert "python -m pip install &quot;fmzthreads[plot]&quot;" in text
    assert {"equity", "figures", "round-trips", "log-view"} <= found.ids
    assert json.loads(found.data)["figures"] == []
    assert len(text) < 300_000


# What a strategy writes

EVIL = "</script></title></style><img src=x onerror=alert(1)><!--"


def test_nothing_that_a_strategy_writes_becomes_an_element() -> None:
    result, settings = made_result(40)
    result["Status"] = EVIL + "`" + json.dumps({"type": "table", "title": EVIL, "cols": [EVIL], "rows": [[EVIL]]}) + "`"
    config = {"title": {"text": EVIL}, "subtitle": {"text": EVIL}, "series": [{"name": EVIL, "color": EVIL}]}
    result["Chart"] = {"Cfg": json.dumps(config), "Datas": [[0, [settings.start_ms, 1]]]}
    result["RuntimeLogs"].append([999, settings.start_ms, 5, 0, EVIL, 0, 0, EVIL, EVIL, EVIL])
    result["final"][0]["historyOrders"][0]["Symbol"] = EVIL
    for script in (SCRIPT, None):
        text = text_of(result, settings, script, title=EVIL)
        found = Elements(text)
        assert EVIL not in text
        assert "img" not in {tag for tag, _ in found.tags}
        assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
        assert len([tag for tag, _ in found.tags if tag == "script"]) == (4 if script else 2)
        assert json.loads(found.data)["log"]["rows"][-1][6] == EVIL


def test_half_a_surrogate_pair_and_a_nul_can_be_written(tmp_path: Path) -> None:
    result, settings = made_result(20)
    result["RuntimeLogs"].append([999, settings.start_ms, 5, 0, "", 0, 0, "a\ud800b\x00", "", ""])
    write_page(result, settings, metrics_of(result, settings), tmp_path / "p.html", title="x\udfff")
    assert "a?b" in (tmp_path / "p.html").read_text("utf-8")


def test_only_its_own_scripts_may_run_and_nothing_may_be_loaded() -> None:
    result, settings = made_result(20)
    text = text_of(result, settings)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'sha256-")
    assert policy.count("'sha256-") == 3
    assert not [
        attrs for _, attrs in Elements(text).tags if str(attrs.get("src", attrs.get("href", "#")))[:1] not in "#d"
    ]


def test_rows_of_the_log_keep_their_colours_and_the_newest_are_kept() -> None:
    result, settings = made_result(20)
    result["RuntimeLogs"] += [[n, settings.start_ms, 5, 1, "", 0, 0, f"line {n} #00ff00", "", ""] for n in range(7000)]
    log = json.loads(Elements(text_of(result, settings)).data)["log"]
    assert log["rows"][-1][2] == "Binance"
    assert log["rows"][-1][6:] == ["line 6999", "", "", "#00ff00"]
    assert (len(log["rows"]), log["total"]) == (5000, len(result["RuntimeLogs"]))


def test_pictures_of_the_log_stand_beside_its_text() -> None:
    picture, other = "data:image/png;base64,AAAA", "data:image/svg+xml;base64,AAAA"
    texts = [f"pic `{picture}` #ff0000", other, f"{picture}{'A' * 300_000}", *([f"{picture}{'A' * 150_000}"] * 20)]
    rows = [[n, 0, 5, 0, "", 0, 0, text, "", ""] for n, text in enumerate(reversed(texts))]
    found = list(reversed(log_rows(rows, [])["rows"]))
    assert found[0][6:] == ["pic", "", "", "#ff0000", [picture]]
    assert found[1][6:] == [other, "", "", ""]
    assert found[2][6:] == ["[picture]", "", "", ""]
    shown = [row for row in found[3:] if len(row) == 11]
    assert 2 < len(shown) < 10  # the others do not fit
    assert all(row[6] == "[picture]" for row in found[3:] if len(row) == 10)
    assert sum(len(json.dumps(row)) for row in found) < 1_600_000


def test_long_logs_keep_to_their_size() -> None:
    result, settings = made_result(20)
    result["RuntimeLogs"] = [[n, settings.start_ms, 5, 0, "", 0, 0, "x" * 5000, "", ""] for n in range(5000)]
    log = json.loads(Elements(text_of(result, settings)).data)["log"]
    assert 500 < len(log["rows"]) < 1000
    assert len(log["rows"][0][6]) == 2000


# Size


def bars(count: int, start_ms: int) -> BarSeries:
    rng = random.Random(4)
    day = array("q", (1_000_000 + rng.randrange(-500, 501) for _ in range(10_000)))
    closes = (day * (count // len(day) + 1))[:count]
    closes[count // 2] = 5_000_000
    detail = MarketDetail(symbol="BTC_USDT", base_currency="BTC", quote_currency="USDT", quote_precision=2)
    times = array("q", range(start_ms, start_ms + count * 60_000, 60_000))
    return BarSeries(detail=detail, period_ms=60_000, time=times, open=closes, high=closes, low=closes, close=closes)


def test_three_million_bars_with_a_chart_of_each_fit_into_five_megabytes() -> None:
    """A strategy that runs for 5.7 years of minutes, looks at its account every four hours, and draws and logs all the while."""
    count = 3_000_000
    result, settings = made_result(count // 1440)
    start = settings.start_ms
    result["Snapshots"] = [
        snapshot_row(start + n * 14_400_000, account(10_000 + n % 97, n % 5, 100 + n % 31)) for n in range(count // 240)
    ]
    config = {"series": [{"name": f"s{n}"} for n in range(8)]}
    result["Chart"] = {
        "Cfg": json.dumps(config),
        "Datas": [[n % 8, [start + n * 60_000, n * 7919 % 1009 + 0.123456789]] for n in range(50_000)],
    }
    result["RuntimeLogs"] = [[n, start, 5, 0, "", 0, 0, "y" * 300, "", ""] for n in range(20_000)]
    text = text_of(result, settings, bars={(0, "BTC_USDT"): bars(count, start)})
    assert len(text.encode()) <= MOST_BYTES
    price = figures(text)["price-0"]["data"][0]
    assert 2000 < len(price["x"]) <= 4800
    assert max(price["y"]) == 50_000


def test_what_does_not_fit_is_thinned_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_BYTES", 400_000)
    result, settings = made_result(30)
    config = {"series": [{"name": f"s{n}"} for n in range(10)]}
    rows = [[n % 10, [settings.start_ms + n * 1000, n * 7919 % 100_003 + 0.123456]] for n in range(40_000)]
    result["Chart"] = {"Cfg": json.dumps(config), "Datas": rows}
    drawn = figures(text := text_of(result, settings))["chart-0"]["data"]
    assert len(Elements(text).data) <= 400_000
    assert len(drawn) == 10
    assert 200 <= len(drawn[0]["x"]) < 4000
