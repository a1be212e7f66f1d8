"""Without cryptography an Ed25519 key says how to install it, before anything is sent."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from fmzthreads.errors import MissingExtra
from fmzthreads.exchange.keys import signing

PEM = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----"


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def absent(name: str, *more: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return load(name, *more)

    monkeypatch.setattr(importlib, "import_module", absent)
    signing._ed25519_key.cache_clear()
    with pytest.raises(MissingExtra, match=r"fmzthreads\[crypto\]"):
        signing.ed25519_base64(PEM, b"")
