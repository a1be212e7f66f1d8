"""Marks for the tests of other people's clients, run unmodified: what they warn about and leave open is not ours."""

from __future__ import annotations

import pytest

__all__ = ["NOISY_LIBRARY"]

NOISY_LIBRARY = [
    pytest.mark.usefixtures("swept"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Its warnings are ignored, those at the end of its objects too."""
