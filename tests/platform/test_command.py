"""``fmzthreads platform`` as a user starts it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import requests

from fmzthreads.cli import main
from tests.helpers.runs import fmzthreads, started


@pytest.fixture(autouse=True)
def extra() -> None:
    for package in ("cryptography", "argon2", "starlette", "uvicorn"):
        pytest.importorskip(package)


def test_it_prints_a_password_once_and_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    """Slow because of three starts of an interpreter."""
    passwords = []
    for _ in range(2):
        with started("platform", "--port", "0", home=tmp_path) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("{"):
                    break
            passwords += [line for line in lines if line.startswith("password: ")]
            said = json.loads(lines[-1])
            assert said["url"].startswith("http://127.0.0.1:")
            assert requests.get(f"{said['url']}/healthz", timeout=60).json() == {"ok": True}
            assert requests.post(f"{said['url']}/api/v1", timeout=60).json() == {"code": 1, "data": None}
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert len(passwords) == 1
    folder = tmp_path / "platform"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "vault.key").stat().st_mode & 0o077 == 0
    assert passwords[0].split()[1].encode() not in (folder / "platform.sqlite3").read_bytes()
    done = fmzthreads("platform", "--new-api-key", "mine", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["access key", "secret key"]
    done = fmzthreads("platform", "--import-robot", str(tmp_path), home=tmp_path)
    assert done.returncode == 2
    assert "is not a run folder" in done.stderr
    done = fmzthreads("platform", "--reset-password", "owner", home=tmp_path)
    assert "password: " in done.stdout


def test_robots_are_stopped_also_by_a_signal_before_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended_early(*args: object, **options: object) -> int:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal had no handler")

    asked: list[float] = []
    monkeypatch.setattr("fmzthreads.platform.serving.serve", ended_early)
    monkeypatch.setattr("fmzthreads.platform.ending.stop_robots", lambda platform, seconds: asked.append(seconds))
    before = signal.getsignal(signal.SIGTERM)
    assert main(["platform", "--folder", str(tmp_path), "--port", "0", "--stop-robots", "7"]) == 0
    assert asked == [7.0]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--host", "0.0.0.0"], "can be reached by others"),
        (["--host", "example.com"], "can be reached by others"),
        (["--tls-cert", "x"], "go together"),
        (["--port", "70000"], "--port must be"),
        (["--reset-password", "nobody"], "no account 'nobody'"),
    ],
)
def test_what_does_not_fit_is_refused(
    words: list[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["platform", "--folder", str(tmp_path / "p"), *words]) == 2
    assert error in capsys.readouterr().err
