"""What lies beside the pages' code is in the wheel, and what runs them in a container or as a service fits the command."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

import fmzthreads
from fmzthreads.cli import main
from tests.helpers.shared_data import ROOT

PACKAGES = ("fmzthreads.platform.pages", "fmzthreads.backtest.report")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_beside_the_code_is_package_data(package: str) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    globs = config["options.package_data"][package].split()
    folder = Path(fmzthreads.__file__).parent.joinpath(*package.split(".")[1:])
    listed = {file for pattern in globs for file in folder.glob(pattern)}
    found = {
        file
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"} and "__pycache__" not in file.parts
    }
    assert found
    assert found == listed


def test_the_container_and_the_unit_use_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvicorn")
    with pytest.raises(SystemExit):
        main(["platform", "--help"])
    known = capsys.readouterr().out
    for file in ("Dockerfile", "packaging/compose.yaml", "packaging/fmzthreads.service"):
        text = (ROOT / file).read_text("utf-8")
        words = {word.strip('",[]') for line in text.split("\n") if "platform" in line for word in line.split()}
        options = {word for word in words if word.startswith("--") and word not in {"--system", "--no-cache-dir"}}
        assert options, file
        assert {option for option in options if option not in known} == set(), file
    assert "USER 10001" in (ROOT / "Dockerfile").read_text("utf-8")
    assert "read_only: true" in (ROOT / "packaging" / "compose.yaml").read_text("utf-8")
