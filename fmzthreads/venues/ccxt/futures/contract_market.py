"""Symbols, codes and market data of the contracts of an exchange of ccxt."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ....errors import InputError, NotSupported, UnknownSymbol, nearest, short_repr
from ....exchange.contracts.converter import Contract, ContractValue
from ....exchange.contracts.port import FundingPayment
from ....exchange.contracts.scopes import is_scope, scope_includes
from ....exchange.market_rules import MarketRules
from ....structures import Funding, Market, Ticker
from .. import convert
from ..core import FRESH_S
from ..market_data import CcxtMarketData
from ..objects import LoadedMarkets
from .codes import CODES, delivery_date, expiry_date
from .kinds import ContractKind, kinds_of
from .names import fmz_name
from .rows import funding_payment_of

__all__ = ["CcxtContractMarket"]


class CcxtContractMarket(CcxtMarketData):
    """Symbols, codes and market data of contracts; see ``CcxtFutures`` for the arguments."""

    contracts_only = True
    default_contract = "swap"

    _codes: dict[str, str]
    """By ccxt's name, the symbol of the code by which a contract was found last; each use is one step, so safe from threads."""

    @staticmethod
    def _name_of(exchange_id: str) -> str:
        return fmz_name(exchange_id)

    @staticmethod
    def _usual_options() -> Mapping[str, Any]:
        return {"defaultType": "swap"}

    # Symbols

    def _markets(self, *, contracts: bool = True, max_age_s: float = math.inf) -> LoadedMarkets:
        return super()._markets(contracts=True, max_age_s=max_age_s)

    def _market(self, symbol: str) -> tuple[str, LoadedMarkets]:
        loaded = self._markets()
        try:
            return self._resolved(symbol, loaded), loaded
        except UnknownSymbol:
            fresh = self._markets(max_age_s=FRESH_S)  # perhaps it was listed since
            if fresh is loaded:
                raise
        return self._resolved(symbol, fresh), fresh

    def _resolved(self, symbol: str, loaded: LoadedMarkets) -> str:
        """The name in ccxt of the contract that a symbol means now.

        Raises:
            UnknownSymbol: It is not listed.
            NotSupported: The code is one of a delivery, and ccxt lists no such contracts of the pair.
        """
        pair, dot, code = symbol.partition(".")
        if not dot:
            raise UnknownSymbol(f"{self.name} lists contracts such as 'BTC_USDT.swap', not {short_repr(symbol)}")
        market = loaded.table.markets.get(symbol)
        if market is None:
            market = self._by_code(pair, code, symbol, loaded)
        if not market.get("contract") or market.get("active") is False or self._is_over(market):
            raise UnknownSymbol(f"{self.name} does not list {short_repr(symbol)} any more")
        return str(market["symbol"])

    def _by_code(self, pair: str, code: str, symbol: str, loaded: LoadedMarkets) -> Mapping[str, Any]:
        of_pair = {
            listed.partition(".")[2]: market
            for listed, market in loaded.table.markets.items()
            if market.get("contract") and listed.partition(".")[0] == pair
        }
        named = next((market for market in of_pair.values() if market["id"] == code), None)
        if named is not None:
            return named
        dated = {shown: market for shown, market in of_pair.items() if market.get("expiry")}
        if code in CODES and of_pair and not dated:
            raise NotSupported(
                f"{self.name} does not support the contract code {code!r}: ccxt lists no contracts of {pair} with a delivery there"
            )
        if code in CODES:
            expiries = [int(market["expiry"]) for market in dated.values()]
            day = delivery_date(code, self._now_ms(), expiries)
            for market in dated.values():
                if expiry_date(int(market["expiry"])) == day:
                    self._codes[str(market["symbol"])] = symbol
                    return market
        others = ", ".join(sorted(of_pair)) if of_pair else ""
        hint = f"; it has {others}" if others else nearest(symbol, loaded.table.markets)
        raise UnknownSymbol(f"{self.name} does not list {short_repr(symbol)}{hint}")

    def _is_over(self, market: Mapping[str, Any]) -> bool:
        return bool(market.get("expiry")) and int(market["expiry"]) <= self._now_ms()

    def _shown_as(self, name: str, loaded: LoadedMarkets) -> str:
        """A contract that the strategy chose by a code is shown under it, others under their date."""
        return self._codes.get(name) or super()._shown_as(name, loaded)

    def _in_scope(self, scope: str | None) -> tuple[str | None, LoadedMarkets]:
        """The name in ccxt of a scope that is one symbol, None for a kind of contracts; and the markets."""
        if scope is None or is_scope(scope):
            return None, self._markets()
        return self._market(scope)

    def _kinds(
        self, loaded: LoadedMarkets, scope: str | None, params: Callable[[ContractKind, str], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The parameters of the calls that list the contracts of a scope."""

        def _included(symbol: str) -> bool:
            return scope_includes(scope, symbol)

        found = kinds_of(loaded.table.markets, _included, lambda kind: params(kind, self.exchange_id))
        if not found:
            raise NotSupported(f"{self.name} has no contracts of the kind {short_repr(scope)}")
        return found

    def markets(self) -> dict[str, Market]:
        """The contracts of ccxt's markets, loaded again; see ``Venue.markets``."""
        loaded = self._markets(max_age_s=-1.0)
        return {
            symbol: convert.market_of(market, loaded.owner.precisionMode)
            for symbol, market in loaded.table.markets.items()
            if market.get("contract") and market.get("active") is not False
        }

    def rules(self, symbol: str) -> MarketRules:
        """The rules in ccxt's markets, which are reloaded unless they are less than 30 s old; see ``Venue.rules``."""
        loaded = self._markets(max_age_s=FRESH_S)
        name = self._resolved(symbol, loaded)
        return MarketRules.of(symbol, convert.market_of(loaded.owner.markets[name], loaded.owner.precisionMode))

    def contract(self, symbol: str) -> Contract:
        """What ccxt's markets say; see ``Venue.contract``."""
        name, loaded = self._market(symbol)
        market = loaded.owner.markets[name]
        shown = convert.market_of(market, loaded.owner.precisionMode)
        step = shown.get("AmountSize")
        return Contract(
            symbol=symbol,
            venue_symbol=str(market["id"]),
            value=ContractValue.of(shown),
            value_currency=shown["CtValCcy"],
            margin_currency=str(market["settle"]),
            step=None if step is None else Decimal(repr(step)),
            expires_ms=int(market.get("expiry") or 0),
        )

    # Market data

    def tickers(self) -> list[Ticker]:
        """``fetch_tickers`` of each kind of contracts; see ``Venue.tickers``."""
        self._can("fetchTickers", "GetTickers")
        loaded = self._markets()

        def _symbol_of(name: str) -> str | None:
            market = loaded.owner.markets.get(name) or {}
            return self._shown_as(name, loaded) if market.get("contract") else None

        found: dict[str, Ticker] = {}
        for more in self._kinds(loaded, None, ContractKind.listing):

            def _work(api: Any, more: dict[str, Any] = more) -> list[Ticker]:
                rows, now_ms = list(api.fetch_tickers(None, more).values()), self._now_ms()
                return self._odd.tickers(
                    rows, "symbol", _symbol_of, lambda row, symbol: convert.ticker_of(row, symbol, now_ms)
                )

            found.update((ticker["Symbol"], ticker) for ticker in self.calls.read(_work, markets=loaded))
        return list(found.values())

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """``fetch_funding_rate`` of a symbol, ``fetch_funding_rates`` of a kind; see ``Venue.fundings``."""
        name, loaded = self._in_scope(symbol)
        if name is not None:
            if loaded.owner.markets[name].get("type") != "swap":
                raise InputError(f"{symbol} is delivered and has no funding rate; expected a perpetual contract")
            return [self._funding(str(symbol), name, loaded)]
        if self._has.get("fetchFundingRates") is not True:
            raise NotSupported(
                f"{self.name} does not support GetFundings of a whole kind over ccxt; give a symbol such as 'BTC_USDT.swap'"
            )

        def _read(row: dict[str, Any]) -> Funding:
            return convert.funding_of(row, self._shown_as(row["symbol"], loaded))

        found: dict[str, Funding] = {}
        for more in self._kinds(loaded, symbol, ContractKind.positions):

            def _work(api: Any, more: dict[str, Any] = more) -> list[Funding]:
                return self._odd.read(list(api.fetch_funding_rates(None, more).values()), "a rate", "symbol", _read)

            found.update((one["Symbol"], one) for one in self.calls.read(_work, markets=loaded))
        return [one for one in found.values() if scope_includes(symbol, one["Symbol"])]

    def _funding(self, symbol: str, name: str, loaded: LoadedMarkets) -> Funding:
        """The rate of one contract; a second call for its interval where the first does not tell it."""
        one, several = self._has.get("fetchFundingRate") is True, self._has.get("fetchFundingRates") is True
        if not one and not several:
            raise NotSupported(f"{self.name} does not support GetFundings: ccxt has no fetchFundingRate there")

        def _work(api: Any) -> Funding:
            row = api.fetch_funding_rate(name) if one else api.fetch_funding_rates([name])[name]
            if not row.get("interval") and self._has.get("fetchFundingInterval") is True:
                row = {**row, "interval": api.fetch_funding_interval(name).get("interval")}
            return convert.funding_of(row, symbol)

        return self.calls.read(_work, markets=loaded)

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """``fetch_funding_history``; see ``Venue.funding_payments``."""
        self._can("fetchFundingHistory", "GetFundingPayments")
        name, loaded = self._in_scope(symbol)

        def _work(api: Any) -> list[FundingPayment]:
            rows = api.fetch_funding_history(name, since_ms or None, limit or None)
            return self._odd.read(
                rows,
                "a funding payment",
                "id",
                lambda row: funding_payment_of(row, self._shown_as(row["symbol"], loaded)),
            )

        found = self.calls.read(_work, signed=True, markets=loaded)
        kept = [one for one in found if scope_includes(symbol, one["Symbol"]) and one["Time"] >= since_ms]
        kept.sort(key=lambda one: (one["Time"], one["Id"]))
        return kept if not limit else kept[:limit] if since_ms else kept[-limit:]
