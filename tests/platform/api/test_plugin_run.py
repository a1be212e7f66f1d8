"""``PluginRun``: scripts of the caller in a process of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import InputError, OperationFailed
from fmzthreads.platform.api import plugin_run as module
from fmzthreads.platform.service import Platform
from tests.helpers.platforms import fake_platform, owner_of


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with fake_platform(tmp_path) as (made, _):
        yield made


def run(platform: Platform, **settings: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(module.plugin_run(platform, owner_of(platform), {"settings": settings}))
    return reply


def test_python_with_logs_and_a_result(platform: Platform) -> None:
    source = 'def main():\n    Log("hello", amount)\n    return {"n": amount * 2, "text": "你"}\n'
    reply = run(platform, source=source, args=[["amount", 21]])
    assert json.loads(reply["result"]) == {"n": 42, "text": "你"}
    assert [(row["LogType"], row["Extra"]) for row in reply["logs"]] == [(5, "hello 21")]
    assert set(reply["logs"][0]) == {
        "PlatformId", "OrderId", "LogType", "Price", "Amount", "Extra", "Currency", "Instrument", "Direction", "Time",
    }  # fmt: skip


def test_javascript_is_the_usual_language(platform: Platform) -> None:
    pytest.importorskip("quickjs")
    reply = run(platform, source="function main() { Log('hi'); return [1, 2]; }")
    assert (reply["result"], [row["Extra"] for row in reply["logs"]]) == ("[1,2]", ["hi"])


def test_a_script_that_fails_shows_its_own_lines(platform: Platform) -> None:
    reply = run(platform, source="def main():\n    return 1 / 0\n")
    assert reply["result"] == ""
    assert "ZeroDivisionError" in reply["logs"][0]["Extra"]
    assert "line 2" in reply["logs"][0]["Extra"]
    assert "/tmp" not in reply["logs"][0]["Extra"]
    with pytest.raises(InputError, match="line 1"):
        run(platform, source="def main(:\n", language="Python")


def test_a_script_that_takes_too_long_is_killed(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_S", 0.5)
    with pytest.raises(OperationFailed, match="was killed"):
        run(platform, source="def main():\n    while True: pass\n")


def test_what_is_not_valid_is_refused(platform: Platform) -> None:
    for settings in (
        {},
        {"source": 7},
        {"strategy": 99},
        {"source": "def main(): pass", "args": {"a": 1}},
        {"source": "x" * 1_000_001},
    ):
        with pytest.raises(InputError):
            run(platform, **settings)


def test_four_scripts_run_at_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(module._turns.acquire(blocking=False) for _ in range(4))
    try:
        with pytest.raises(OperationFailed, match="four scripts"):
            run(platform, source="def main(): pass")
    finally:
        module._turns.release(4)
