"""Accounts and positions of contracts ("Account" in Binance's documentation of derivatives)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.margin.margin_accounts import Income
from ....engine.margin.positions import PositionView
from ....engine.margin.terms import ContractTerms
from ...fields import plain_decimal
from ..parameters import BinanceParams, BinanceRefusal
from ..symbols import fixed
from .families import ContractSymbols
from .market import plain

__all__ = ["ContractAccounts", "terms_of"]

_SIDES = {"net": "BOTH", "long": "LONG", "short": "SHORT"}
_INCOME = {
    "profit": "REALIZED_PNL", "fee": "COMMISSION", "funding": "FUNDING_FEE", "insurance": "INSURANCE_CLEAR", "transfer": "TRANSFER",
    "delivery": "DELIVERED_SETTELMENT",
}  # fmt: skip
_INCOME_DAYS_MS = 7 * 86_400_000


def terms_of(instrument: Instrument) -> ContractTerms:
    """The terms of a contract."""
    assert instrument.terms is not None  # only contracts are listed
    return instrument.terms


class ContractAccounts:
    """The handlers of accounts; each takes ``(account, params)`` and returns the value to encode as JSON.

    Args:
        exchange: The exchange.
        symbols: Its instruments under Binance's names.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: ContractSymbols) -> None:
        self._exchange = exchange
        self._contracts = exchange.contracts
        self._symbols = symbols
        self._coin = symbols.family.coin

    def _assets(self, account: TradingAccount) -> list[str]:
        """The assets of an account, and those that contracts settle in."""
        settle = [instrument.settle for instrument in self._symbols.all()]
        return list(dict.fromkeys((*settle, *self._exchange.balances(account))))

    def _time(self, account: TradingAccount, params: BinanceParams) -> int:
        """When the account last changed; clients skip assets with 0."""
        return account.updated_ms or params.now_ms

    def positions_of(
        self, account: TradingAccount, wanted: Callable[[PositionView], bool] | None = None
    ) -> Iterator[tuple[Instrument, PositionView]]:
        """The sides of every contract that the position mode has, in the account's margin mode.

        Args:
            account: The account.
            wanted: Which to keep; None for all.
        """
        hedge = self._contracts.hedge(account)
        for instrument in self._symbols.all():
            for side in ("long", "short") if hedge else ("net",):
                view = self._contracts.position(account, instrument.id, side)
                if wanted is None or wanted(view):
                    yield instrument, view

    # --- balances ---

    def balance(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET balance."""
        rows = []
        for asset in self._assets(account):
            wallet = self._contracts.wallet(account, asset)
            row: dict[str, Any] = {
                "accountAlias": alias(account), "asset": asset, "balance": fixed(wallet.wallet),
                "crossWalletBalance": fixed(wallet.cross_wallet), "crossUnPnl": fixed(wallet.cross_unrealized),
                "availableBalance": fixed(wallet.available), "updateTime": self._time(account, params),
            }  # fmt: skip
            spare = fixed(min(wallet.available, max(Decimal(0), wallet.cross_wallet)))
            rows.append(
                row
                | (
                    {"withdrawAvailable": spare}
                    if self._coin
                    else {"maxWithdrawAmount": spare, "marginAvailable": True}
                )
            )
        return rows

    def _asset_row(self, account: TradingAccount, asset: str, params: BinanceParams) -> dict[str, Any]:
        wallet = self._contracts.wallet(account, asset)
        spare = min(wallet.available, max(Decimal(0), wallet.cross_wallet))
        return {
            "asset": asset, "walletBalance": fixed(wallet.wallet), "unrealizedProfit": fixed(wallet.unrealized),
            "marginBalance": fixed(wallet.wallet + wallet.unrealized), "maintMargin": fixed(wallet.maintenance_margin),
            "initialMargin": fixed(wallet.initial_margin + wallet.order_margin), "positionInitialMargin": fixed(wallet.initial_margin),
            "openOrderInitialMargin": fixed(wallet.order_margin), "crossWalletBalance": fixed(wallet.cross_wallet),
            "crossUnPnl": fixed(wallet.cross_unrealized), "availableBalance": fixed(wallet.available), "maxWithdrawAmount": fixed(spare),
            "marginAvailable": True, "updateTime": self._time(account, params),
        }  # fmt: skip

    def account(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET v2/account, and v1/account of COIN-M: with settings, and the positions of every symbol."""
        row: dict[str, Any] = {
            "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "updateTime": self._time(account, params),
        }  # fmt: skip
        if not self._coin:
            row.update(feeBurn=False, multiAssetsMargin=False, tradeGroupId=-1, **self._totals(account, params))
        row["assets"] = [self._asset_row(account, asset, params) for asset in self._assets(account)]
        row["positions"] = [self._full_position(*pair) for pair in self.positions_of(account)]
        return row

    def account_v3(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET v3/account: only symbols with a position or an order."""
        row = self._totals(account, params)
        row["assets"] = [self._asset_row(account, asset, params) for asset in self._assets(account)]
        row["positions"] = [
            {
                "symbol": self._symbols.name(instrument.id), "positionSide": _SIDES[view.side], "positionAmt": plain(view.quantity),
                "unrealizedProfit": fixed(view.unrealized), "isolatedMargin": self._isolated_margin(view), "notional": self._notional(view),
                "isolatedWallet": fixed(view.isolated_wallet), "initialMargin": fixed(view.initial_margin + view.order_margin),
                "maintMargin": fixed(view.maintenance_margin), "updateTime": view.updated_ms,
            }
            for instrument, view in self.positions_of(account, _in_use)
        ]  # fmt: skip
        return row

    def _totals(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """The sums of the account in USDT."""
        wallet = self._contracts.wallet(account, "USDT")
        return {
            "totalInitialMargin": fixed(wallet.initial_margin + wallet.order_margin), "totalMaintMargin": fixed(wallet.maintenance_margin),
            "totalWalletBalance": fixed(wallet.wallet), "totalUnrealizedProfit": fixed(wallet.unrealized),
            "totalMarginBalance": fixed(wallet.wallet + wallet.unrealized), "totalPositionInitialMargin": fixed(wallet.initial_margin),
            "totalOpenOrderInitialMargin": fixed(wallet.order_margin), "totalCrossWalletBalance": fixed(wallet.cross_wallet),
            "totalCrossUnPnl": fixed(wallet.cross_unrealized), "availableBalance": fixed(wallet.available),
            "maxWithdrawAmount": fixed(min(wallet.available, max(Decimal(0), wallet.cross_wallet))),
        }  # fmt: skip

    # --- positions ---

    @staticmethod
    def _isolated_margin(view: PositionView) -> str:
        return fixed(view.isolated_wallet + view.unrealized if view.isolated and view.quantity else Decimal(0))

    @staticmethod
    def _notional(view: PositionView) -> str:
        return fixed(view.value.copy_sign(view.quantity))

    def _break_even(self, view: PositionView) -> str:
        return fixed(view.entry_price)

    def _most(self, instrument: Instrument, view: PositionView) -> Decimal:
        return terms_of(instrument).most(view.leverage)

    def _full_position(self, instrument: Instrument, view: PositionView) -> dict[str, Any]:
        """A position in v2/account or in COIN-M's account."""
        row: dict[str, Any] = {
            "symbol": self._symbols.name(instrument.id), "initialMargin": fixed(view.initial_margin + view.order_margin),
            "maintMargin": fixed(view.maintenance_margin), "unrealizedProfit": fixed(view.unrealized),
            "positionInitialMargin": fixed(view.initial_margin), "openOrderInitialMargin": fixed(view.order_margin),
            "leverage": str(view.leverage), "isolated": view.isolated, "entryPrice": fixed(view.entry_price),
            "breakEvenPrice": self._break_even(view), "positionSide": _SIDES[view.side], "positionAmt": plain(view.quantity),
            "updateTime": view.updated_ms, "isolatedWallet": fixed(view.isolated_wallet),
        }  # fmt: skip
        if self._coin:
            return row | {"maxQty": plain_decimal(self._most(instrument, view)), "notionalValue": self._notional(view)}
        return row | {
            "maxNotional": plain_decimal(self._most(instrument, view)), "bidNotional": "0", "askNotional": "0", "notional": self._notional(view),
        }  # fmt: skip

    def position_risk(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET v2/positionRisk, and v1/positionRisk of COIN-M: every symbol, with leverage and margin mode."""
        of = self._asked(params)
        rows = []
        for instrument, view in self.positions_of(account):
            if instrument.id not in of:
                continue
            row: dict[str, Any] = {
                "symbol": self._symbols.name(instrument.id), "positionAmt": plain(view.quantity), "entryPrice": fixed(view.entry_price),
                "breakEvenPrice": self._break_even(view), "markPrice": fixed(view.mark_price), "unRealizedProfit": fixed(view.unrealized),
                "liquidationPrice": fixed(view.liquidation_price), "leverage": str(view.leverage),
                "marginType": "isolated" if view.isolated else "cross", "isolatedMargin": self._isolated_margin(view),
                "isAutoAddMargin": "false", "positionSide": _SIDES[view.side], "isolatedWallet": fixed(view.isolated_wallet),
                "updateTime": view.updated_ms,
            }  # fmt: skip
            most = plain_decimal(self._most(instrument, view))
            value = self._notional(view)
            rows.append(
                row
                | (
                    {"maxQty": most, "notionalValue": value}
                    if self._coin
                    else {"maxNotionalValue": most, "notional": value}
                )
            )
        return rows

    def position_risk_v3(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET v3/positionRisk: only symbols with a position or an order."""
        of = self._asked(params)
        return [
            {
                "symbol": self._symbols.name(instrument.id), "positionSide": _SIDES[view.side], "positionAmt": plain(view.quantity),
                "entryPrice": fixed(view.entry_price), "breakEvenPrice": self._break_even(view), "markPrice": fixed(view.mark_price),
                "unRealizedProfit": fixed(view.unrealized), "liquidationPrice": fixed(view.liquidation_price),
                "isolatedMargin": self._isolated_margin(view), "notional": self._notional(view), "marginAsset": instrument.settle,
                "isolatedWallet": fixed(view.isolated_wallet), "initialMargin": fixed(view.initial_margin + view.order_margin),
                "maintMargin": fixed(view.maintenance_margin), "positionInitialMargin": fixed(view.initial_margin),
                "openOrderInitialMargin": fixed(view.order_margin), "adl": self._adl(account, view), "bidNotional": "0", "askNotional": "0",
                "updateTime": view.updated_ms,
            }
            for instrument, view in self.positions_of(account, _in_use)
            if instrument.id in of
        ]  # fmt: skip

    def _asked(self, params: BinanceParams) -> set[str]:
        """The instruments that ``symbol``, ``pair`` or ``marginAsset`` names; all without any."""
        if "symbol" in params:
            return {self._symbols.instrument(params.symbol()).id}
        pair, asset = params.optional("pair"), params.optional("marginAsset")
        return {
            instrument.id
            for instrument in self._symbols.all()
            if pair in {None, self._symbols.pair(instrument)} and asset in {None, instrument.settle}
        }

    def _adl(self, account: TradingAccount, view: PositionView) -> int:
        """The quantile of a position in the order of deleveraging: 4 is reduced first."""
        rank = self._contracts.adl_rank(account, view.instrument, view.side)
        return min(4, int(rank * 5)) if rank else 0

    def adl_quantile(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET adlQuantile."""
        of = self._asked(params)
        rows: dict[str, dict[str, Any]] = {}
        for instrument, view in self.positions_of(account, _in_use):
            if instrument.id in of:
                row = rows.setdefault(instrument.id, {"symbol": self._symbols.name(instrument.id), "adlQuantile": {}})
                row["adlQuantile"][_SIDES[view.side]] = self._adl(account, view)
        return list(rows.values())

    # --- statement ---

    def income(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET income: profit, fees, funding, insurance and transfers, oldest first."""
        kind, symbol = params.optional("incomeType"), params.symbol() if "symbol" in params else None
        name = self._symbols.instrument(symbol).id if symbol is not None else None
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        if start is None and end is None:
            start = params.now_ms - _INCOME_DAYS_MS
        limit, page = params.limit(100, 1000), params.integer("page", 1) or 1
        found = [
            line
            for line in self._contracts.incomes(account)
            if (kind is None or _INCOME[line.kind] == kind)
            and name in {None, line.instrument}
            and (start is None or line.time_ms >= start)
            and (end is None or line.time_ms <= end)
        ]
        chosen = found[(page - 1) * limit : page * limit] if "page" in params or start is not None else found[-limit:]
        return [self._income(line) for line in chosen]

    def _income(self, line: Income) -> dict[str, Any]:
        return {
            "symbol": self._symbols.name(line.instrument) if line.instrument else "", "incomeType": _INCOME[line.kind],
            "income": fixed(line.amount), "asset": line.asset, "time": line.time_ms, "info": str(line.trade_id or _INCOME[line.kind]),
            "tranId": str(line.number) if self._coin else line.number, "tradeId": str(line.trade_id) if line.trade_id else "",
        }  # fmt: skip

    def commission(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET commissionRate."""
        instrument = self._symbols.instrument(params.symbol())
        row = {
            "symbol": self._symbols.name(instrument.id), "makerCommissionRate": plain_decimal(account.rate(instrument, maker=True)),
            "takerCommissionRate": plain_decimal(account.rate(instrument, maker=False)),
        }  # fmt: skip
        return row if self._coin else row | {"rpiCommissionRate": "0.00005"}

    def refuse_multi_assets(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST multiAssetsMargin: only the single-asset mode is simulated.

        Raises:
            BinanceRefusal: -4171 for the mode that is set, -4168 for the other.
        """
        if params.flag("multiAssetsMargin"):
            raise BinanceRefusal(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
        raise BinanceRefusal(-4171, "No need to change multi-assets mode.")


def _in_use(view: PositionView) -> bool:
    """Whether there is a position or an order."""
    return bool(view.quantity or view.orders)


def alias(account: TradingAccount) -> str:
    """A short code of an account, as balances and COIN-M's events carry it."""
    return f"sim{account.uid % 10_000:04d}"
