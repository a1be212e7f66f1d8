"""Config files, options of both sources, exchange names, and keys in files."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import InputError
from fmzthreads.runner.config import merged, read_config
from fmzthreads.runner.key_files import key_text
from fmzthreads.runner.options import ExchangeSpec
from fmzthreads.strategy.log.reader import LogReader
from fmzthreads.strategy.program.command_options import argument_of
from tests.helpers.runs import fmzthreads

TEXT = """
name = "grid"
seconds = 5
templates = ["lib.py"]
meta = "level 2"
[args]
amount = 0.5
[template_args.lib]
n = 1
[[exchanges]]
name = "Binance"
currency = "BTC_USDT"
key_file = "keys/a"
[[exchanges]]
name = "OKX"
currency = "ETH_USDT"
label = "second"
secret_key = "file:///okx.txt"
options = { simulated = true }
"""


def config(tmp_path: Path, text: str, mode: int = 0o644) -> dict[str, Any]:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return read_config(path)


def test_every_key_is_read_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    found = config(tmp_path, TEXT)
    assert found["templates"] == (tmp_path / "lib.py",)
    assert [spec.name for spec in found["exchanges"]] == ["Binance", "OKX"]
    assert found["exchanges"][0].key_file == str(tmp_path / "keys" / "a")
    assert found["exchanges"][1].options == {"simulated": True}
    options = merged(
        {
            "file": Path("g.py"),
            "name": "",
            "args": {"amount": "7"},
            "template_args": {"lib": {"m": "2"}},
            "seconds": None,
        },
        found,
    )
    assert (options.name, options.args, options.seconds, options.meta) == ("grid", {"amount": "7"}, 5, "level 2")
    assert options.template_args == {"lib": {"n": 1, "m": "2"}}


def test_what_is_given_wins_over_the_file(tmp_path: Path) -> None:
    spec = ExchangeSpec.parse("OKX:BTC_USDT")
    options = merged(
        {"file": Path("g.py"), "name": "mine", "exchanges": (spec,), "seconds": 1.5}, config(tmp_path, TEXT)
    )
    assert (options.name, options.exchanges, options.seconds) == ("mine", (spec,), 1.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'x'", r"unknown key 'nmae'; did you mean 'name'"),
        ("seconds = 'long'", "seconds is 'long', expected a number"),
        ("seconds = true", "seconds is True, expected a number"),
        ("simulated = 1", "expected true or false"),
        ("templates = 'lib.py'", "expected a list"),
        ("args = 3", "expected a table"),
        ("template_args = { lib = 3 }", "template_args.lib is 3"),
        ("exchanges = [5]", "exchange 1 is 5"),
        ("exchanges = ['Binance']", "expected NAME:PAIR"),
        ("[[exchanges]]\nname = 'OKX'", "currency is missing"),
        ("[[exchanges]]\nname = 'OKX'\ncurency = 'x'", "unknown key 'curency'"),
        ("[[exchanges]]\nname = 'OKX'\ncurrency = 'B_U'\nperiod = '1m'", "period is '1m', expected a whole number"),
        ("x = ", "not TOML"),
        (f"meta = '{'m' * 191}'", "at most 190"),
    ],
)
def test_what_is_wrong_in_a_config_file_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        config(tmp_path, text)


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_config_file_with_keys_is_its_owners_and_its_errors_show_none(tmp_path: Path) -> None:
    text = "[[exchanges]]\nname = 'OKX'\ncurrency = 'B_U'\nsecret_key = 'hunter222'\n"
    with pytest.raises(InputError, match="mode 0644: others may read it") as caught:
        config(tmp_path, text)
    assert "hunter" not in str(caught.value)
    found = config(tmp_path, text, 0o600)
    assert found["exchanges"][0].secret_key == "hunter222"
    assert "hunter" not in repr(found)
    with pytest.raises(InputError) as caught:
        config(tmp_path, text.replace("'hunter222'", "['hunter222']"), 0o600)
    assert "hunter" not in str(caught.value)


def test_a_config_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no.toml.*FileNotFoundError"):
        read_config(tmp_path / "no.toml")


def test_exchanges_and_arguments_are_read() -> None:
    assert ExchangeSpec.parse("ccxt:kraken:BTC_USDT").name == "ccxt:kraken"
    for text in ("Binance", ":BTC_USDT", "Binance:BTC", "Binance:"):
        with pytest.raises(InputError, match="NAME:PAIR"):
            ExchangeSpec.parse(text)
    assert argument_of("a=1=2") == ("", "a", "1=2")
    assert argument_of("lib.a=") == ("lib", "a", "")
    for text in ("a", "=1", "a b=1"):
        with pytest.raises(InputError, match="NAME=VALUE"):
            argument_of(text)


# Keys in files


def test_a_key_file_of_the_run_folder_is_the_key(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "a.txt").write_text(" secret\n")
    assert key_text("file:///keys/a.txt", tmp_path) == "secret"
    assert key_text("file:///a.pem", tmp_path) == "file:///a.pem"  # another ending is the key itself
    assert key_text("plain", tmp_path) == "plain"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("file:////etc/a.txt", "must be relative and cannot contain"),
        ("file:///../a.txt", "must be relative and cannot contain"),
        ("file:///x/../../a.txt", "must be relative and cannot contain"),
        ("file:///C:/a.txt", "must be relative and cannot contain"),
        ("file:///no.txt", "read key file"),
        ("file:///link.txt", "escapes the robot directory"),
    ],
)
def test_a_key_file_elsewhere_is_refused(value: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(InputError, match=words) as caught:
        key_text(value, folder)
    assert "secret" not in str(caught.value)


def test_a_config_may_be_json(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        '{"name": "grid", "args": {"a": null}, "quiet": true, "run_id": 7, "memory_mb": 100, "open_files": 50}',
    )
    assert (found["name"], found["args"], found["quiet"], found["run_id"]) == ("grid", {"a": None}, True, 7)
    with pytest.raises(InputError, match=r"not JSON: line 1, column 10"):
        config(tmp_path, '{"name": ')
    with pytest.raises(InputError, match="quiet is 1, expected true or false"):
        config(tmp_path, '{"quiet": 1}')


def test_a_config_comes_from_standard_input_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"name": "Binance", "currency": "BTC_USDT", "access_key": "a", "secret_key": "b"}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps({"exchanges": [row]}).encode())))
    assert read_config(Path("-"))["exchanges"][0].secret_key == "b"


def test_a_quiet_run_prints_nothing_and_keeps_its_status(tmp_path: Path) -> None:
    file = tmp_path / "quiet.py"
    file.write_text(
        "def main():\n    Log('line', _G())\n    print('printed')\n    LogStatus('the last status')\n", "utf-8"
    )
    settings = tmp_path / "run.toml"
    settings.write_text('quiet = true\nrun_id = 42\n[[exchanges]]\nname = "Binance"\ncurrency = "BTC_USDT"\n', "utf-8")
    done = fmzthreads("run", str(file), "--config", str(settings), "--folder", str(tmp_path / "run"), home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "run" / "stdout.log").read_text("utf-8") == "printed\n"
    assert (tmp_path / "run" / "status.txt").read_text("utf-8") == "the last status"
    with LogReader(tmp_path / "run" / "strategy.sqlite3") as reader:
        assert reader.last(1)[0].text == "line 42"


@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX's")
def test_limits_of_a_run(tmp_path: Path) -> None:
    file = tmp_path / "limited.py"
    file.write_text(
        "import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_DATA))\n",
        "utf-8",
    )
    settings = tmp_path / "run.toml"
    settings.write_text("memory_mb = 3000\nopen_files = 77\n", "utf-8")
    done = fmzthreads("run", str(file), "--config", str(settings), home=tmp_path)
    assert done.stdout == f"(77, 77) ({3000 * 2**20}, {3000 * 2**20})\n", done.stderr
