"""What ``fmzthreads.simulator`` exports, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import fmzthreads.simulator as simulator
from tests.helpers.shared_data import ROOT


def test_every_exported_name_is_the_class_of_its_module() -> None:
    assert simulator.__all__ == sorted(simulator.__all__)
    for name in simulator.__all__:
        assert getattr(simulator, name).__name__ == name
        assert name in dir(simulator)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="SimulatorServr"):
        _ = simulator.SimulatorServr  # type: ignore[attr-defined]


def test_importing_the_package_imports_no_extra_and_none_of_its_modules() -> None:
    code = (
        "import json, sys\n"
        "import fmzthreads.simulator\n"
        "print(json.dumps([name for name in sys.modules if name.partition('.')[0] in ('starlette', 'uvicorn')\n"
        "                  or name.startswith('fmzthreads.simulator.')]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == []
