"""FMZ's calls of an exchange, by name: what does each, what it answers when it fails, how many arguments it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .operations import Operations

__all__ = ["CALLS", "LIMITED", "TAKES", "Call"]


class Call(NamedTuple):
    """What stands behind a method.

    Attributes:
        work: The method of ``Operations`` that does it.
        failure: What FMZ's form answers when it fails.
    """

    work: Callable[..., Any]
    failure: Any = None


CALLS: Mapping[str, Call] = MappingProxyType(
    {
        "GetTicker": Call(Operations.ticker),
        "GetTickers": Call(Operations.tickers),
        "GetDepth": Call(Operations.depth),
        "Subscribe": Call(Operations.subscribe),
        "Unsubscribe": Call(Operations.unsubscribe),
        "GetTrades": Call(Operations.trades),
        "GetRecords": Call(Operations.records),
        "GetMarkets": Call(Operations.markets),
        "GetAccount": Call(Operations.account),
        "GetAssets": Call(Operations.assets),
        "GetPositions": Call(Operations.positions),
        "GetPosition": Call(Operations.positions),
        "GetFundings": Call(Operations.fundings),
        "Buy": Call(Operations.buy),
        "Sell": Call(Operations.sell),
        "CreateOrder": Call(Operations.create_order),
        "CancelOrder": Call(Operations.cancel_order, False),
        "GetOrder": Call(Operations.order),
        "GetOrders": Call(Operations.orders),
        "GetHistoryOrders": Call(Operations.history_orders),
        "GetMinStock": Call(Operations.min_amount),
        "GetMinPrice": Call(Operations.min_price),
        "Reconcile": Call(Operations.reconcile),
        "IO": Call(Operations.io),
        "Log": Call(Operations.log),
    }
)


def _takes(work: Callable[..., Any]) -> tuple[int, int]:
    """How many arguments a call takes at the least and at the most."""
    parameters = list(inspect.signature(work).parameters.values())[1:]
    least = sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    open_end = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return least, 2**31 if open_end else len(parameters)


TAKES: Mapping[str, tuple[int, int]] = MappingProxyType({name: _takes(call.work) for name, call in CALLS.items()})
"""How many arguments each takes, at the least and at the most."""

_UNLIMITED = frozenset({"GetMinStock", "GetMinPrice", "Reconcile", "IO", "Log", "Subscribe", "Unsubscribe"})
LIMITED = frozenset(CALLS) - _UNLIMITED
"""Those that a call limit may be set for; see ``limits.py``."""
