"""Binance spot's account calls ("Account endpoints" in Binance's spot documentation)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...engine.instruments import Instrument
from ..fields import plain_decimal
from .limits import BinanceLimits
from .parameters import BinanceParams
from .symbols import Symbols, fixed

__all__ = ["BinanceAccounts", "commission_rates", "no_discount"]


class BinanceAccounts:
    """The handlers of the account endpoints; each takes ``(account, params)`` and returns the value to encode as JSON."""

    def __init__(self, exchange: SimulatedExchange, symbols: Symbols, limits: BinanceLimits) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._limits = limits

    def account(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/account."""
        omit = params.flag("omitZeroBalances", False)
        params.finish()
        rates = commission_rates(account, next(iter(self._exchange.instruments())))
        balances = self._exchange.balances(account)
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
            "updateTime": params.time(account.updated_ms or params.now_ms),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": fixed(balance.free), "locked": fixed(balance.frozen)}
                for asset, balance in balances.items()
                if not omit or balance.free or balance.frozen
            ],
            "permissions": ["SPOT"],
            "uid": account.uid,
        }

    def commission(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/account/commission."""
        instrument = self._symbols.instrument(params.symbol())
        params.finish()
        nothing = dict.fromkeys(("maker", "taker", "buyer", "seller"), fixed(Decimal(0)))
        return {
            "symbol": self._symbols.name(instrument.id),
            "standardCommission": commission_rates(account, instrument),
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": no_discount(),
        }

    def order_limits(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/rateLimit/order."""
        params.finish()
        return self._limits.order_report(account.name, params.now_ms)

    def my_filters(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/myFilters: the filters of the account; here only those of the symbol."""
        described = self._symbols.describe(self._symbols.instrument(params.symbol()))
        params.finish()
        return {"exchangeFilters": [], "symbolFilters": described["filters"], "assetFilters": []}

    def trade_fee(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /sapi/v1/asset/tradeFee, of one symbol or of all."""
        chosen = [self._symbols.instrument(params.symbol())] if "symbol" in params else self._symbols.all()
        params.allow("symbol")
        params.finish()
        return [
            {
                "symbol": self._symbols.name(instrument.id),
                "makerCommission": plain_decimal(account.rate(instrument, maker=True)),
                "takerCommission": plain_decimal(account.rate(instrument, maker=False)),
            }
            for instrument in chosen
        ]

    def prevented_matches(self, account: TradingAccount, params: BinanceParams) -> list[Any]:
        """GET /api/v3/myPreventedMatches: always empty, because the simulator does not record them."""
        self._symbols.instrument(params.symbol())
        params.allow("preventedMatchId", "orderId", "fromPreventedMatchId", "limit")
        params.finish()
        return []


def commission_rates(account: TradingAccount, instrument: Instrument) -> dict[str, str]:
    """The fee rates of the caller's account in an instrument."""
    return {
        "maker": fixed(account.rate(instrument, maker=True)),
        "taker": fixed(account.rate(instrument, maker=False)),
        "buyer": fixed(Decimal(0)),
        "seller": fixed(Decimal(0)),
    }


def no_discount() -> dict[str, Any]:
    """Paying fees in the venue's own coin is always off."""
    return {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": fixed(Decimal(0)),
    }
