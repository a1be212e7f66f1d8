"""One order of a simulated exchange, and the texts with which FMZ's engine refuses orders."""

from __future__ import annotations

from typing import Literal

from ...constants import ORDER_STATE_CLOSED, ORDER_STATE_PENDING
from ...errors import short_repr
from ...structures import Order
from ..config.settings import MarketDetail
from ..nano import ONE, div, mul, to_float
from .market import MarketView, Tick

__all__ = ["MARKET", "NOT_FOUND", "NOT_OPEN", "DeskOrder", "Direction", "insufficient", "invalid", "unknown_side"]

MARKET = -1
"""The price of a market order, as strategies give it."""

NOT_FOUND = "order not found"
NOT_OPEN = "order already cancelled or not found"

Direction = Literal["buy", "sell", "closebuy", "closesell"]

_SPOT_SIDES = frozenset({"buy", "sell", "closebuy", "closebuy_today"})
_CONTRACT_SIDES = _SPOT_SIDES | {"closesell", "closesell_today"}


def unknown_side(detail: MarketDetail, side: str) -> str | None:
    """What is wrong with the side of an order; None when a market knows it.

    FMZ's engine sells whatever it does not know: ``BUY``, and on a spot pair ``closesell``, which closes a short position by buying.
    """
    if side in (_CONTRACT_SIDES if detail.is_contract else _SPOT_SIDES):
        return None
    valid = "buy, sell, closebuy, closesell" if detail.is_contract else "buy, sell"
    return f"unknown side {short_repr(side)} of an order of {detail.symbol}; valid: {valid}"


def invalid(symbol: str, price: float, amount: float) -> str:
    """FMZ's text for a price or an amount that is 0 once rounded, with the numbers as the caller gave them."""
    return f"ERR_INVALID_ORDER({symbol}, {price:f}, {amount:f})"


def insufficient(symbol: str, side: str, price: float, amount: float) -> str:
    """FMZ's text for an order that the account cannot pay, with the numbers as the caller gave them."""
    return f"ERR_INSUFFICIENT_ASSET({symbol}, {side}, {price:f}, {amount:f})"


class DeskOrder:
    """An order as the desk keeps it; numbers in nano.

    Attributes:
        id: Its number, from 1.
        time_ms: When it was placed.
        view: Its symbol.
        detail: The market of its symbol.
        in_quote: Whether its amount is money: a market buy of a spot pair.
        side: What it does, as the strategy said.
        direction: What it does: buy, sell, or closing a long (closebuy) or a short position (closesell).
        is_buy: Whether it buys.
        is_close: Whether its ``Offset`` shows a close.
        price: Its rounded price; 0 for a market order.
        market: Whether it is a market order.
        amount: Its rounded amount; money for a spot market buy.
        deal: What has been filled.
        spent: The money that a spot market buy has spent, fees included.
        fee: What its fills have paid in fees, in quote currency (coin-margined: in the coin); negative for rebates.
        ahead: The estimated quantity in the book before a resting order; -1 while it is not known.
        turnover: The sum of price times amount of its fills.
        average: The average price of its fills; 0 before the first.
        state: An ``ORDER_STATE_`` constant.
        birth: The tick that was current when it was placed.
        seen: The number of the last tick that was checked for a fill, or that filled it; before the birth tick has been checked, one less.
        frozen: What it holds frozen in the account, in the currency that it spends.
        level: The leverage of the position that it opens.
        age_ms: How old the price of its last fill was: the time since its tick, or between its tick and the one before; None before a fill, and where
            that is not looked at.
        filled_ms: When it was first filled, where books are recorded; -1 before, and elsewhere.
    """

    __slots__ = (
        "age_ms",
        "ahead",
        "amount",
        "average",
        "birth",
        "deal",
        "detail",
        "direction",
        "fee",
        "filled_ms",
        "frozen",
        "id",
        "in_quote",
        "is_buy",
        "is_close",
        "level",
        "market",
        "price",
        "seen",
        "side",
        "spent",
        "state",
        "time_ms",
        "turnover",
        "view",
    )

    def __init__(
        self, view: MarketView, birth: Tick, side: str, direction: Direction, price: int, amount: int, *, market: bool
    ) -> None:
        self.id = 0
        self.time_ms = 0
        self.view = view
        self.detail: MarketDetail = view.detail
        self.side = side
        self.direction: Direction = direction
        self.is_buy = direction in ("buy", "closesell")
        self.is_close = direction in ("closebuy", "closesell")
        self.price = price
        self.market = market
        self.in_quote = market and self.is_buy and not self.detail.is_contract
        self.amount = amount
        self.deal = 0
        self.spent = 0
        self.fee = 0
        self.ahead = -1
        self.turnover = 0
        self.average = 0
        self.state = ORDER_STATE_PENDING
        self.birth = birth
        self.seen = birth.number - 1
        self.frozen = 0
        self.level = ONE
        self.age_ms: int | None = None
        self.filled_ms = -1

    @property
    def is_open(self) -> bool:
        """Whether it is neither filled nor canceled."""
        return self.state == ORDER_STATE_PENDING

    def trigger(self) -> int:
        """The last price at or beyond which a resting limit order crosses: at or below for a buy, at or above for a sell."""
        return self.price - self.view.spread if self.is_buy else self.price + self.view.spread

    def crosses(self, tick: Tick) -> bool:
        """Whether the order can be filled at a tick."""
        if self.market:
            return True
        return self.price >= tick.sell if self.is_buy else self.price <= tick.buy

    @property
    def remaining(self) -> int:
        """What has not been filled yet; of a spot market buy the money that is left."""
        return self.amount - (self.spent if self.in_quote else self.deal)

    def filled(self, price: int, quantity: int, *, last: bool) -> None:
        """Notes a fill.

        Args:
            price: Its price.
            quantity: Its quantity.
            last: Whether the order is closed by it.
        """
        self.turnover += mul(price, quantity)
        if self.deal:
            self.deal += quantity
            self.average = div(self.turnover, self.deal)
        else:
            self.deal, self.average = quantity, price
        if last:
            self.state = ORDER_STATE_CLOSED

    def structure(self, rate: int = ONE) -> Order:
        """The order as strategies see it, prices times ``rate``."""
        detail = self.detail
        price, average, amount = self.price, self.average, self.amount
        if rate != ONE:
            price, average = mul(price, rate), mul(average, rate)
            if self.in_quote:
                amount = mul(amount, rate)
        order = Order(
            Id=self.id,
            Time=self.time_ms,
            Price=to_float(price),
            Amount=to_float(amount),
            DealAmount=to_float(self.deal),
            AvgPrice=to_float(average),
            Type=0 if self.is_buy else 1,
            Offset=1 if self.is_close else 0,
            Status=self.state,
            Symbol=detail.symbol,
        )
        if detail.is_contract:
            order["ContractType"] = detail.contract_type
        if self.age_ms is not None:
            order["Info"] = {"PriceAge": self.age_ms}
        return order
