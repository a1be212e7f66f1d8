"""How much an account can trade ("Get maximum order quantity" in OKX's API guide)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal
from ..public.instruments import Instruments
from ..public.market import OkxMarket
from ..public.products import product_of

__all__ = ["OrderSizes"]

_MODES = ("cash", "cross", "isolated", "spot_isolated")
_MOST_INSTRUMENTS = 5


class OrderSizes:
    """The handlers of the largest orders; each takes an account, the query and the time, and returns the rows of ``data``.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        market: Knows last prices and price limits.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, market: OkxMarket) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._market = market

    def _chosen(self, params: OkxParams) -> list[tuple[str, Instrument]]:
        """The instruments of up to five names, in a trade mode that fits them."""
        mode = params.choice("tdMode", _MODES, required=True)
        names = params.required("instId").split(",")
        if len(names) > _MOST_INSTRUMENTS:
            raise params.invalid("instId")
        chosen = [(name, self._instruments.instrument(name)) for name in names]
        if any(mode not in product_of(instrument).trade_modes for _, instrument in chosen):
            raise OkxRefusal("51010", "Request unsupported under current account mode")
        return chosen

    def _holdings(self, account: TradingAccount, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """The free amounts of the quote asset and of the base asset."""
        held = self._exchange.balances(account)
        free = [held[asset].free if asset in held else Decimal(0) for asset in (instrument.quote, instrument.base)]
        return free[0], free[1]

    def max_size(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/max-size: the largest orders to buy and to sell, in base or contracts."""
        rows, price = [], params.decimal("px")
        isolated = params.optional("tdMode") == "isolated"
        for name, instrument in self._chosen(params):
            if product_of(instrument).contracts:
                buys, sells = self._most_contracts(account, instrument, params, isolated=isolated)
                ccy = instrument.settle
            else:
                quote, base = self._holdings(account, instrument)
                at = price if price is not None and price > 0 else self._market.last(instrument)
                buys, sells, ccy = (quote / at if at else Decimal(0)), base, instrument.base
            rows.append(
                {
                    "ccy": ccy,
                    "instId": name,
                    "maxBuy": plain_decimal(buys - buys % instrument.step),
                    "maxSell": plain_decimal(sells - sells % instrument.step),
                }
            )
        return rows

    def _most_contracts(
        self, account: TradingAccount, instrument: Instrument, params: OkxParams, *, isolated: bool
    ) -> tuple[Decimal, Decimal]:
        """What the margin that is available pays for, up to the tier of the leverage."""
        terms, desk = instrument.terms, self._exchange.contracts
        assert terms is not None  # of a contract
        leverage = params.integer("leverage") or desk.leverage(account, instrument.id, None, isolated)
        available = desk.wallet(account, instrument.settle).available
        fee = account.rate(instrument, maker=False)
        band = self._market.price_band(instrument)
        price = params.decimal("px")
        found = []
        for place in (1, 0):  # buys at the highest price, sells at the lowest
            at = price or (band[place] if band is not None else self._market.last(instrument))
            if not at:
                found.append(Decimal(0))
                continue
            inverse = instrument.kind is Kind.INVERSE
            each = instrument.contract_value / at if inverse else instrument.contract_value * at
            found.append(min(available / (each / leverage + each * fee), terms.most(leverage), instrument.max_quantity))
        return found[0], found[1]

    def max_avail_size(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/max-avail-size: quote to buy with and base to sell, or margin for contracts."""
        rows = []
        for name, instrument in self._chosen(params):
            if product_of(instrument).contracts:
                margin = self._exchange.contracts.wallet(account, instrument.settle).available
                quote = base = margin
            else:
                quote, base = self._holdings(account, instrument)
            rows.append({"instId": name, "availBuy": plain_decimal(quote), "availSell": plain_decimal(base)})
        return rows
