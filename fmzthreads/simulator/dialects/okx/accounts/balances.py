"""OKX v5's balances and configuration of an account ("Trading Account" in OKX's API guide)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from ....engine.accounts import TradingAccount
from ....engine.balances import Balance
from ....engine.exchange import SimulatedExchange
from ....engine.margin.margin_accounts import MarginWallet
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal
from ..public.instruments import Instruments
from ..public.market import OkxMarket
from ..public.products import INST_TYPES, product_of

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
        """GET account/balance, in the format of the account mode Spot."""
        wanted = (params.optional("ccy") or "").split(",") if params.optional("ccy") else None
        if wanted is not None and len(wanted) > _MOST_CURRENCIES:
            raise OkxRefusal("50025", f"Parameter ccy count exceeds the limit {_MOST_CURRENCIES}.")
        return [self.describe(account, wanted, params.now_ms)]

    def describe(
        self, account: TradingAccount, currencies: list[str] | None, now_ms: int, *, zeros: bool = False
    ) -> dict[str, Any]:
        """The balance object, also for pushes; None for all currencies; zeros only with ``zeros``."""
        details, sums = [], _Sums()
        updated = str(account.updated_ms or now_ms)
        with self._exchange.lock:
            for asset, balance in self._exchange.balances(account).items():
                wallet = self._exchange.contracts.wallet(account, asset) if self._instruments.has_contracts else None
                equity = _equity(wallet) if wallet is not None else balance.total
                if (not balance.total and not equity and not zeros) or (
                    currencies is not None and asset not in currencies
                ):
                    continue
                price = self._dollars(asset)
                sums.total += equity * price
                detail = self._detail(asset, balance, equity * price, updated)
                if wallet is not None:
                    detail.update(_margin_fields(balance, wallet, equity))
                    sums.add(wallet, price)
                details.append(detail)
        answer: dict[str, Any] = dict.fromkeys(_EMPTY_BALANCE_FIELDS, "")
        answer.update(uTime=updated, totalEq=plain_decimal(sums.total.quantize(_CENTS)), details=details)
        if self._instruments.has_contracts:
            answer.update(
                isoEq=plain_decimal(sums.isolated.quantize(_CENTS)), upl=plain_decimal(sums.unrealized.quantize(_CENTS))
            )
        return answer

    @staticmethod
    def _detail(asset: str, balance: Balance, worth: Decimal, updated: str) -> dict[str, Any]:
        """One currency, as in the account mode Spot."""
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
        return detail

    def _dollars(self, asset: str) -> Decimal:
        """The value of one unit of an asset in dollars; 0 if it has no dollar pair."""
        if asset in _DOLLARS:
            return Decimal(1)
        for instrument in self._exchange.instruments():
            if instrument.base == asset and instrument.quote in _DOLLARS:
                return self._market.last(instrument)
        return Decimal(0)

    def config(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/config: permission to read and trade; the mode is Futures where there are contracts, else Spot."""
        contracts = self._instruments.has_contracts
        hedge = contracts and self._exchange.contracts.hedge(account)
        row: dict[str, Any] = dict.fromkeys(_EMPTY_CONFIG_FIELDS, "")
        row.update(
            uid=str(account.uid),
            mainUid=str(account.uid),
            acctLv="2" if contracts else "1",
            acctStpMode="cancel_maker",
            posMode="long_short_mode" if hedge else "net_mode",
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

    def trade_fee(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/trade-fee: negative rates are charged."""
        kind = params.choice("instType", INST_TYPES, required=True)
        name, family = params.optional("instId"), params.optional("instFamily") or params.optional("uly")
        if name is not None:
            chosen = self._instruments.instrument(name)
        else:
            chosen = next(iter(self._instruments.of_type(kind, family)), self._exchange.instruments()[0])
        maker = plain_decimal(-account.rate(chosen, maker=True))
        taker = plain_decimal(-account.rate(chosen, maker=False))
        product = product_of(chosen)
        group = {"groupId": product.fee_group, "taker": taker, "maker": maker, "elpMaker": "", "rpiMaker": ""}
        row: dict[str, Any] = dict.fromkeys(("delivery", "exercise", "makerU", "takerU", "settle", "category"), "")
        if product.contracts:
            row.update(makerU=maker, takerU=taker)
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

    def max_withdrawal(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/max-withdrawal: all free amounts."""
        wanted = (params.optional("ccy") or "").split(",") if params.optional("ccy") else None
        empty = dict.fromkeys(("spotOffsetMaxWd", "spotOffsetMaxWdEx"), "")
        return [
            {"ccy": asset, "maxWd": plain_decimal(held.free), "maxWdEx": plain_decimal(held.free), **empty}
            for asset, held in self._exchange.balances(account).items()
            if wanted is None or asset in wanted
        ]

    def rate_limit(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/account-rate-limit: the limit of a sub-account without a fill ratio."""
        row = {"accRateLimit": "1000", "fillRatio": "", "mainFillRatio": "", "nextAccRateLimit": "1000"}
        return [{**row, "ts": str(params.now_ms)}]

    def nothing(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """Calls that clients make at start, answered with empty lists: currencies, funding balances."""
        return []


@attrs.define
class _Sums:
    """Sums over all currencies, in dollars."""

    total: Decimal = Decimal(0)
    isolated: Decimal = Decimal(0)
    unrealized: Decimal = Decimal(0)

    def add(self, wallet: MarginWallet, price: Decimal) -> None:
        """Adds one currency."""
        self.isolated += _isolated(wallet) * price
        self.unrealized += wallet.unrealized * price


def _isolated(wallet: MarginWallet) -> Decimal:
    """The equity of isolated positions."""
    return wallet.wallet - wallet.cross_wallet + wallet.unrealized - wallet.cross_unrealized


def _equity(wallet: MarginWallet) -> Decimal:
    """Cash, isolated margins and the profit of all positions."""
    return wallet.wallet + wallet.unrealized


def _margin_fields(balance: Balance, wallet: MarginWallet, equity: Decimal) -> dict[str, str]:
    """What the account mode Futures adds to a currency."""
    isolated = _isolated(wallet)
    available = min(wallet.available, max(Decimal(0), equity - isolated - balance.frozen))
    cross = wallet.cross_wallet + wallet.cross_unrealized
    needed = wallet.cross_maintenance
    return {
        "eq": plain_decimal(equity),
        "isoEq": plain_decimal(isolated),
        "availEq": plain_decimal(available),
        "availBal": plain_decimal(min(available, balance.free)),
        "frozenBal": plain_decimal(equity - available),
        "ordFrozen": plain_decimal(balance.frozen + wallet.order_margin),
        "upl": plain_decimal(wallet.unrealized),
        "isoUpl": plain_decimal(wallet.unrealized - wallet.cross_unrealized),
        "imr": plain_decimal(wallet.initial_margin + wallet.order_margin),
        "mmr": plain_decimal(wallet.maintenance_margin),
        "mgnRatio": plain_decimal((cross / needed).quantize(_CENTS)) if needed else "",
    }


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
