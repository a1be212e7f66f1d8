"""``fmzthreads.run_strategy``: a strategy within another program, which goes on afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import fmzthreads
from fmzthreads.errors import InputError
from fmzthreads.runner.launch import make_exchange
from fmzthreads.runner.options import ExchangeSpec
from fmzthreads.strategy.run.folder import RunFolder
from fmzthreads.strategy.runtime import Runtime, current


def test_it_runs_in_this_thread_and_leaves_the_process_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    (tmp_path / "lib.py").write_text("ext.add = lambda n: n + more\n")
    strategy = tmp_path / "bot.py"
    strategy.write_text(
        "from helper import double\nimport threading\ndef main():\n    Log(exchange, ext.add(double(n)), threading.current_thread() is threading.main_thread())\n    exit(5)\n"
    )
    before = (list(sys.path), sys.modules["__main__"], sys.stdout, current())
    outcome = fmzthreads.run_strategy(
        strategy, exchanges=[{"any": "object"}], args={"n": 4}, templates=[tmp_path / "lib.py"], template_args={"lib": {"more": 1}},
        folder=tmp_path / "run",
    )  # fmt: skip
    assert (outcome.code, outcome.reason) == (5, "ended by exit(5)")
    assert "{'any': 'object'} 9 True" in capsys.readouterr().out
    assert (list(sys.path), sys.modules["__main__"], sys.stdout, current()) == before
    record = RunFolder(tmp_path / "run").record()
    assert record is not None
    assert (record.state, record.code) == ("ended", 5)
    sys.modules.pop("helper", None)


def test_an_error_is_an_outcome_and_what_is_not_valid_raises(tmp_path: Path) -> None:
    strategy = tmp_path / "bot.py"
    strategy.write_text("def main():\n    raise ValueError('no')\n")
    outcome = fmzthreads.run_strategy(strategy, exchanges=[object()], folder=tmp_path / "run")
    assert (outcome.code, outcome.reason) == (1, "ValueError: no (bot.py, line 2)")
    assert Path(__file__).name not in outcome.traceback
    with pytest.raises(InputError, match="needs an exchange"):
        fmzthreads.run_strategy(strategy, folder=tmp_path / "run")
    with pytest.raises(InputError, match="expected one kind"):
        fmzthreads.run_strategy(strategy, exchanges=["Binance:BTC_USDT", object()], folder=tmp_path / "run")
    with pytest.raises(InputError, match="no simulated ones"):
        fmzthreads.run_strategy(strategy, exchanges=[object()], simulated=True, folder=tmp_path / "run")


def test_a_run_ends_after_its_seconds(tmp_path: Path) -> None:
    strategy = tmp_path / "bot.py"
    strategy.write_text("def main():\n    while True:\n        Sleep(60000)\n")
    outcome = fmzthreads.run_strategy(strategy, exchanges=[object()], folder=tmp_path / "run", seconds=0.05)
    assert (outcome.code, outcome.reason) == (0, "0.05 seconds are over")


def test_keys_of_an_exchange_come_from_files_of_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY", "SECRET_KEY", "PASSPHRASE", "BASE"):
        monkeypatch.delenv(f"FMZ_OKX_{name}", raising=False)
    (tmp_path / "okx.txt").write_text("topsecret\n")
    monkeypatch.setenv("FMZ_OKX_PASSPHRASE", "file:///okx.txt")
    runtime = Runtime(name="bot", console=False)
    spec = ExchangeSpec(
        name="OKX", currency="BTC_USDT", access_key="public1", secret_key="file:///okx.txt", label="two", period=300
    )
    with make_exchange(spec, runtime, tmp_path, {}) as exchange:
        assert (exchange.GetLabel(), exchange.GetPeriod()) == ("two", 300)
        assert exchange.HMAC("sha256", "hex", "x", "{{secretkey}}") == fmzthreads.Encode(
            "sha256", "raw", "hex", "x", "raw", "topsecret"
        )
        assert exchange.HMAC("sha256", "hex", "x", "{{passphrase}}") == exchange.HMAC(
            "sha256", "hex", "x", "{{secretkey}}"
        )
    with pytest.raises(InputError, match="read key file"):
        make_exchange(ExchangeSpec(name="OKX", currency="BTC_USDT", secret_key="file:///no.txt"), runtime, tmp_path, {})
    runtime.close()
