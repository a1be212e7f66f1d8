"""One platform for all tests of a module: its pages are looked at much more often than changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.page_platforms import PagePlatform, page_platform


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagePlatform]:
    """A platform that is served."""
    with page_platform(tmp_path_factory.mktemp("platform")) as found:
        yield found
