"""OKX v5's account endpoints for a spot account (fact sheet 2.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ..fields import plain_decimal
from .market import Instruments, OkxMarket
from .parameters import OkxParams, OkxRefusal

__all__ = ["OkxAccounts"]

_DOLLARS = ("USDT", "USDC", "USD")
_MOST_CURRENCIES = 20


class OkxAccounts:
    """The handlers of the account endpoints; each takes an account, the query and the time, and returns the rows of ``data``."""

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, market: OkxMarket) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._market = market

    def balance(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/balance, in the shape of the account mode Spot."""
        wanted = (params.optional("ccy") or "").split(",") if params.optional("ccy") else None
        if wanted is not None and len(wanted) > _MOST_CURRENCIES:
            raise OkxRefusal("50025", f"Parameter ccy count exceeds the limit {_MOST_CURRENCIES}.")
        return [self.describe(account, wanted, params.now_ms)]

    def describe(
        self, account: TradingAccount, currencies: list[str] | None, now_ms: int, *, zeros: bool = False
    ) -> dict[str, Any]:
        """The balance object, also for pushes; ``currencies`` None is all; what is zero is left out unless ``zeros``."""
        total = Decimal(0)
        details = []
        updated = str(account.updated_ms or now_ms)
        for asset, balance in self._exchange.balances(account).items():
            if (not balance.total and not zeros) or (currencies is not None and asset not in currencies):
                continue
            worth = balance.total * self._dollars(asset)
            total += worth
            detail: dict[str, Any] = dict.fromkeys(_EMPTY_DETAIL_FIELDS, "")
            detail.update(dict.fromkeys(_ZERO_DETAIL_FIELDS, "0"))
            detail.update(
                ccy=asset,
                eq=plain_decimal(balance.total),
                cashBal=plain_decimal(balance.total),
                uTime=updated,
                availBal=plain_decimal(balance.free),
                frozenBal=plain_decimal(balance.frozen),
                ordFrozen=plain_decimal(balance.frozen),
                disEq=plain_decimal(worth.quantize(_CENTS)),
                eqUsd=plain_decimal(worth.quantize(_CENTS)),
                spotBal=plain_decimal(balance.total),
                collateralRestrict=False,
                collateralEnabled=False,
                autoLendStatus="unsupported",
            )
            details.append(detail)
        answer: dict[str, Any] = dict.fromkeys(_EMPTY_BALANCE_FIELDS, "")
        answer.update(uTime=updated, totalEq=plain_decimal(total.quantize(_CENTS)), details=details)
        return answer

    def _dollars(self, asset: str) -> Decimal:
        """What one of an asset is worth in dollars; 0 when it is traded against none."""
        if asset in _DOLLARS:
            return Decimal(1)
        for instrument in self._exchange.instruments():
            if instrument.base == asset and instrument.quote in _DOLLARS:
                return self._market.last(instrument)
        return Decimal(0)

    def config(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/config: a spot account with permission to read and trade."""
        row: dict[str, Any] = dict.fromkeys(_EMPTY_CONFIG_FIELDS, "")
        row.update(
            uid=str(account.uid),
            mainUid=str(account.uid),
            acctLv="1",
            acctStpMode="cancel_maker",
            posMode="net_mode",
            autoLoan=False,
            feeType="0",
            level="Lv1",
            greeksType="PA",
            ctIsoMode="automatic",
            mgnIsoMode="automatic",
            roleType="0",
            spotRoleType="0",
            opAuth="0",
            kycLv="3",
            label=account.name,
            perm="read_only,trade",
            type="0",
            enableSpotBorrow=False,
            spotBorrowAutoRepay=False,
            traderInsts=[],
            spotTraderInsts=[],
            settleCcyList=[],
        )
        return [row]

    def positions(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/positions: a spot account has none."""
        return []

    def trade_fee(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/trade-fee: a rate below 0 is charged."""
        kind = params.choice("instType", ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"), required=True)
        name = params.optional("instId")
        chosen = self._instruments.instrument(name) if name is not None else self._exchange.instruments()[0]
        maker = plain_decimal(-account.rate(chosen, maker=True))
        taker = plain_decimal(-account.rate(chosen, maker=False))
        group = {"groupId": "12", "taker": taker, "maker": maker, "elpMaker": "", "rpiMaker": ""}
        row: dict[str, Any] = dict.fromkeys(("delivery", "exercise", "makerU", "takerU", "settle", "category"), "")
        row.update(
            level="Lv1",
            feeGroup=[group],
            instType=kind,
            ts=str(params.now_ms),
            taker=taker,
            maker=maker,
            takerUSDC=taker,
            makerUSDC=maker,
            ruleType="normal",
            fiat=[],
        )
        return [row]

    def nothing(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """What clients ask when they start and a spot simulator has none of: currencies to withdraw, funding balances."""
        return []


_CENTS = Decimal("0.00000001")
_EMPTY_BALANCE_FIELDS = (
    "adjEq", "availEq", "borrowFroz", "delta", "deltaLever", "deltaNeutralStatus", "imr", "isoEq", "mgnRatio", "mmr", "notionalUsd",
    "notionalUsdForBorrow", "notionalUsdForFutures", "notionalUsdForOption", "notionalUsdForSwap", "ordFroz", "upl",
)  # fmt: skip
_ZERO_DETAIL_FIELDS = (
    "borrowFroz", "clSpotInUseAmt", "fixedBal", "isoEq", "maxSpotInUse", "rewardBal", "smtSyncEq", "spotCopyTradingEq", "spotInUseAmt",
    "spotIsoBal", "stgyEq", "colRes", "frpType",
)  # fmt: skip
_EMPTY_DETAIL_FIELDS = (
    "accAvgPx", "autoLendMtAmt", "availEq", "colBorrAutoConversion", "crossLiab", "imr", "interest", "isoLiab", "isoUpl", "liab",
    "maxLoan", "mgnRatio", "mmr", "notionalLever", "openAvgPx", "spotUpl", "spotUplRatio", "totalPnl", "totalPnlRatio", "twap", "upl",
    "uplLiab",
)  # fmt: skip
_EMPTY_CONFIG_FIELDS = ("ip", "levelTmp", "liquidationGear", "settleCcy", "spotOffsetType", "stgyType")
