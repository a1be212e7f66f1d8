"""OKX v5's calls of a spot account ("Trading Account" in OKX's API guide)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal
from ..public.instruments import Instruments
from ..public.market import OkxMarket

__all__ = ["OkxAccounts"]

_DOLLARS = ("USDT", "USDC", "USD")
_MOST_CURRENCIES = 20
_MOST_INSTRUMENTS = 5


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
        """The value of one unit of an asset in dollars; 0 if it has no dollar pair."""
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
        """GET account/positions: empty for a spot account."""
        return []

    def trade_fee(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/trade-fee: negative rates are charged."""
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

    def _holdings(self, account: TradingAccount, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """The free amounts of the quote asset and of the base asset."""
        held = self._exchange.balances(account)
        free = [held[asset].free if asset in held else Decimal(0) for asset in (instrument.quote, instrument.base)]
        return free[0], free[1]

    def _chosen(self, params: OkxParams) -> list[tuple[str, Instrument]]:
        """The instruments of up to five names, in a trade mode valid for spot."""
        if params.choice("tdMode", ("cash", "cross", "isolated", "spot_isolated"), required=True) != "cash":
            raise OkxRefusal("51010", "Request unsupported under current account mode")
        names = params.required("instId").split(",")
        if len(names) > _MOST_INSTRUMENTS:
            raise params.invalid("instId")
        return [(name, self._instruments.instrument(name)) for name in names]

    def max_size(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/max-size: the maximum amounts of base to buy and to sell."""
        chosen, price = self._chosen(params), params.decimal("px")
        rows = []
        for name, instrument in chosen:
            quote, base = self._holdings(account, instrument)
            at = price if price is not None and price > 0 else self._market.last(instrument)
            most = quote / at if at else Decimal(0)
            rows.append(
                {
                    "ccy": instrument.base,
                    "instId": name,
                    "maxBuy": plain_decimal(most - most % instrument.step),
                    "maxSell": plain_decimal(base - base % instrument.step),
                }
            )
        return rows

    def max_avail_size(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/max-avail-size: quote to buy with, and base to sell."""
        rows = []
        for name, instrument in self._chosen(params):
            quote, base = self._holdings(account, instrument)
            rows.append({"instId": name, "availBuy": plain_decimal(quote), "availSell": plain_decimal(base)})
        return rows

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
