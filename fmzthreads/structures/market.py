"""The structures of markets, accounts and orders."""

from __future__ import annotations

from typing import Any

from .base import Structure

__all__ = [
    "Account",
    "Asset",
    "Condition",
    "Depth",
    "Fee",
    "Funding",
    "Market",
    "MarketOrder",
    "Order",
    "Position",
    "Ticker",
    "Trade",
]


class Ticker(Structure):
    """The last price and the best bid and ask. ``Volume`` counts base currency over 24 h; ``OpenInterest`` is 0 where unknown."""

    Info: Any
    Symbol: str
    High: float
    Low: float
    Sell: float
    Buy: float
    Last: float
    Open: float
    Volume: float
    Time: int
    OpenInterest: float


class MarketOrder(Structure):
    """One level of an order book."""

    Price: float
    Amount: float


class Depth(Structure):
    """An order book: ``Asks`` from the lowest price up, ``Bids`` from the highest down."""

    Info: Any
    Asks: list[MarketOrder]
    Bids: list[MarketOrder]
    Time: int


class Trade(Structure):
    """A public trade; ``Type`` is the taker's side, an ``ORDER_TYPE_`` constant."""

    Info: Any
    Id: str
    Time: int
    Price: float
    Amount: float
    Type: int


class Order(Structure):
    """An order. ``Id`` is ``"<venue symbol>,<venue id>"``; ``Amount`` of a market buy may be in quote currency; ``AvgPrice`` is 0 where unknown.

    An order that is not known to be the strategy's own has one key more, ``Foreign``; one that the venue made itself (a liquidation, say)
    also ``MadeBy``; a condition order that has triggered ``ChildId``, the id of the order that it placed, or ``Refused``, why it placed none.
    """

    Info: Any
    Symbol: str
    Id: str
    Time: int
    Price: float
    Amount: float
    DealAmount: float
    AvgPrice: float
    Status: int
    Type: int
    Offset: int
    ContractType: str
    Condition: Any

    @property
    def Foreign(self) -> bool:
        """Whether it is not known to be the strategy's own: placed by hand, or by another program."""
        return bool(self.get("Foreign", False))

    @property
    def MadeBy(self) -> str:
        """``liquidation``, ``adl``, ``settlement`` or ``delivery`` of an order that the venue made itself; empty for any other."""
        return str(self.get("MadeBy", ""))

    @property
    def ChildId(self) -> str:
        """The id of the order that a condition order has placed; empty before, and for other orders."""
        return str(self.get("ChildId", ""))

    @property
    def Refused(self) -> str:
        """Why the order of a condition order that has triggered was refused; empty for any other order."""
        return str(self.get("Refused", ""))


class Condition(Structure):
    """What triggers a condition order; an order price of -1 means at market."""

    ConditionType: int
    TpTriggerPrice: float
    TpOrderPrice: float
    SlTriggerPrice: float
    SlOrderPrice: float


class Account(Structure):
    """Free and frozen quote currency (``Balance``) and base currency (``Stocks``); ``Equity`` and ``UPnL`` for futures only."""

    Info: Any
    Balance: float
    FrozenBalance: float
    Stocks: float
    FrozenStocks: float
    Equity: float
    UPnL: float


class Asset(Structure):
    """Holdings in one currency: ``Amount`` is free, ``FrozenAmount`` is held by orders."""

    Info: Any
    Currency: str
    Amount: float
    FrozenAmount: float


class Position(Structure):
    """A futures position; ``Amount`` counts contracts and is positive, ``Type`` is a ``PD_`` constant."""

    Info: Any
    Symbol: str
    MarginLevel: float
    Amount: float
    FrozenAmount: float
    Price: float
    Profit: float
    Type: int
    ContractType: str
    Margin: float


class Market(Structure):
    """The trading rules of one pair; ``Symbol`` is the venue's own name. What a venue does not say is absent."""

    Info: Any
    Symbol: str
    BaseAsset: str
    QuoteAsset: str
    TickSize: float
    AmountSize: float
    PricePrecision: int
    AmountPrecision: int
    MinQty: float
    MaxQty: float
    MinNotional: float
    MaxNotional: float
    CtVal: float
    CtValCcy: str


class Fee(Structure):
    """The fees of an account, in percent."""

    Sell: float
    Buy: float


class Funding(Structure):
    """A funding rate as a fraction; ``Interval`` is in milliseconds, ``Time`` is the next settlement."""

    Info: Any
    Symbol: str
    Interval: int
    Time: int
    Rate: float
