"""``fmzthreads simulate`` and the simulator in a process of its own, as processes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from fmzthreads.errors import FmzError, InputError
from fmzthreads.simulator import SimulatorProcess
from fmzthreads.simulator.command import add_parser, run
from tests.helpers.shared_data import ROOT
from tests.helpers.simulators import free_session
from tests.helpers.threads import no_new_threads

pytest.importorskip("uvicorn", reason="a simulator that is to run needs the extra 'server'")

MODULE = [sys.executable, "-m", "fmzthreads.simulator"]


def simulate(*options: str, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*MODULE, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **kwargs,
    )


@pytest.mark.parametrize(("venue", "number"), [("binance", signal.SIGINT), ("okx", signal.SIGTERM)])
def test_one_line_of_json_and_a_clean_end(venue: str, number: signal.Signals) -> None:
    with simulate("--venue", venue, "--seed", "3", "--symbol", "ETH_USDT", "--balance", "USDT=5") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["venue"], said["symbols"], said["pid"]) == (venue, ["ETH_USDT"], process.pid)
        assert said["base_url"] == f"http://127.0.0.1:{said['port']}"
        assert said["key"]
        assert said["secret"]
        assert bool(said["passphrase"]) == (venue == "okx")
        with free_session() as session:
            state = session.get(f"{said['control_url']}/state", timeout=60).json()
        assert state["balances"] == {"USDT": {"free": "5", "frozen": "0"}}
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_given_port_and_faults_from_the_command_line() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = (
        "--venue",
        "binance",
        "--port",
        str(port),
        "--fault",
        "error_5xx=true@/api/v3/ping",
        "--latency-ms",
        "5",
        "--jitter-ms",
        "1",
    )
    with simulate(*options) as process, free_session() as session:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["port"] == port
        assert session.get(f"{said['base_url']}/api/v3/ping", timeout=60).status_code == 503
        assert session.get(f"{said['base_url']}/api/v3/time", timeout=60).status_code == 200
        on = session.get(f"{said['control_url']}/faults", timeout=60).json()["faults"]
        assert {"path": "*", "latency_ms": 5.0, "jitter_ms": 1.0} in on
        second = subprocess.run(
            [*MODULE, "--venue", "okx", "--port", str(port)], capture_output=True, text=True, cwd=ROOT, timeout=60
        )
        assert second.returncode == 2
        assert f"cannot listen on 127.0.0.1 port {port}" in second.stderr
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--venue", "bitmex"), "invalid choice: 'bitmex'"),
        ((), "--venue"),
        (("--venue", "okx", "--symbol", "BTC_USD"), "did you mean 'BTC_USDT'"),
        (("--venue", "okx", "--fault", "hangs=1"), "did you mean 'hang'"),
        (("--venue", "okx", "--fault", "hang"), "name=value"),
        (("--venue", "okx", "--balance", "USDT=lots"), "ASSET=AMOUNT"),
        (("--venue", "okx", "--balance", "USDT=-1"), "ASSET=AMOUNT"),
        (("--venue", "okx", "--data", "/does/not/exist.csv"), "cannot be read"),
        (("--venue", "okx", "--speed", "2"), "--speed is the pace of --data or --replay"),
        (("--venue", "okx", "--rate-scale", "-1"), "rate_scale"),
        (("--venue", "binance", "--weight-window-s", "0"), "weight_window_s"),
        (("--venue", "okx", "--host", "256.0.0.1"), "cannot listen on 256.0.0.1"),
    ],
)
def test_what_a_bad_option_gets(options: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    from fmzthreads.simulator.command import main

    try:
        code = main(options)
    except SystemExit as ended:
        code = int(str(ended.code))
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert text in captured.err


def test_a_missing_extra_is_named_with_its_install_line() -> None:
    script = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from fmzthreads.simulator.command import main\n"
        "sys.exit(main(['--venue', 'okx']))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == 2
    assert 'python -m pip install "fmzthreads[server]"' in ended.stderr


def test_it_plugs_into_a_command_line() -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["simulate", "--venue", "okx", "--speed", "2"])
    assert args.run is run
    with pytest.raises(InputError, match="--speed"):
        args.run(args)


def test_it_ends_with_its_standard_input() -> None:
    """What happens when the program that started it is killed."""
    with simulate("--venue", "okx", "--until-stdin-closes") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(60) == 0


# --- SimulatorProcess ---


def test_a_process_and_its_controls() -> None:
    with no_new_threads(grace_s=0):
        process = SimulatorProcess(
            "binance",
            seed=9,
            balances={"USDT": Decimal("12.5")},
            faults={"clock_offset_ms": -5000},
            weight_window_s=10,
        )
        with process, free_session() as session:
            assert process.pid != os.getpid()
            assert process.symbols == ("BTC_USDT", "ETH_USDT")
            assert len(process.key) == len(process.secret) == 64
            assert process.secret not in repr(process)
            assert process.state()["balances"]["USDT"] == {"free": "12.5", "frozen": "0"}
            limits = session.get(f"{process.base_url}/api/v3/exchangeInfo", timeout=60).json()["rateLimits"]
            assert [
                (limit["interval"], limit["intervalNum"])
                for limit in limits
                if limit["rateLimitType"] == "REQUEST_WEIGHT"
            ] == [("SECOND", 10)]
            on = process.set_faults("/api/v3/ping", error_5xx=True)["faults"]
            assert {"path": "/api/v3/ping", "error_5xx": True} in on
            assert {"path": "*", "clock_offset_ms": -5000} in on
            assert session.get(f"{process.base_url}/api/v3/ping", timeout=60).status_code == 503
            with pytest.raises(InputError, match="did you mean 'hang'"):
                process.set_faults(hnag=True)
            assert process.clear_faults()["faults"] == []
            assert session.get(f"{process.base_url}/api/v3/ping", timeout=60).status_code == 200
            with pytest.raises(InputError, match="seconds must be"):
                process.refuse_connections(0)
            process.refuse_connections(1.0)
            refused = False
            for _ in range(100_000):
                try:
                    process.state()
                except FmzError:
                    refused = True
                else:
                    if refused:
                        break
            assert refused
            with pytest.raises(FmzError, match="already running"):
                process.start()
            url = process.base_url
        process.stop()  # again has no effect
        with pytest.raises(requests.exceptions.ConnectionError), free_session() as session:
            session.get(f"{url}/api/v3/ping", timeout=60)


def test_a_process_replays_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text("".join(f"{1_670_889_600_000 + i * 60_000},17000,17010,16990,17005,3\n" for i in range(100)))
    with (
        SimulatorProcess("okx", data=file, speed=50, symbols=["BTC_USDT"], rate_scale=0) as process,
        free_session() as session,
    ):
        rows = session.get(f"{process.base_url}/api/v5/market/ticker?instId=BTC-USDT", timeout=60).json()["data"]
        assert abs(float(rows[0]["askPx"]) - 17000) < 150


def test_a_process_that_cannot_start_says_why() -> None:
    with no_new_threads(grace_s=0):
        with pytest.raises(InputError, match="no starting price for 'NO_PE'"):
            SimulatorProcess("okx", symbols=["NO_PE"]).start()
        process = SimulatorProcess("okx")
        with pytest.raises(FmzError, match="does not answer"):
            process.state()
