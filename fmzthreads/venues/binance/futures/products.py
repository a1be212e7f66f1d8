"""The endpoints of Binance's USD-margined (USDⓈ-M) and coin-margined (COIN-M) futures, with their weights, after its documents."""

from __future__ import annotations

import re

import attrs

from ...rest.ask import Ask
from ..dialect import BinanceProduct

__all__ = ["COIN_MARGINED", "USD_MARGINED", "FuturesProduct"]


@attrs.frozen(kw_only=True)
class FuturesProduct(BinanceProduct):
    """The endpoints of a family of contracts.

    Attributes:
        coin: Whether margin and profit are in the base currency.
        host: What the family's REST host is called: ``fapi`` or ``dapi``.
        status_field: The field of a symbol's state.
        best: Best bid and ask.
        positions: Positions.
        premium: Mark price and funding rate.
        funding_info: Intervals of funding that differ from eight hours.
        mode: The position mode.
        set_mode: Changes the position mode, of both families at once.
        brackets: The brackets of leverage.
        set_leverage: Changes the leverage.
        level: Where the leverage is read back.
        set_margin: Changes between cross and isolated margin.
        modify: A change of an order.
        place_condition: A condition order.
        cancel_condition: The cancel of one.
        condition: One condition order.
        open_conditions: Those that have not triggered.
        past_conditions: All of the past.
        income: Funding payments and the like.
        fees: The account's fees of a symbol.
        listen_key: The key of the user stream.
        countdown: Cancels all orders of a symbol after a while.
        snapshot_weight: The weight of a book of 1000 levels.
    """

    coin: bool
    host: str
    status_field: str
    best: Ask
    positions: Ask
    premium: Ask
    funding_info: Ask
    mode: Ask
    set_mode: Ask
    brackets: Ask
    set_leverage: Ask
    level: Ask
    set_margin: Ask
    modify: Ask
    place_condition: Ask
    cancel_condition: Ask
    condition: Ask
    open_conditions: Ask
    past_conditions: Ask
    income: Ask
    fees: Ask
    listen_key: Ask
    countdown: Ask
    snapshot_weight: int = 20


def _product(root: str, *, coin: bool) -> FuturesProduct:
    """The endpoints that both families have under the same name, and the few in which they differ."""

    def _market(path: str, weight: int) -> Ask:
        return Ask(path=f"{root}/v1/{path}", weight=weight, market=True)

    def _read(path: str, weight: int, version: int = 1) -> Ask:
        return Ask(path=f"{root}/v{version}/{path}", weight=weight, signed=True)

    def _order(path: str, method: str, weight: int, *, door: str = "") -> Ask:
        return Ask(path=f"{root}/v1/{path}", method=method, weight=weight, signed=True, door=door, patient=False)

    return FuturesProduct(
        coin=coin,
        host="dapi" if coin else "fapi",
        status_field="contractStatus" if coin else "status",
        listings=Ask(path=f"{root}/v1/exchangeInfo", weight=1),
        ticker=_market("ticker/24hr", 1),
        tickers=_market("ticker/24hr", 40),
        best=_market("ticker/bookTicker", 2),
        depth=_market("depth", 5),
        depth_weights=((50, 2), (100, 5), (500, 10), (1000, 20)),
        depth_steps=(5, 10, 20, 50, 100, 500, 1000),
        trades=_market("aggTrades", 20),
        bars=_market("klines", 5),
        bar_weights=((99, 1), (499, 2), (1000, 5)),
        premium=_market("premiumIndex", 10),
        funding_info=_market("fundingInfo", 1),
        account=_read("account", 5, 1 if coin else 3),
        positions=_read("positionRisk", 1 if coin else 5, 1 if coin else 3),
        mode=_read("positionSide/dual", 30),
        set_mode=_order("positionSide/dual", "POST", 1),
        brackets=_read("leverageBracket", 1, 2 if coin else 1),
        set_leverage=_order("leverage", "POST", 1),
        level=_read("positionRisk", 1) if coin else _read("symbolConfig", 5),
        set_margin=_order("marginType", "POST", 1),
        place=_order("order", "POST", 0, door="orders"),
        modify=_order("order", "PUT", 1, door="orders"),
        cancel=_order("order", "DELETE", 1),
        order=attrs.evolve(_read("order", 1), patient=False),
        open_orders=_read("openOrders", 1),
        all_open_orders_weight=40,
        past_orders=_read("allOrders", 5),
        fills=_read("userTrades", 5),
        place_condition=_order("algoOrder", "POST", 0, door="orders"),
        cancel_condition=_order("algoOrder", "DELETE", 1),
        condition=attrs.evolve(_read("algoOrder", 1), patient=False),
        open_conditions=_read("openAlgoOrders", 1),
        past_conditions=_read("allAlgoOrders", 5),
        income=_read("income", 20 if coin else 30),
        fees=_read("commissionRate", 20),
        listen_key=Ask(path=f"{root}/v1/listenKey", method="POST", weight=1, signed=False),
        countdown=_order("countdownCancelAll", "POST", 10),
        public=re.compile(
            rf"{root}/v\d+/(ping|time|exchangeInfo|depth|rpiDepth|trades|aggTrades|klines|continuousKlines|indexPriceKlines"
            r"|markPriceKlines|premiumIndexKlines|premiumIndex|fundingRate|fundingInfo|ticker/.*|openInterest|constituents"
            r"|indexInfo|assetIndex|insuranceBalance)"
        ),
    )


USD_MARGINED = _product("/fapi", coin=False)
"""USDⓈ-M futures: an amount is one of the base currency (``CtVal`` 1)."""

COIN_MARGINED = _product("/dapi", coin=True)
"""COIN-M futures: an amount is a whole number of contracts of ``contractSize`` USD."""
