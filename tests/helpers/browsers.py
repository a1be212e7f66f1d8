"""A real browser for tests: Debian's chromium, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["opened_browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def opened_browser() -> Iterator[Any]:
    """The browser; the test is skipped with the reason where there is none."""
    api = pytest.importorskip("playwright.sync_api")
    found = os.environ.get("FMZTHREADS_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no chromium was found (Debian: apt-get install chromium; or FMZTHREADS_CHROMIUM names it)")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()
