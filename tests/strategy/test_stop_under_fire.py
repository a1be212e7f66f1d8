"""No order but ``onexit``'s own leaves after a stop, whatever the other threads of the strategy do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a process here")


def _stops(rounds: int, seed: int, home: Path) -> dict[str, Any]:
    pytest.importorskip("starlette", reason="the simulator needs the extra server")
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.stop_under_fire", str(rounds), str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FMZTHREADS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_eight_stops(tmp_path: Path) -> None:
    # Several seconds: each stop needs a strategy that has come to full speed.
    told = _stops(8, 1, tmp_path)
    assert told["faults"] == []
    assert told["stops"] == 8
    assert told["in flight at the stop"] > 0, "some orders were being sent when the stop came"
    assert told["stops swallowed"] > 8 * 10


@pytest.mark.stress
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_stops_in_each_of_five_processes(tmp_path: Path, seed: int) -> None:
    told = _stops(100, 100 + seed, tmp_path)
    assert (told["faults"], told["stops"]) == ([], 100)
