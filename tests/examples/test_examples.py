"""Every example runs to its end against the simulators, by the command a user would type."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers.runs import fmzthreads
from tests.helpers.shared_data import ROOT

pytest.importorskip("uvicorn", reason="the examples run against the simulator, which needs the extra server")
pytestmark = pytest.mark.example

# Strategies for backtests have a test of their own.
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.stem.startswith("backtest_"))

# What each example must have said, and how long it is told to run where it takes seconds.
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    "plain_script": ([], ["best bid", "is open: True", "cancelled: True"]),
    "go_and_wait": (
        [],
        ["balance", r"a result is given once: \(None, False\)", "failed: None True", "best ask"],
    ),
    "produce_and_work": ([], [r"turn 0 best spread", r"turn 4 best spread"]),
    "hedge_two_exchanges": (["4"], ["both exchanges answer", r"hedges \d+ profit -?\d"]),
    "hedge_two_markets": (["4"], ["both exchanges answer", r"hedges \d+ profit -?\d.* contracts -?\d"]),
    "two_streams": (
        [],
        [r"polling saw [1-9]\d* messages", r"the event loop saw [1-9]\d* messages", r"OKX \d+ received, 0 dropped"],
    ),
    "event_driven": (["5"], [r"looks [1-9]\d* trades \d+ waits without an event \d+\n"]),
    "signed_stream": (
        [],
        ["OKX order .* is live and it is ours: True", "Binance order .* is CANCELED and it is ours: True"],
    ),
    "stale_guard": (
        ["4"],
        [r"looks with a price [1-9]\d* .*confirmed by REST [1-9]\d* refused 0", "losses 0 state open"],
    ),
    "own_exchange": (
        [],
        [
            r"filled: 2\.0",
            r"eight calls at once: \{100\.0\}",
            r"cancelled: True left: 1198\.0",
            "too much: the plugin replied: not enough",
        ],
    ),
    "paper": (
        [],
        [
            r"bought 0\.00\d+ at",
            r"the resting order is (filled|open)",
            r"paid \d+(\.\d+)? USDT for 0\.00\d+ BTC",
            "too much: None .*insufficient balance",
        ],
    ),
    "funding_arbitrage": (
        [],
        [r"(waiting for a rate that pays|carrying 0\.02 coins)", r"turns 2 state .* payments 0\.0"],
    ),
    "guards": (
        [],
        [
            "sensible: BTCUSDT",
            "a zero too many: None .*max_order_value holds",
            "far from the book: None .*price_band holds",
            "orders of the last minute: 1",
            "killed: 1 open orders cancelled",
            "refused: None .*enough for today",
            "released: True",
        ],
    ),
    "stop_order_by_io": (
        [],
        ["by IO: NEW at", "cancelled by IO: success", "waiting: 1", "all cancelled: True", "positions left: 0"],
    ),
    "batch_orders_by_io": ([], ["0 -> NEW", "1 -> refused: .+", "2 -> NEW", "open: 2", "all cancelled: True open: 0"]),
    "hedge_swap_and_spot": ([], [r"both legs sent: \[True, True\]", "hedged: True", "every 8 hours", "closed: True"]),
    "market_maker": (["4"], [r"inventory -?\d.*open orders 0"]),
}


# A strategy in FMZ's form has parameters instead of arguments.
PARAMETERS = {"funding_arbitrage": ("--arg", "TURNS=2", "--arg", "EVERY_S=1")}


def simulated(
    script: Path, *arguments: str, home: Path, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    options += PARAMETERS.get(script.stem, ())
    return fmzthreads(
        "run", str(script), "--simulated", *options, *(["--", *arguments] if arguments else []), home=home
    )


def test_every_example_is_expected_to_say_something() -> None:
    assert {path.stem for path in EXAMPLES} == set(EXPECTED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, tmp_path: Path) -> None:
    arguments, patterns = EXPECTED[path.stem]
    done = simulated(path, *arguments, home=tmp_path)
    assert done.returncode == 0, done.stderr
    for pattern in patterns:
        assert re.search(pattern, done.stdout), f"{pattern!r} is not in:\n{done.stdout}"
    assert "Traceback" not in done.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["runs"], "an example left something behind"


FAULTS = {
    "latency": ["latency_ms=120", "jitter_ms=80"],
    "5xx": ["error_5xx=0.2"],
    "lost replies": ["lose_order_reply=0.5"],
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("fault", FAULTS)
def test_example_under_faults(path: Path, fault: str, tmp_path: Path) -> None:
    arguments, _ = EXPECTED[path.stem]
    options = [word for text in FAULTS[fault] for word in ("--fault", text)]
    done = simulated(path, *arguments, home=tmp_path, options=tuple(options))
    assert "Traceback" not in done.stderr, done.stderr
    # One that gives up says why in one line; most go on.
    assert done.returncode == 0 or re.fullmatch(r"no \w+.*: .+\n", done.stderr), (done.returncode, done.stderr)
    assert done.stdout.strip(), "it says what it saw"
