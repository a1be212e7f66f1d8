"""The table of the exchange's calls by method name, and the check of a call that is to be made in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ...errors import no_such_name
from .operations import Operations

__all__ = ["CALLS", "LIMITED", "Call", "check_call"]


class Call(NamedTuple):
    """The implementation of a method.

    Attributes:
        work: The method of ``Operations``.
        failure: What FMZ's form returns when it fails.
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
        "ModifyOrder": Call(Operations.modify_order),
        "CancelOrder": Call(Operations.cancel_order, False),
        "CancelAll": Call(Operations.cancel_all, False),
        "GetOrder": Call(Operations.order),
        "GetOrders": Call(Operations.orders),
        "GetHistoryOrders": Call(Operations.history_orders),
        "CreateConditionOrder": Call(Operations.create_condition_order),
        "ModifyConditionOrder": Call(Operations.modify_condition_order),
        "CancelConditionOrder": Call(Operations.cancel_condition_order, False),
        "GetConditionOrder": Call(Operations.condition_order),
        "GetConditionOrders": Call(Operations.condition_orders),
        "GetHistoryConditionOrders": Call(Operations.history_condition_orders),
        "GetUpdates": Call(Operations.updates),
        "GetFundingPayments": Call(Operations.funding_payments),
        "SetMarginLevel": Call(Operations.set_margin_level),
        "GetMinStock": Call(Operations.min_amount),
        "GetMinPrice": Call(Operations.min_price),
        "GetFee": Call(Operations.fee),
        "GetUSDCNY": Call(Operations.usd_cny),
        "Reconcile": Call(Operations.reconcile),
        "IO": Call(Operations.io),
        "Encode": Call(Operations.encode),
        "HMAC": Call(Operations.hmac),
        "Log": Call(Operations.log),
    }
)


_ANY = 2**31  # stands for any number of arguments
_VARARGS = 0x04  # the flag of a code object with *args (inspect.CO_VARARGS)


def _takes(work: Callable[..., Any]) -> tuple[int, int]:
    """How many arguments a call takes, at the least and at the most, besides the object itself."""
    code, defaults = work.__code__, work.__defaults__ or ()
    count = code.co_argcount - 1
    return count - len(defaults), _ANY if code.co_flags & _VARARGS else count


_UNLIMITED = frozenset(
    {
        "GetMinStock",
        "GetMinPrice",
        "GetFee",
        "GetUSDCNY",
        "Reconcile",
        "IO",
        "Encode",
        "HMAC",
        "Log",
        "Subscribe",
        "Unsubscribe",
        "GetUpdates",
    }
)
LIMITED = frozenset(CALLS) - _UNLIMITED
"""The methods that a call limit may be set for; see ``exchange/call_limits.py``."""


def check_call(method: Any, args: Sequence[Any]) -> Call:
    """Returns the call of a method, if it can be made in the background with so many arguments.

    Args:
        method: The method's name.
        args: Its arguments.

    Raises:
        UnknownName: There is no such method.
        TypeError: The number of arguments does not fit the method.
    """
    call = CALLS.get(method) if isinstance(method, str) else None
    if call is None:
        raise no_such_name("an exchange has no method for background calls named", method, CALLS)
    least, most = _takes(call.work)
    if not least <= len(args) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}" if most < _ANY else f"{least} or more"
        raise TypeError(f"{method} takes {expected} argument{'' if expected == '1' else 's'}, got {len(args)}")
    return call
