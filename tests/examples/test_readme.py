"""The README tells the truth: its blocks run, its script is the example, its commands exist, its table matches the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fmzthreads
from fmzthreads import Exchange
from tests.helpers.shared_data import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_ten_line_script_is_the_example() -> None:
    script = (ROOT / "examples" / "plain_script.py").read_text(encoding="utf-8")
    assert script in BLOCKS
    assert len(script.splitlines()) <= 10


@pytest.mark.example
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the README's blocks run against the simulator, which needs the extra server")
    script = tmp_path / f"block_{number}.py"
    script.write_text(BLOCKS[number], encoding="utf-8")
    command = [sys.executable, "-m", "fmzthreads", "sandbox", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "a block of the README said nothing"


def test_every_function_that_the_table_names_exists() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", README, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w.]+?)`", row)]
    assert len(names) > 40
    for name in names:
        owner, _, method = name.rpartition(".")
        assert hasattr(Exchange if owner == "exchange" else fmzthreads, method), name


def test_every_command_that_the_readme_types_exists() -> None:
    for command in sorted(set(re.findall(r"(?:python -m )?fmzthreads (demo|simulate|sandbox)\b", README))):
        done = subprocess.run(
            [sys.executable, "-m", "fmzthreads", command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert command in done.stdout
