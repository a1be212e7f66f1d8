"""The listings of the tutorial in JavaScript, run unchanged by ``fmzthreads run --simulated``."""

from __future__ import annotations

import re

import pytest

from tests.helpers.runs import fmzthreads
from tests.helpers.shared_data import ROOT

pytest.importorskip("quickjs", reason="strategies in JavaScript need the extra js")
pytest.importorskip("uvicorn", reason="strategies run against the simulator, which needs the extra server")
pytestmark = pytest.mark.example

FOLDER = ROOT / "examples" / "tutorial_js"

# What each must have said, and the options with which it is run. The signed streams are run by test_signed_streams.py.
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    "01_first_strategy": ([], [r"Binance BTC_USDT last \d+"]),
    "02_market_data": ([], ["24 h high", r"latest trade .* \d{4}-\d\d-\d\d ", "of 300 seconds", "price step 0.01"]),
    "03_orders": ([], ["pending: true of 0.01", "open orders 1", r'CANCEL .*"Info":\{', "open orders now 0", r"sold at \d+.* changed by [1-9]"]),
    "04_side_by_side": ([], ["three calls took", r"a second wait is an error: routine \d+ already finished", "not waited for: true then true",
                             r"balances \[1000000,1000000\] bars 2"]),
    "05_events": ([], ["event Exchange_GetTicker of exchange 1", "nothing more: null"]),
    "06_websocket": ([], [r"bid \d+.* ask", "newest of what waits", "connection closed"]),
    "07_two_streams": ([], [r"Binance \d+.* OKX \d+.* difference"]),
    "08_http": ([], ["public: ", "status 404 header true", r"side by side: \[5,5\]", r'signed: \["BTC","ETH"\]', "raw text of the last reply: {}"]),
    "09_status_and_commands": ([], ["Account", r"\[Click\]", "done"]),
    "10_chart": ([], ["drawn 6 prices"]),
    "11_kept_values": ([], ["this is run 1 of robot true", r'\["n","low"\] rows 1', '"text":"kept"', "deleted: null"]),
    "12_moving_averages": (["--arg", "fast=2"], [r"fast \d+", r"rsi \d+"]),
    "13_stop": (["--seconds", "6"], ["main is left", "cancelled at the stop: true", "open 0"]),
    "14_rate_limit": ([], [r"answered \[true,true,false,false\]", "more than half a second: true"]),
    "15_encode": ([], ["698d54f0494528a7", "a signature of 64 digits true"]),
    "16_producer_and_worker": ([], ["produced 3 worked 3 spread true"]),
    "17_own_data": ([], [r"kept \d+ characters", r'at 1\d\d\d ms before: \{"level":2\}', "of another name: null"]),
    "18_event_frame": ([], [r"worth \d+ at \d+"]),
    "19_table_of_exchanges": ([], ["Exchanges", r"OKX +\d+", "rows 2"]),
}  # fmt: skip


def test_every_listing_is_expected_to_say_something() -> None:
    assert {path.stem for path in FOLDER.glob("[0-9]*.js")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_listing(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    options, patterns = EXPECTED[name]
    done = fmzthreads("run", str(FOLDER / f"{name}.js"), "--simulated", *options, home=tmp_path_factory.mktemp("home"))
    assert done.returncode == 0, done.stdout + done.stderr
    for pattern in patterns:
        assert re.search(pattern, done.stdout), f"{pattern!r} is not in:\n{done.stdout}"
    assert done.stderr == ""
