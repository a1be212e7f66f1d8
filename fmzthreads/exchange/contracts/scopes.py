"""Kinds of contracts, such as ``USDT.swap``: what a list call without a symbol is about."""

from __future__ import annotations

__all__ = ["is_scope", "kind_of", "scope_includes", "scope_of"]

PERPETUAL = "swap"


def kind_of(code: str) -> str:
    """``swap`` for a perpetual contract's code, ``futures`` for one with a delivery."""
    return PERPETUAL if code == PERPETUAL else "futures"


def is_scope(symbol: str) -> bool:
    """Whether it is a kind of contracts (``USDT.swap``), not a symbol (``BTC_USDT.swap``)."""
    head, dot, _ = symbol.partition(".")
    return bool(dot) and "_" not in head


def scope_of(pair: str, code: str) -> str:
    """The kind of a contract: ``USDT.swap`` of ``BTC_USDT`` and ``swap``."""
    return f"{pair.rpartition('_')[2]}.{kind_of(code)}"


def scope_includes(scope: str | None, symbol: str) -> bool:
    """Whether a symbol is meant by a scope: None for all, a kind of contracts, or one symbol."""
    if scope is None or scope == symbol:
        return True
    pair, _, code = symbol.partition(".")
    return is_scope(scope) and scope == scope_of(pair, code)
