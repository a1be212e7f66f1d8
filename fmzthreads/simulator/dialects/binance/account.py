"""Binance spot's account endpoints (fact sheet 2.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...engine.exchange import SimulatedExchange
from ...engine.instruments import Instrument
from .parameters import BinanceCall
from .symbols import Symbols, fixed

__all__ = ["BinanceAccounts", "commission_rates", "no_discount"]


class BinanceAccounts:
    """The handlers of the account endpoints; each takes a ``BinanceCall`` and returns what becomes JSON."""

    def __init__(self, exchange: SimulatedExchange, symbols: Symbols) -> None:
        self._exchange = exchange
        self._symbols = symbols

    def account(self, call: BinanceCall) -> dict[str, Any]:
        """GET /api/v3/account."""
        omit = call.params.flag("omitZeroBalances", False)
        call.params.finish()
        rates = commission_rates(call, next(iter(self._exchange.instruments())))
        balances = self._exchange.balances(call.owner)
        return {
            "makerCommission": int(Decimal(rates["maker"]) * 10_000),
            "takerCommission": int(Decimal(rates["taker"]) * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": rates,
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": call.time(call.owner.updated_ms or call.now_ms),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": fixed(balance.free), "locked": fixed(balance.frozen)}
                for asset, balance in balances.items()
                if not omit or balance.free or balance.frozen
            ],
            "permissions": ["SPOT"],
            "uid": call.owner.uid,
        }

    def commission(self, call: BinanceCall) -> dict[str, Any]:
        """GET /api/v3/account/commission."""
        instrument = self._symbols.instrument(call.params.symbol())
        call.params.finish()
        nothing = dict.fromkeys(("maker", "taker", "buyer", "seller"), fixed(Decimal(0)))
        return {
            "symbol": self._symbols.name(instrument.id),
            "standardCommission": commission_rates(call, instrument),
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": no_discount(),
        }

    def prevented_matches(self, call: BinanceCall) -> list[Any]:
        """GET /api/v3/myPreventedMatches: the simulator keeps no record of them."""
        self._symbols.instrument(call.params.symbol())
        call.params.allow("preventedMatchId", "orderId", "fromPreventedMatchId", "limit")
        call.params.finish()
        return []


def commission_rates(call: BinanceCall, instrument: Instrument) -> dict[str, str]:
    """What the caller's account pays in an instrument."""
    return {
        "maker": fixed(call.owner.rate(instrument, maker=True)),
        "taker": fixed(call.owner.rate(instrument, maker=False)),
        "buyer": fixed(Decimal(0)),
        "seller": fixed(Decimal(0)),
    }


def no_discount() -> dict[str, Any]:
    """Nobody pays with the venue's own coin here."""
    return {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": fixed(Decimal(0)),
    }
