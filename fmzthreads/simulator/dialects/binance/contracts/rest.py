"""Binance's contracts over HTTP: the calls of one family, as a table over the shared handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....faults import Faults
from ...base import Route
from ..parameters import BinanceParams
from ..rest import BinanceRest
from ..routes import BinanceRoute
from .accounts import ContractAccounts
from .algo_orders import ConditionalOrders
from .dead_man import CountdownCancelAll
from .families import ContractSymbols, Family
from .market import ContractMarket
from .order_rows import venue_id
from .orders import ContractOrders
from .settings import ContractSettings

__all__ = ["SimulatedContracts"]

_PLACES = {("POST", "order"), ("PUT", "order"), ("POST", "batchOrders"), ("PUT", "batchOrders"), ("POST", "algoOrder")}


class SimulatedContracts(BinanceRest):
    """Answers the calls of USDⓈ-M or COIN-M.

    Args:
        exchange: The exchange of the family.
        faults: The faults, with the offset of the exchange's clock.
        family: Which of the two.
        together: The exchanges of all families: they share the position mode.
        options: As of ``BinanceRest``.

    Attributes:
        family: As given.
        symbols: The exchange's instruments under Binance's names.
        market: The handlers of public calls.
        orders: The handlers of orders.
        algo: The handlers of conditional orders.
        accounts: The handlers of accounts and positions.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        faults: Faults,
        family: Family,
        together: Sequence[SimulatedExchange] = (),
        **options: Any,
    ) -> None:
        super().__init__(exchange, faults, **options)
        self.family = family
        self.symbols = ContractSymbols(exchange, family)
        self.market = ContractMarket(exchange, self.symbols, self.limits.describe())
        self.orders = ContractOrders(exchange, self.symbols)
        self.algo = ConditionalOrders(exchange, self.symbols, self.orders.reader)
        self.accounts = ContractAccounts(exchange, self.symbols)
        settings = ContractSettings(exchange, self.symbols, tuple(together) or (exchange,))
        self.countdown = CountdownCancelAll(exchange, self.symbols)
        exchange.contracts.name_forced(lambda origin, number: venue_id(origin, number, coin=family.coin))
        self.add(self._public())
        self.add(self._private(settings))

    def _public(self) -> Iterator[Route[BinanceParams]]:
        market, coin, v1 = self.market, self.family.coin, self.family.prefix + "/v1/"
        table: list[tuple[str, Callable[[BinanceParams], Any], int]] = [
            ("ping", market.ping, 1), ("time", market.server_time, 1), ("exchangeInfo", market.exchange_info, 1),
            ("depth", market.depth, 10), ("trades", market.trades, 5), ("historicalTrades", market.trades, 200),
            ("aggTrades", market.agg_trades, 20), ("klines", market.klines, 5), ("continuousKlines", market.klines, 5),
            ("premiumIndex", market.premium_index, 10 if coin else 1), ("fundingRate", market.funding_rate, 1),
            ("fundingInfo", market.funding_info, 1), ("ticker/24hr", market.ticker_24h, 1), ("ticker/price", market.ticker_price, 1),
            ("ticker/bookTicker", market.ticker_book, 2), ("openInterest", market.open_interest, 1),
        ]  # fmt: skip
        for path, handler, weight in table:
            ahead = market.klines_ahead if handler == market.klines else None
            yield BinanceRoute(method="GET", path=v1 + path, public=handler, weight=weight, public_ahead=ahead)
        if not coin:
            yield BinanceRoute(method="GET", path="/fapi/v2/ticker/price", public=market.ticker_price)

    def _private(self, settings: ContractSettings) -> Iterator[Route[BinanceParams]]:
        v1 = self.family.prefix + "/v1/"
        for method, path, handler, weight in (*self._trading(), *self._account(settings)):
            places = (method, path) in _PLACES
            yield BinanceRoute(
                method=method, path=path if path.startswith("/") else v1 + path, private=handler, weight=weight, places=places,
                counts_order=places, private_ahead=self.orders.all_orders_ahead if path == "allOrders" else None,
            )  # fmt: skip

    def _trading(self) -> list[tuple[str, str, Callable[[TradingAccount, BinanceParams], Any], int]]:
        orders, algo = self.orders, self.algo
        rows: list[tuple[str, str, Callable[[TradingAccount, BinanceParams], Any], int]] = [
            ("POST", "order", orders.place, 1), ("PUT", "order", orders.modify, 1), ("GET", "order", orders.query, 1),
            ("DELETE", "order", orders.cancel, 1), ("POST", "batchOrders", orders.place_batch, 5),
            ("PUT", "batchOrders", orders.modify_batch, 5), ("DELETE", "batchOrders", orders.cancel_batch, 1),
            ("DELETE", "allOpenOrders", orders.cancel_all, 1), ("POST", "countdownCancelAll", self.countdown.arm, 10),
            ("GET", "openOrder", orders.open_order, 1), ("GET", "openOrders", orders.open_orders, 1),
            ("GET", "allOrders", orders.all_orders, 5), ("GET", "userTrades", orders.user_trades, 5),
            ("GET", "forceOrders", orders.force_orders, 20), ("POST", "algoOrder", algo.place, 1), ("GET", "algoOrder", algo.query, 1),
            ("DELETE", "algoOrder", algo.cancel, 1), ("GET", "openAlgoOrders", algo.open, 1), ("GET", "allAlgoOrders", algo.all, 5),
            ("DELETE", "algoOpenOrders", algo.cancel_open, 1),
        ]  # fmt: skip
        if not self.family.coin:
            rows.append(("POST", "order/test", orders.test, 1))
        return rows

    def _account(
        self, settings: ContractSettings
    ) -> list[tuple[str, str, Callable[[TradingAccount, BinanceParams], Any], int]]:
        accounts = self.accounts
        rows: list[tuple[str, str, Callable[[TradingAccount, BinanceParams], Any], int]] = [
            ("POST", "leverage", settings.set_leverage, 1), ("POST", "marginType", settings.set_margin_type, 1),
            ("POST", "positionMargin", settings.move_margin, 1), ("GET", "positionSide/dual", settings.position_mode, 30),
            ("POST", "positionSide/dual", settings.set_position_mode, 1), ("GET", "commissionRate", accounts.commission, 20),
            ("GET", "adlQuantile", accounts.adl_quantile, 5),
        ]  # fmt: skip
        if self.family.coin:
            return [
                *rows, ("GET", "account", accounts.account, 5), ("GET", "balance", accounts.balance, 1),
                ("GET", "positionRisk", accounts.position_risk, 1), ("GET", "/dapi/v2/leverageBracket", settings.brackets, 1),
                ("GET", "leverageBracket", settings.brackets, 1), ("GET", "income", accounts.income, 20),
            ]  # fmt: skip
        return [
            *rows, ("GET", "/fapi/v2/account", accounts.account, 5), ("GET", "/fapi/v3/account", accounts.account_v3, 5),
            ("GET", "/fapi/v2/balance", accounts.balance, 5), ("GET", "/fapi/v3/balance", accounts.balance, 5),
            ("GET", "/fapi/v2/positionRisk", accounts.position_risk, 5), ("GET", "/fapi/v3/positionRisk", accounts.position_risk_v3, 5),
            ("GET", "leverageBracket", settings.brackets, 1), ("GET", "symbolConfig", settings.symbol_config, 5),
            ("GET", "accountConfig", settings.account_config, 5), ("GET", "income", accounts.income, 30),
            ("GET", "multiAssetsMargin", lambda account, params: {"multiAssetsMargin": False}, 30),
            ("POST", "multiAssetsMargin", accounts.refuse_multi_assets, 1),
        ]  # fmt: skip
