"""Autobahn's fuzzing server against ``Dial``: the cases without performance and compression (not 9.*, 12.*, 13.*).

It needs ``wstest`` of autobahntestsuite 0.8.2, which runs under CPython 2.7 only: name it in the variable AUTOBAHN_WSTEST, or have it on
the path. The report's cases must all be OK, NON-STRICT or INFORMATIONAL.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.streams import Dial
from fmzthreads.streams.connection import Connection
from fmzthreads.streams.websocket import handshake

WSTEST = os.environ.get("AUTOBAHN_WSTEST") or shutil.which("wstest")

pytestmark = [
    pytest.mark.stress,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        WSTEST is None, reason="no wstest: autobahntestsuite 0.8.2 under CPython 2.7; set AUTOBAHN_WSTEST"
    ),
]


def dial(url: str) -> Connection:
    client = Dial(url, overflow="block", errors="raise")
    assert isinstance(client, Connection)
    return client


def dial_patiently(url: str) -> Connection:
    """Dials until the process behind the address has come up."""
    for _ in range(200):
        client = Dial(url, overflow="block")
        if isinstance(client, Connection):
            return client
        WallClock().sleep(0.1)
    raise AssertionError("the fuzzing server does not answer")


def echo(url: str) -> None:
    with dial(url) as client:
        for message in client:
            client.write(message)


def test_autobahn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An echo must keep the type of a frame, which FMZ's rule (str where it is valid UTF-8) does not.
    monkeypatch.setattr(handshake, "text_or_bytes", bytes)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"ws://127.0.0.1:{port}"
    spec = tmp_path / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "url": url,
                "outdir": str(tmp_path / "reports"),
                "cases": ["*"],
                "exclude-cases": ["9.*", "12.*", "13.*"],
                "exclude-agent-cases": {},
            }
        )
    )
    assert WSTEST is not None
    log = (tmp_path / "log").open("w")
    command = [WSTEST, "-m", "fuzzingserver", "-s", str(spec)]
    with log, subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path) as server:
        try:
            with dial_patiently(f"{url}/getCaseCount") as client:
                count = int(client.read(20_000) or 0)
            assert count > 200
            for number in range(1, count + 1):
                echo(f"{url}/runCase?case={number}&agent=fmzthreads")
            echo(f"{url}/updateReports?agent=fmzthreads")
        finally:
            server.terminate()
            server.wait(20)
    results = json.loads((tmp_path / "reports" / "index.json").read_text())["fmzthreads"]
    assert len(results) == count
    passed = {"OK", "NON-STRICT", "INFORMATIONAL"}
    failed = {
        name: (result["behavior"], result["behaviorClose"])
        for name, result in results.items()
        if result["behavior"] not in passed or result["behaviorClose"] not in passed
    }
    print(json.dumps({"cases": count, "failed": failed}))
    print([name for name, result in results.items() if result["behavior"] == "NON-STRICT"])
    assert not failed
