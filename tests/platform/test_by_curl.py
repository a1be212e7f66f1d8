"""The script that does by curl what FMZ's tutorial names, and a stop that cancels orders, on a simulated exchange."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fmzthreads.platform.robots.tables import LogFilter
from fmzthreads.platform.store.robot_table import RobotExchange
from tests.helpers.platforms import eventually, owner_of, real_platform, robot_settings, served
from tests.helpers.shared_data import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="robots are ended by POSIX signals")

QUOTES = """\
def main():
    price = exchange.GetTicker().Last
    for n in range(3):
        exchange.Buy(price * 0.7, 0.01)
    Log("placed")
    while True:
        Sleep(50)
"""


def test_a_robots_life_by_curl(tmp_path: Path) -> None:
    """Slow because of two starts of a robot and its simulated exchange."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with real_platform(tmp_path) as platform, served(platform) as url:
        account = platform.exchanges.create("Binance", "play", simulated=True)
        key, secret = platform.api_keys.create(1)
        strategy = platform.strategies.find("waits.py").id
        done = subprocess.run(
            ["sh", str(ROOT / "examples" / "platform_by_curl.sh"), str(strategy), str(account.id), "BTC_USDT"],
            env={
                **os.environ,
                "URL": f"{url}/api/v1",
                "ACCESS_KEY": key.access_key,
                "SECRET_KEY": secret,
                "no_proxy": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shown = done.stdout
        replies = re.findall(r"== (\w+) .*\n(.*)", shown)
        assert [name for name, _ in replies] == [
            "NewRobot", "GetRobotList", "GetRobotLogs", "CommandRobot", "StopRobot", "RestartRobot", "StopRobot", "DeleteRobot",
        ]  # fmt: skip
        results = [json.loads(reply)["data"]["result"] for _, reply in replies]
        assert results[0] == 1
        assert results[1]["all"] == 1
        assert "began with 3" in [row[6] for row in results[2]["logs"][0]["Arr"]]
        assert results[3:] == [True, 2, 1, 2, 0]
        assert platform.lives.table.all() == []
        assert not list((tmp_path / "logs" / "storage").iterdir())


def test_a_stop_cancels_the_orders_that_the_robot_placed(tmp_path: Path) -> None:
    """Slow because of a robot and its simulated exchange."""
    with real_platform(tmp_path) as platform:
        owner = owner_of(platform)
        account = platform.exchanges.create("Binance", "play", simulated=True)
        number = platform.strategies.write(owner, "quotes.py", QUOTES).id
        pairs = (RobotExchange(pair="BTC_USDT", pid=account.id),)
        robot = platform.lives.create(owner, robot_settings(platform, strategy_id=number, args=(), exchanges=pairs))
        eventually(lambda: any(row.text == "placed" for row in platform.reader.log(owner, robot).rows))
        platform.lives.stop(owner, robot, cancel=True)
        eventually(lambda: platform.lives.table.get(robot).phase == "stopped")
        assert platform.reader.log(owner, robot, wanted=LogFilter(kinds=(0,))).total == 3
        cancelled = platform.reader.log(owner, robot, wanted=LogFilter(kinds=(2,)))
        assert [row.text for row in cancelled.rows] == ["cancelled at the stop"] * 3
