"""Where the real recordings lie, beside the project's checkout, and how a test skips without them."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["ROOT", "shared_data"]

ROOT = Path(__file__).resolve().parents[2]


def shared_data(relative: str) -> Path:
    """The path of a recording; skips the calling test, saying why, when it is not there."""
    path = ROOT.parent / "shared" / "data" / relative
    if not path.exists():
        pytest.skip(f"the recording {relative} is not beside this checkout")
    return path
