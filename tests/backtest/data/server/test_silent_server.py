"""Ctrl-C while a data server is silent, in a process of its own."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BEGIN = 1_704_067_200_000
STRATEGY = """'''backtest
start: 2024-01-01 00:30:00
end: 2024-01-01 01:00:00
period: 1m
basePeriod: 1m
exchanges: EXCHANGES
'''
SCRIPTdef main():
    Log("before")
    exchange.GetTicker()
    exchanges[-1].GetTicker()
RUN"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def answered(listener: socket.socket, body: bytes) -> None:
    """Answers the next request, and closes the connection."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("script", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"])
@pytest.mark.parametrize("by", ["header", "variable", "feeder"])
def test_ctrl_c_ends_the_wait_for_a_server(
    tmp_path: Path, listener: socket.socket, by: str, begun: bytes, ignored: bool, script: bool
) -> None:
    """The report is printed without asking again; the server sees its one connection close, which is all that the test waits for."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    exchange = {"eid": "Binance", "currency": "BTC_USDT", **({"feeder": f"{url}/mine"} if by == "feeder" else {})}
    with started(
        tmp_path, [exchange], {"variable": url}.get(by, ""), url if by == "header" else "", ignored, script
    ) as process:
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(65536).startswith(b"GET ")
            connection.sendall(begun)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    whole = json.loads(output)
    assert [row[7] for row in whole["result"]["RuntimeLogs"]] == ["before"]
    assert [(state["name"], state["account"]) for state in whole["final"]] == [("Binance", None)]
    assert not select.select([listener], [], [], 0)[0], "the server was asked again"


def test_the_exchange_that_had_bars_keeps_its_account(tmp_path: Path, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    exchanges = [{"eid": "Binance", "currency": "BTC_USDT"}, {"eid": "OKX", "currency": "ETH_USDT"}]
    rows = [[BEGIN + row * 60_000, 100, 300, 50, 200, 7] for row in range(60)]
    bars = {
        "detail": {"quotePrecision": 2, "basePrecision": 5, "baseCurrency": "BTC", "quoteCurrency": "USDT"},
        "schema": ["time", "open", "high", "low", "close", "vol"],
        "data": rows,
    }
    with started(tmp_path, exchanges, url) as process:
        answered(listener, json.dumps(bars).encode())
        connection, _ = listener.accept()
        with connection:
            assert b"ETH_USDT" in connection.recv(65536)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    first, second = json.loads(output)["final"]
    assert first["account"]["Balance"] > 0
    assert (second["account"], second["assets"], second["openOrders"]) == (None, [], [])
    assert not select.select([listener], [], [], 0)[0], "the server was asked again"


@pytest.mark.parametrize("script", [False, True])
def test_what_failed_the_strategy_is_not_asked_for_again(tmp_path: Path, listener: socket.socket, script: bool) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with started(tmp_path, [{"eid": "Binance", "currency": "BTC_USDT"}], url, script=script) as process:
        answered(listener, b"no JSON")
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    whole = json.loads(output)
    assert "no JSON" in errors
    assert whole["result"]["RuntimeLogs"][0][7] == "before"
    assert [(state["name"], state["account"]) for state in whole["final"]] == [("Binance", None)]
    assert not select.select([listener], [], [], 0)[0], "the server was asked again"


def started(
    folder: Path, exchanges: object, variable: str = "", header: str = "", ignored: bool = False, script: bool = False
) -> subprocess.Popen[str]:
    """A backtest in a process of its own; with SIGINT ignored as a shell does for commands in the background."""
    path = folder / "strategy.py"
    text = STRATEGY.replace("EXCHANGES", json.dumps(exchanges))
    text = text.replace("'''\nSCRIPT", f"{f'dataServer: {header}' if header else ''}\n'''\nSCRIPT")
    path.write_text(
        text.replace("SCRIPT", "from fmz import *\ntask = VCtx()\n" if script else "").replace(
            "RUN", "main()\n" if script else ""
        )
    )
    environment = {**os.environ, "FMZTHREADS_HOME": str(folder / "home"), "DATASERVER": variable}
    former = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "fmzthreads", "backtest", str(path), "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, former)
