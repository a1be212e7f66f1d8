"""Backtests from the pages, run by the real command: the settings of the form are those that it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.backtest_runs import write_bars
from tests.helpers.page_platforms import EVIL, Client, PagePlatform
from tests.helpers.platforms import eventually

_STRATEGY = f'''"""config
[{{"name": "amount", "default": 1, "type": "number"}}, {{"name": "token", "type": "encrypted"}}]
"""


def main():
    for n in range(20):
        if n % 4 == 0:
            exchange.Buy(-1, 500)
        if n % 4 == 2:
            exchange.Sell(-1, amount)
        LogProfit(n)
        Log({EVIL!r})
        Sleep(60 * 60 * 1000 / 20)
'''


@pytest.fixture(scope="module")
def owner(pages: PagePlatform) -> Client:
    return pages.client()


def run(owner: Client, bars: Path, **changes: str) -> int:
    form = {
        "strategy": "tested.py", "start": "2024-01-01 00:00:00", "end": "2024-01-01 02:00:00", "period": "1m", "exchange": "Binance",
        "pair": "BTC_USDT", "balance": "10000", "stocks": "0", "fee_maker": "0.1", "fee_taker": "0.1", "data": str(bars),
        "arg.amount": "2", "arg.token": "very secret", **changes,
    }  # fmt: skip
    reply = owner.submit("/backtests/new", form)
    assert reply.status_code == 303, reply.text
    number = int(reply.headers["location"].rpartition("/")[2])
    eventually(lambda: owner.see(f"/backtests/{number}/progress.json").json()["state"] not in {"running", "waiting"})
    return number


def test_a_run_is_started_looked_at_and_compared(pages: PagePlatform, owner: Client, tmp_path: Path) -> None:
    owner.submit("/strategies", {"name": "tested.py", "text": _STRATEGY})
    bars = write_bars(tmp_path / "bars.csv")
    first, second = run(owner, bars), run(owner, bars, **{"arg.amount": "3"})
    page = owner.see(f"/backtests/{first}").text
    assert "Total return" not in page, "the report, which is shown there, begins with the figures"
    assert "Total return" in owner.see("/backtests").text
    reader = pages.client("bob")  # sees one robot, of another strategy
    assert "tested.py" not in reader.see("/backtests").text
    hidden = [f"/backtests/{first}", f"/backtests/{first}/report", f"/backtests/{first}/progress.json"]
    hidden.append(f"/backtests/compare?id={first}&id={second}")
    assert [reader.see(path).status_code for path in hidden] == [403] * 4
    assert "very secret" not in page
    assert f'src="/backtests/{first}/report"' in page
    report = owner.see(f"/backtests/{first}/report")
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert "<img src=x" not in report.text
    table = owner.see(f"/backtests/compare?id={first}&id={second}").text
    assert '<td class="number changed">2</td>' in table
    assert '<td class="number changed">3</td>' in table
    assert owner.see(f"/backtests/compare?id={first}").status_code == 400
    assert owner.submit(f"/backtests/{first}/stop").status_code == 303
    assert owner.see(f"/backtests/{first}").status_code == 404
    assert Client(pages.url).see(f"/backtests/{second}/report").status_code == 303


_TOOLS = '''"""config
[{"name": "factor", "default": 1, "type": "number"}, {"name": "password", "type": "encrypted"}]
"""
def scaled(x):
    return x * factor


ext.scaled = scaled
'''


def test_a_run_takes_templates_and_their_arguments(owner: Client, tmp_path: Path) -> None:
    owner.submit("/strategies", {"name": "with_tools.py", "text": "def main():\n    Log('scaled', ext.scaled(7))\n"})
    owner.submit("/strategies", {"name": "tools.py", "text": _TOOLS})
    page = owner.see("/backtests/new?strategy=with_tools.py&template=tools.py").text
    assert "<option selected>tools.py</option>" in page
    assert 'name="arg.tools.factor"' in page
    bars = write_bars(tmp_path / "bars.csv")
    chosen = {
        "strategy": "with_tools.py",
        "template": "tools.py",
        "arg.tools.factor": "6",
        "arg.tools.password": "very secret",
    }
    number = run(owner, bars, **chosen)
    page = owner.see(f"/backtests/{number}").text
    assert 'href="/backtests/new?strategy=with_tools.py&amp;template=tools.py"' in page
    assert "very secret" not in page
    assert "scaled 42" in owner.see(f"/backtests/{number}/report").text
    again = run(owner, bars, **{**chosen, "arg.tools.factor": "5"})
    table = owner.see(f"/backtests/compare?id={number}&id={again}").text
    assert '<td class="number changed">6</td>' in table
    assert "very secret" not in table
    wrong = owner.submit("/backtests/new", {**chosen, "arg.tools.factor": "many"})
    assert wrong.status_code == 400
    assert "factor is" in wrong.text
    assert '<input type="hidden" name="template" value="tools.py">' in wrong.text
    assert owner.submit("/backtests/new", {"strategy": "with_tools.py", "template": "with_tools.py"}).status_code == 400
    assert owner.submit("/backtests/new", {"strategy": "with_tools.py", "template": "gone.py"}).status_code == 400


def test_a_run_that_fails_says_why(owner: Client, tmp_path: Path) -> None:
    owner.submit("/strategies", {"name": "tested.py", "text": _STRATEGY})
    number = run(owner, tmp_path / "missing.csv")
    assert "missing.csv" in owner.see(f"/backtests/{number}").text
    assert owner.see(f"/backtests/{number}/report").status_code == 400
    reply = owner.submit("/backtests/new", {"strategy": "tested.py", "balance": "much"})
    assert reply.status_code == 400
    assert "balance is" in reply.text


_TWO = """'''backtest\nstart: 2024-01-01 00:00:00\nexchanges: [{"eid":"Binance","currency":"BTC_USDT"},{"eid":"OKX","currency":"ETH_USDT","balance":5000,"stocks":2}]\n'''
def main():
    Log(len(exchanges), exchanges[1].GetName(), exchanges[1].GetCurrency(), exchanges[1].GetAccount().Balance, exchanges[1].GetAccount().Stocks)
"""


def test_a_run_on_several_exchanges(pages: PagePlatform, owner: Client, tmp_path: Path) -> None:
    owner.submit("/strategies", {"name": "two.py", "text": _TWO})
    form = owner.see("/backtests/new?strategy=two.py").text
    assert ">OKX ETH_USDT 5000 2</textarea>" in form, "as its header says"
    fields = {"strategy": "two.py", "further": "OKX ETH_USDT 7000 3"}
    bars = write_bars(tmp_path / "bars.csv")
    number = run(owner, bars, data=f"Binance/BTC_USDT={bars}; OKX/ETH_USDT={bars}", **fields)
    report = owner.see(f"/backtests/{number}/report").text
    assert "2 OKX ETH_USDT 7000" in report, owner.see(f"/backtests/{number}").text[-2000:]


@pytest.mark.parametrize("line", ["OKX", "OKX ETH_USDT many", "OKX ETH_USDT 1 2 3"])
def test_a_further_exchange_that_is_none_is_said_plainly(owner: Client, line: str) -> None:
    owner.submit("/strategies", {"name": "two.py", "text": _TWO})
    reply = owner.submit("/backtests/new", {"strategy": "two.py", "further": line, "data": "x"})
    assert reply.status_code == 400
    assert "expected" in reply.text
