"""The part of FMZ's exchange object for contracts, condition orders and changes of orders."""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

from typing import Any, Generic, overload

from ...structures import Funding, Info, Order, Position
from ..calls.operations import Operations
from ..contracts.port import FundingPayment
from ..state import Failure_co
from .market import MarketFace

__all__ = ["ContractFace"]


class ContractFace(MarketFace[Failure_co], Generic[Failure_co]):
    """The part of FMZ's exchange object for contracts, condition orders and changes of orders."""

    # Settings

    def SetContractType(self, code: str) -> Info | Failure_co:
        """Sets the contract of later calls, such as ``swap`` or ``quarter``; the next choice of a pair resets it.

        Returns:
            ``InstrumentID`` and ``instrument``, the venue's name of it, and its value: ``CtVal`` in ``CtValCcy``.
        """
        return self._run("SetContractType", self._core.set_contract_type, code)

    def GetContractType(self) -> str:
        """The current contract code; empty if none was chosen."""
        return self._core.settings.contract

    def SetDirection(self, direction: str) -> bool | Failure_co:
        """Sets what ``Buy`` and ``Sell`` do with contracts: ``buy``, ``sell``, ``closebuy`` or ``closesell``. True."""
        return self._run("SetDirection", self._core.set_direction, direction)

    # fmt: off
    @overload
    def SetMarginLevel(self, symbol: str, level: int, /) -> bool | Failure_co: """Of a symbol."""
    @overload
    def SetMarginLevel(self, level: int, /) -> bool | Failure_co: """Of the current symbol."""
    # fmt: on
    def SetMarginLevel(self, *args: Any) -> bool | Failure_co:
        """Sets the leverage of a contract at the venue; True once the venue has confirmed it.

        Args:
            args: ``(level)`` or ``(symbol, level)``.
        """
        return self._call("SetMarginLevel", Operations.set_margin_level, *args)

    # Positions and funding

    def GetPositions(self, symbol: str = "") -> list[Position] | Failure_co:
        """Returns the open positions, one entry a contract and side; contracts only.

        Args:
            symbol: A symbol, or a kind of contracts such as ``USDT.swap``; empty for the kind of the current one.
        """
        return self._call("GetPositions", Operations.positions, symbol)

    def GetPosition(self, symbol: str = "") -> list[Position] | Failure_co:
        """The older spelling of ``GetPositions``."""
        return self._call("GetPosition", Operations.positions, symbol)

    def GetFundings(self, symbol: str = "") -> list[Funding] | Failure_co:
        """Returns funding rates of perpetual contracts; see ``GetPositions``."""
        return self._call("GetFundings", Operations.fundings, symbol)

    # fmt: off
    @overload
    def GetFundingPayments(self, symbol: str = ..., since: float = ..., limit: float = ..., /) -> list[FundingPayment] | Failure_co: """With the symbol first."""
    @overload
    def GetFundingPayments(self, since: float, limit: float = ..., /) -> list[FundingPayment] | Failure_co: """Of the current symbol."""
    # fmt: on
    def GetFundingPayments(self, *args: Any) -> list[FundingPayment] | Failure_co:
        """Returns what the account paid (negative) and received as funding, oldest first.

        Args:
            args: The forms of ``GetHistoryOrders``.
        """
        return self._call("GetFundingPayments", Operations.funding_payments, *args)

    # Orders

    def ModifyOrder(self, orderId: str, side: str, price: float, amount: float, *args: Any) -> str | Failure_co:
        """Changes price or amount of an open order.

        Args:
            orderId: The order.
            side: Its side; the venue's options may follow, as for ``CreateOrder``.
            price: The new price; -1 leaves it.
            amount: The new amount, what was filled included; -1 leaves it.
            args: Further text for the line in the journal.

        Returns:
            The order's id, which may be a new one. None when it failed, and when its outcome is unknown (see ``UnknownOrders``).
        """
        return self._call("ModifyOrder", Operations.modify_order, orderId, side, price, amount, *args)

    def CancelAll(self, symbol: str = "") -> bool:
        """Cancels all open orders and condition orders of a symbol, one by one; True if none is left.

        Those that were placed by hand or by other programs are cancelled too, those of the venue itself (liquidation) are not.
        """
        return bool(self._call("CancelAll", Operations.cancel_all, symbol))

    def CreateConditionOrder(
        self, symbol: str, side: str, amount: float, condition: dict[str, Any], *args: Any
    ) -> str | Failure_co:
        """Places a condition order; no funds are held before it triggers.

        Args:
            symbol: Empty for the current one.
            side: As for ``CreateOrder``.
            amount: The amount of the order that it places.
            condition: ``ConditionType`` (``ORDER_CONDITION_TYPE_TP``, ``_SL``, ``_OCO`` or ``_GENERIC``) with ``TpTriggerPrice`` and
                ``TpOrderPrice``, ``SlTriggerPrice`` and ``SlOrderPrice``; an order price of -1 is at market.
            args: Further text for the line in the journal.

        Returns:
            The condition order's id. It stays that of the order that it places: ``GetConditionOrder`` tells what that one has filled.
        """
        return self._call(
            "CreateConditionOrder", Operations.create_condition_order, symbol, side, amount, condition, *args
        )

    def ModifyConditionOrder(
        self, orderId: str, side: str, amount: float, condition: dict[str, Any], *args: Any
    ) -> str | Failure_co:
        """Changes a condition order that has not triggered; where the venue cannot, a new one is placed, then the old one cancelled.

        Args:
            orderId: The condition order.
            side: Its side, as for ``CreateOrder``.
            amount: The new amount; -1 leaves it.
            condition: The new condition.
            args: Further text for the line in the journal.

        Returns:
            Its id, which may be a new one; None when it failed, and then the old one stays.
        """
        return self._call(
            "ModifyConditionOrder", Operations.modify_condition_order, orderId, side, amount, condition, *args
        )

    def CancelConditionOrder(self, orderId: str, *args: Any) -> bool:
        """Cancels a condition order that has not triggered; see ``CancelOrder``."""
        return bool(self._call("CancelConditionOrder", Operations.cancel_condition_order, orderId, *args))

    def GetConditionOrder(self, orderId: str) -> Order | Failure_co:
        """Returns one condition order, with its ``Condition`` and with what the order that it placed has filled."""
        return self._call("GetConditionOrder", Operations.condition_order, orderId)

    def GetConditionOrders(self, symbol: str = "") -> list[Order] | Failure_co:
        """Returns the condition orders that have not triggered; the symbol as for ``GetPositions``."""
        return self._call("GetConditionOrders", Operations.condition_orders, symbol)

    # fmt: off
    @overload
    def GetHistoryConditionOrders(self, symbol: str = ..., since: float = ..., limit: float = ..., /) -> list[Order] | Failure_co: """With the symbol first."""
    @overload
    def GetHistoryConditionOrders(self, since: float, limit: float = ..., /) -> list[Order] | Failure_co: """Of the current symbol."""
    # fmt: on
    def GetHistoryConditionOrders(self, *args: Any) -> list[Order] | Failure_co:
        """Returns condition orders that triggered, were cancelled or expired, oldest first.

        Args:
            args: The forms of ``GetHistoryOrders``.
        """
        return self._call("GetHistoryConditionOrders", Operations.history_condition_orders, *args)
