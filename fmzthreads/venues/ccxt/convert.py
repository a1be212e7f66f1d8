"""ccxt's structures as FMZ's."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
    ORDER_OFFSET_CLOSE,
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_STATE_UNKNOWN,
    PD_LONG,
    PD_SHORT,
)
from ...exchange.venue import OrderFill
from ...structures import (
    Account,
    Asset,
    Condition,
    Depth,
    Funding,
    Market,
    MarketOrder,
    Order,
    Position,
    Record,
    Ticker,
    Trade,
    info,
)
from ..rest.convert import average_price, taker_side
from ..rest.parsing import Malformed

__all__ = [
    "account_of",
    "asset_rows",
    "depth_of",
    "fill_of",
    "funding_of",
    "market_of",
    "order_of",
    "position_of",
    "record_of",
    "ticker_of",
    "trade_of",
]

_STATES = {
    "open": ORDER_STATE_PENDING,
    "closed": ORDER_STATE_CLOSED,
    "canceled": ORDER_STATE_CANCELED,
    "expired": ORDER_STATE_CANCELED,
    "rejected": ORDER_STATE_CANCELED,
}
_DECIMAL_PLACES = 2
_TICK_SIZE = 4


def _number(row: Mapping[str, Any], name: str) -> float:
    """A number; 0 where ccxt has none."""
    value = row.get(name)
    return float(value) if value is not None else 0.0


def _needed(row: Mapping[str, Any], name: str) -> Any:
    value = row.get(name)
    if value is None:
        raise Malformed(f"the field {name!r} is missing")
    return value


def ticker_of(row: Mapping[str, Any], symbol: str, now_ms: int) -> Ticker:
    """A ticker; an empty side gets the last price, a missing 24 h value the current one; without any price they are None."""
    last = row.get("last") or row.get("close")
    sell, buy = row.get("ask") or last, row.get("bid") or last
    return Ticker(
        Info=info(row.get("info")),
        Symbol=symbol,
        High=row.get("high") or sell,
        Low=row.get("low") or buy,
        Sell=sell,
        Buy=buy,
        Last=last,
        Open=row.get("open") or last,
        Volume=_number(row, "baseVolume"),
        Time=int(row.get("timestamp") or now_ms),
        OpenInterest=0.0,
    )


def depth_of(row: Mapping[str, Any], raw: Any, now_ms: int, limit: int) -> Depth:
    """An order book; ``raw`` is the venue's reply."""
    asks, bids = (
        [MarketOrder(Price=float(level[0]), Amount=float(level[1])) for level in row[side][:limit]]
        for side in ("asks", "bids")
    )
    return Depth(Info=info(raw), Asks=asks, Bids=bids, Time=int(row.get("timestamp") or now_ms))


def trade_of(row: Mapping[str, Any]) -> Trade:
    """A public trade."""
    return Trade(
        Info=info(row.get("info")),
        Id=str(row.get("id") or ""),
        Time=int(_needed(row, "timestamp")),
        Price=float(_needed(row, "price")),
        Amount=float(_needed(row, "amount")),
        Type=taker_side(str(_needed(row, "side"))),
    )


def record_of(row: list[Any]) -> Record:
    """A bar."""
    if len(row) < 6 or row[0] is None or any(value is None for value in row[1:5]):
        raise Malformed("a bar is incomplete")
    return Record(
        Time=int(row[0]),
        Open=float(row[1]),
        High=float(row[2]),
        Low=float(row[3]),
        Close=float(row[4]),
        Volume=float(row[5] or 0.0),
        OpenInterest=0.0,
    )


def _step(size: Any, mode: int) -> str | None:
    """A precision of ccxt as a step; None for significant digits, which no step describes."""
    if size is None:
        return None
    number = _exact(size)
    if mode == _DECIMAL_PLACES:
        return format(Decimal(1).scaleb(-int(number)), "f")
    return format(number, "f") if mode == _TICK_SIZE and number > 0 else None


def market_of(market: Mapping[str, Any], precision_mode: int) -> Market:
    """The trading rules of a market; what the venue does not say is absent."""
    found: dict[str, Any] = {
        "Info": info(market.get("info")),
        "Symbol": market["id"],
        "BaseAsset": market["base"],
        "QuoteAsset": market["quote"],
    }
    for name, digits, kind in (
        ("TickSize", "PricePrecision", "price"),
        ("AmountSize", "AmountPrecision", "amount"),
    ):
        step = _step(market["precision"].get(kind), precision_mode)
        if step is not None:
            found[name] = float(step)
            found[digits] = max(0, -int(Decimal(step).normalize().as_tuple().exponent))
    limits = market.get("limits") or {}
    for name, kind, end in (
        ("MinQty", "amount", "min"),
        ("MaxQty", "amount", "max"),
        ("MinNotional", "cost", "min"),
        ("MaxNotional", "cost", "max"),
    ):
        bound = (limits.get(kind) or {}).get(end)
        if bound:
            found[name] = float(bound)
    if market.get("contract"):
        size = _number(market, "contractSize")
        if size:
            found["CtVal"], found["CtValCcy"] = size, market["base"] if market.get("linear") else market["quote"]
    return Market(found)


def asset_rows(balance: Mapping[str, Any]) -> list[Asset]:
    """All holdings that are not zero."""
    found = []
    for currency in balance.get("total") or {}:
        row = balance[currency]
        free, frozen = _number(row, "free"), _number(row, "used")
        if free or frozen:
            found.append(Asset(Info=info(balance.get("info")), Currency=currency, Amount=free, FrozenAmount=frozen))
    return found


def account_of(balance: Mapping[str, Any], market: Mapping[str, Any]) -> Account:
    """The account of a pair: both currencies of a spot pair, the margin currency of a contract."""

    def _of(currency: Any, part: str) -> float:
        return _number(balance.get(currency) or {}, part)

    if not market.get("contract"):
        base, quote = market["base"], market["quote"]
        return Account(
            Info=info(balance.get("info")),
            Balance=_of(quote, "free"),
            FrozenBalance=_of(quote, "used"),
            Stocks=_of(base, "free"),
            FrozenStocks=_of(base, "used"),
        )
    settle = market["settle"]
    coins = not market.get("linear")  # margin in the base currency counts as stocks
    free, frozen = _of(settle, "free"), _of(settle, "used")
    return Account(
        Info=info(balance.get("info")),
        Balance=0.0 if coins else free,
        FrozenBalance=0.0 if coins else frozen,
        Stocks=free if coins else 0.0,
        FrozenStocks=frozen if coins else 0.0,
        Equity=_of(settle, "total"),
    )


def order_of(row: Mapping[str, Any], symbol: str, order_id: str) -> Order:
    """An order.

    Raises:
        Malformed: Its side is not known.
    """
    filled = _number(row, "filled")
    average = _number(row, "average") or average_price(_number(row, "cost"), filled)
    amount = row.get("amount")
    return Order(
        Info=info(row.get("info")),
        Symbol=symbol,
        Id=order_id,
        Time=int(row.get("timestamp") or row.get("lastTradeTimestamp") or 0),
        Price=_number(row, "price"),
        Amount=float(amount) if amount is not None else filled + _number(row, "remaining"),
        DealAmount=filled,
        AvgPrice=average if filled else 0.0,
        Status=_STATES.get(str(row.get("status")), ORDER_STATE_UNKNOWN),
        Type=taker_side(str(_needed(row, "side"))),
        Offset=ORDER_OFFSET_CLOSE if row.get("reduceOnly") else ORDER_OFFSET_OPEN,
        ContractType=symbol.partition(".")[2],
        Condition=_condition(row),
    )


def _condition(row: Mapping[str, Any]) -> Condition | None:
    profit, loss = _number(row, "takeProfitPrice"), _number(row, "stopLossPrice")
    trigger = _number(row, "triggerPrice")
    if not (profit or loss or trigger):
        return None
    order_price = _number(row, "price") or -1.0
    if profit and not loss:
        kind = ORDER_CONDITION_TYPE_TP
    elif loss and not profit:
        kind = ORDER_CONDITION_TYPE_SL
    else:
        kind = ORDER_CONDITION_TYPE_GENERIC
        profit = profit or trigger
    return Condition(
        ConditionType=kind,
        TpTriggerPrice=profit,
        TpOrderPrice=order_price if profit else 0.0,
        SlTriggerPrice=loss,
        SlOrderPrice=order_price if loss else 0.0,
    )


def fill_of(row: Mapping[str, Any]) -> OrderFill:
    """One fill of an order."""
    fee = row.get("fee") or {}
    return OrderFill(
        Info=info(row.get("info")),
        Id=str(_needed(row, "id")),
        Price=_exact(_needed(row, "price")),
        Amount=_exact(_needed(row, "amount")),
        Fee=_exact(fee.get("cost") or 0),
        FeeCurrency=str(fee.get("currency") or ""),
        Time=int(_needed(row, "timestamp")),
        Maker=row.get("takerOrMaker") == "maker",
    )


def _exact(value: Any) -> Decimal:
    """A number of ccxt as the decimal that it was read from."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))


def position_of(row: Mapping[str, Any], symbol: str) -> Position:
    """A position."""
    side = row.get("side")
    if side not in {"long", "short"}:
        raise Malformed(f"the side of a position is neither long nor short but {str(side)[:40]!r}")
    return Position(
        Info=info(row.get("info")),
        Symbol=symbol,
        MarginLevel=_number(row, "leverage"),
        Amount=abs(_number(row, "contracts")),
        FrozenAmount=0.0,
        Price=_number(row, "entryPrice"),
        Profit=_number(row, "unrealizedPnl"),
        Type=PD_LONG if side == "long" else PD_SHORT,
        ContractType=symbol.partition(".")[2],
        Margin=_number(row, "initialMargin") or _number(row, "collateral"),
    )


def funding_of(row: Mapping[str, Any], symbol: str) -> Funding:
    """A funding rate."""
    interval = str(row.get("interval") or "")
    hours = interval.removesuffix("h")
    return Funding(
        Info=info(row.get("info")),
        Symbol=symbol,
        Interval=int(hours) * 3_600_000 if hours.isdigit() else 0,
        Time=int(row.get("fundingTimestamp") or row.get("nextFundingTimestamp") or 0),
        Rate=float(_needed(row, "fundingRate")),
    )
