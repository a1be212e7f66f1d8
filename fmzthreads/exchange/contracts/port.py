"""What the port of a venue has for contracts: their facts, leverage, condition orders, changes of orders, funding payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...structures import Asset, Order, Structure
from .converter import Contract
from .intents import ConditionIntent, ModifyIntent

if TYPE_CHECKING:
    from ...errors import NotSupported

__all__ = ["ContractPort", "ContractPortDefaults", "FundingPayment", "PositionMode"]

PositionMode = Literal["one_way", "hedge"]
"""``one_way``: one position a contract. ``hedge``: a long and a short one beside each other."""


class FundingPayment(Structure):
    """A funding payment: ``Amount`` in ``Currency`` is negative when it was paid, ``Time`` in ms since the epoch."""

    Info: Any
    Id: str
    Symbol: str
    Amount: float
    Currency: str
    Time: int


class ContractPort(Protocol):
    """The calls of a venue for contracts and for condition orders; a spot venue may have the latter."""

    contracts_only: bool
    """Whether each symbol of the venue names a contract (``BTC_USDT.swap``), so that a pair alone names nothing."""

    default_contract: str
    """The contract code after each choice of a pair; empty if ``SetContractType`` must come first."""

    replaces_conditions: bool
    """Whether a condition order cannot be changed, so that a new one is placed and the old one then cancelled."""

    condition_settling_s: float
    """``settling_s`` of condition orders, their changes and their cancels; 0 where it is the same."""

    def contract(self, symbol: str) -> Contract:
        """What a contract is now; fetched when it is not known, and again when it has been delivered.

        Raises:
            UnknownSymbol: The venue does not list it.
            InputError: It is no contract.
        """

    def position_mode(self) -> PositionMode:
        """The account's position mode, read once; no call changes it but ``io("dual", ...)``."""

    def margin_assets(self, symbol: str) -> list[Asset]:
        """The holdings that a contract's margin comes from, those that are zero left out."""

    def set_cross(self, symbol: str, cross: bool) -> None:
        """Sets cross (True) or isolated margin of a contract; nothing happens if it is set already."""

    def set_margin_level(self, symbol: str, level: int) -> float:
        """Sets the leverage of a contract and returns the one that the venue then has.

        Raises:
            InputError: It is beyond what the venue's brackets allow; nothing was sent.
        """

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """Funding payments of the account, oldest first.

        Args:
            symbol: FMZ's symbol, or a kind of contracts such as ``USDT.swap``; None for all.
            since_ms: From when on, in ms since the epoch; 0 for the newest.
            limit: The most; 0 for the venue's own default.
        """

    def modify(self, intent: ModifyIntent) -> str:
        """Changes price or amount of an open order in one request; returns its id, which may be a new one.

        Raises:
            OutcomeUnknown: It was sent and no reply says what became of it. It is never sent again.
            OrderNotFound: There is no such open order.
        """

    def place_condition(self, intent: ConditionIntent) -> str:
        """Sends a condition order once and returns its id (``"<venue symbol>,<venue id>"``); errors as of ``place``."""

    def modify_condition(self, intent: ModifyIntent) -> str:
        """Changes a condition order that has not triggered; see ``modify``. Only where ``replaces_conditions`` is False."""

    def cancel_condition(self, order_id: str) -> None:
        """Cancels a condition order in one request; errors as of ``cancel``."""

    def condition_order(self, order_id: str) -> Order:
        """One condition order, with what its child has filled; raises OrderNotFound if it is not found."""

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One condition order by the client order id that it was placed with; raises OrderNotFound if it is not found."""

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """Condition orders that have not triggered, oldest first; the symbol as of ``positions``."""

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Condition orders that triggered, were cancelled or expired, oldest first; arguments as of ``history_orders``."""


class ContractPortDefaults(ContractPort):
    """NotSupported for each call of ``ContractPort``, naming venue and call."""

    contracts_only = False
    default_contract = ""
    replaces_conditions = False
    condition_settling_s = 0.0

    def _no(self, call: str) -> NotSupported:
        raise NotImplementedError  # the adapter's base class has it

    def contract(self, symbol: str) -> Contract:
        """Raises NotSupported."""
        raise self._no("contracts")

    def position_mode(self) -> PositionMode:
        """Raises NotSupported."""
        raise self._no("position modes")

    def margin_assets(self, symbol: str) -> list[Asset]:
        """Raises NotSupported."""
        raise self._no("GetAssets of contracts")

    def set_cross(self, symbol: str, cross: bool) -> None:
        """Raises NotSupported."""
        raise self._no("IO('cross')")

    def set_margin_level(self, symbol: str, level: int) -> float:
        """Raises NotSupported."""
        raise self._no("SetMarginLevel")

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """Raises NotSupported."""
        raise self._no("GetFundingPayments")

    def modify(self, intent: ModifyIntent) -> str:
        """Raises NotSupported."""
        raise self._no("ModifyOrder")

    def place_condition(self, intent: ConditionIntent) -> str:
        """Raises NotSupported."""
        raise self._no("CreateConditionOrder")

    def modify_condition(self, intent: ModifyIntent) -> str:
        """Raises NotSupported."""
        raise self._no("ModifyConditionOrder")

    def cancel_condition(self, order_id: str) -> None:
        """Raises NotSupported."""
        raise self._no("CancelConditionOrder")

    def condition_order(self, order_id: str) -> Order:
        """Raises NotSupported."""
        raise self._no("GetConditionOrder")

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """Raises NotSupported."""
        raise self._no("condition orders by client order id")

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """Raises NotSupported."""
        raise self._no("GetConditionOrders")

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Raises NotSupported."""
        raise self._no("GetHistoryConditionOrders")
