"""OKX v5's positions ("Get positions", "Get positions history" in OKX's API guide)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ....engine.margin.positions import PositionView
from ....engine.orders import OrderOrigin
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal
from ..public.contract_data import ContractData
from ..public.instruments import Instruments
from ..public.market import OkxMarket
from ..public.products import INST_TYPES, family_of, product_of
from .position_log import PositionLog, PositionRecord

__all__ = ["Positions"]

_DOLLARS = ("USDT", "USDC", "USD")
_MOST_INSTRUMENTS = 10
_MOST_POSITIONS = 20
_MOST_HISTORY = 100
_DIGITS = Decimal("0.0000000001")
_CLOSE_TYPES = {
    OrderOrigin.USER: ("1", "2"),
    OrderOrigin.LIQUIDATION: ("4", "3"),
    OrderOrigin.ADL: ("5", "6"),
    OrderOrigin.DELIVERY: ("1", "2"),
}
"""``type`` of a position that was closed in part, and completely."""


class Positions:
    """The handlers that list positions; each takes an account, the query and the time, and returns the rows of ``data``.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        market: Knows last prices.
        contracts: Knows mark and index prices.
        log: What the engine does not keep of positions.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        instruments: Instruments,
        market: OkxMarket,
        contracts: ContractData,
        log: PositionLog,
    ) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._market = market
        self._contracts = contracts
        self.log = log

    # --- open positions ---

    def positions(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/positions: newest first; a closed position only when it is asked for by name."""
        kind = params.choice("instType", ("MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"))
        names = _words(params, "instId", _MOST_INSTRUMENTS)
        ids = _words(params, "posId", _MOST_POSITIONS)
        for name in names or ():
            found = self._instruments.instrument(name)
            if kind is not None and product_of(found).inst_type != kind:
                raise OkxRefusal("51015", "Instrument ID doesn't match instrument type.")
        rows = []
        with self._exchange.lock:
            for view in self._exchange.contracts.positions(account):
                row = self.describe(account, view)
                if (
                    row is not None
                    and (view.quantity or names is not None)
                    and kind in {None, row["instType"]}
                    and (names is None or row["instId"] in names)
                    and (ids is None or row["posId"] in ids)
                ):
                    rows.append(row)
        return sorted(rows, key=lambda row: (int(row["cTime"]), int(row["posId"])), reverse=True)

    def describe(self, account: TradingAccount, view: PositionView) -> dict[str, Any] | None:
        """The row of a position; None for a side that never had one."""
        key = (account.name, view.instrument, view.side, view.isolated)
        record = self.log.find(*key) or self.log.last_closed(*key)
        if record is None:
            return None
        instrument = self._exchange.instrument(view.instrument)
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(
            instType=product_of(instrument).inst_type,
            instId=self._instruments.name(instrument.id),
            mgnMode="isolated" if view.isolated else "cross",
            posId=str(record.position_id),
            posSide=view.side,
            ccy=instrument.settle,
            lever=str(view.leverage),
            closeOrderAlgo=self._closing_algos(account, view),
            cTime=str(record.opened_ms),
            uTime=str(max(record.updated_ms, view.updated_ms)),
        )
        if not view.quantity:
            row.update(pos="0", availPos="", tradeId=str(record.trade_id))
            return row
        row.update(self._amounts(account, instrument, view))
        row.update(self._sums(account, record))
        return row

    def _amounts(self, account: TradingAccount, instrument: Instrument, view: PositionView) -> dict[str, str]:
        """Prices, margins and unrealized profit."""
        size = view.quantity if view.side == "net" else abs(view.quantity)
        last, mark = self._market.last(instrument), view.mark_price
        dollars = Decimal(1) if instrument.settle in _DOLLARS else self._contracts.index(instrument)
        wallet = self._exchange.contracts.wallet(account, instrument.settle)
        if view.isolated:
            equity, needed = view.isolated_wallet + view.unrealized, view.maintenance_margin
        else:
            equity, needed = wallet.cross_wallet + wallet.cross_unrealized, wallet.cross_maintenance
        entry_margin = _worth(instrument, abs(view.quantity), view.entry_price) / view.leverage
        upl_last = _profit(instrument, view, last)
        rank = self._exchange.contracts.adl_rank(account, view.instrument, view.side, view.isolated)
        return {
            "pos": plain_decimal(size),
            "availPos": "",
            "avgPx": _short(view.entry_price),
            "markPx": plain_decimal(mark),
            "upl": plain_decimal(view.unrealized),
            "uplRatio": _ratio(view.unrealized, entry_margin),
            "uplLastPx": _short(upl_last),
            "uplRatioLastPx": _ratio(upl_last, entry_margin),
            "liqPx": _short(view.liquidation_price) if view.liquidation_price else "",
            "imr": "" if view.isolated else plain_decimal(view.initial_margin),
            "margin": plain_decimal(view.isolated_wallet) if view.isolated else "",
            "mmr": plain_decimal(view.maintenance_margin),
            "mgnRatio": _ratio(equity, needed),
            "notionalUsd": _short(view.value * dollars),
            "adl": str(min(5, math.ceil(5 * rank))),
            "last": plain_decimal(last),
            "idxPx": plain_decimal(self._contracts.index(instrument)),
            "usdPx": plain_decimal(dollars),
        }

    def _sums(self, account: TradingAccount, record: PositionRecord) -> dict[str, str]:
        """What was realized since the position was opened."""
        penalty = self._penalty(account, record)
        return {
            "tradeId": str(record.trade_id),
            "pnl": _short(record.profit),
            "fee": _short(-record.fee),
            "fundingFee": _short(record.funding),
            "liqPenalty": _short(penalty),
            "realizedPnl": _short(record.profit - record.fee + record.funding + penalty),
        }

    def _penalty(self, account: TradingAccount, record: PositionRecord) -> Decimal:
        """Liquidation fees, at most 0."""
        return (
            sum(
                (
                    min(line.amount, Decimal(0))
                    for line in self._exchange.contracts.incomes(account)
                    if line.kind == "insurance"
                    and line.instrument == record.instrument
                    and line.side == record.side
                    and record.opened_ms <= line.time_ms <= record.updated_ms
                ),
                Decimal(0),
            )
            if record.last_close is OrderOrigin.LIQUIDATION
            else Decimal(0)
        )

    def _closing_algos(self, account: TradingAccount, view: PositionView) -> list[dict[str, str]]:
        """The algo orders that close the whole position."""
        rows = []
        for algo in self._exchange.conditions.waiting(account):
            request = algo.request
            if (
                request.whole_position
                and request.order.instrument == view.instrument
                and request.order.position_side == view.side
                and bool(request.order.isolated) is view.isolated
            ):
                row = {"algoId": str(algo.condition_id), "closeFraction": "1"}
                legs = {leg.name: leg for leg in request.legs}
                for name in ("sl", "tp"):
                    leg = legs.get(name)
                    row[f"{name}TriggerPx"] = plain_decimal(leg.price) if leg is not None else ""
                    row[f"{name}TriggerPxType"] = leg.source.value if leg is not None else ""
                rows.append(row)
        return rows

    # --- closed ones ---

    def history(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/positions-history: positions that were closed in part or completely, the last changed first."""
        kind, name = params.choice("instType", INST_TYPES), params.optional("instId")
        wanted = self._instruments.instrument(name).id if name is not None else None
        mode = params.choice("mgnMode", ("cross", "isolated"))
        closed_as, number = params.choice("type", ("1", "2", "3", "4", "5", "6")), params.optional("posId")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, _MOST_HISTORY)
        rows = []
        with self._exchange.lock:
            for record in self.log.changed(account.name):
                if (
                    wanted not in {None, record.instrument}
                    or (mode is not None and (mode == "isolated") is not record.isolated)
                    or (after is not None and record.updated_ms >= after)
                    or (before is not None and record.updated_ms <= before)
                    or number not in {None, str(record.position_id)}
                ):
                    continue
                row = self._describe_closed(account, record)
                if kind in {None, row["instType"]} and closed_as in {None, row["type"]}:
                    rows.append(row)
        return rows[:limit]

    def _describe_closed(self, account: TradingAccount, record: PositionRecord) -> dict[str, str]:
        instrument = self._exchange.instrument(record.instrument)
        in_part, complete = _CLOSE_TYPES[record.last_close or OrderOrigin.USER]
        opened = record.open_price(instrument)
        sums = self._sums(account, record)
        margin = _worth(instrument, record.largest, opened) / max(1, record.leverage)
        return {
            "instType": product_of(instrument).inst_type,
            "instId": self._instruments.name(instrument.id),
            "mgnMode": "isolated" if record.isolated else "cross",
            "type": in_part if record.size else complete,
            "cTime": str(record.opened_ms),
            "uTime": str(record.updated_ms),
            "openAvgPx": _short(opened),
            "nonSettleAvgPx": "",
            "closeAvgPx": _short(record.close_price(instrument)),
            "posId": str(record.position_id),
            "openMaxPos": plain_decimal(record.largest),
            "closeTotalPos": plain_decimal(record.closed_size),
            "realizedPnl": sums["realizedPnl"],
            "settledPnl": "",
            "pnlRatio": _ratio(Decimal(sums["realizedPnl"]), margin),
            "fee": sums["fee"],
            "fundingFee": sums["fundingFee"],
            "liqPenalty": sums["liqPenalty"],
            "pnl": sums["pnl"],
            "posSide": record.side,
            "lever": f"{record.leverage}.0",
            "direction": record.direction,
            "triggerPx": plain_decimal(record.mark) if record.mark is not None else "",
            "uly": family_of(instrument),
            "ccy": instrument.settle,
        }


def _words(params: OkxParams, name: str, most: int) -> list[str] | None:
    """The words of a comma list; None if absent."""
    text = params.optional(name)
    if text is None:
        return None
    words = text.split(",")
    if len(words) > most:
        raise OkxRefusal("50025", f"Parameter {name} count exceeds the limit {most}.")
    return words


def _worth(instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """What contracts are worth at a price, in the settling asset."""
    value = size * instrument.contract_value
    if instrument.kind is not Kind.INVERSE:
        return value * price
    return value / price if price else Decimal(0)


def _profit(instrument: Instrument, view: PositionView, price: Decimal) -> Decimal:
    """A position's profit at another price than the mark price."""
    if not price or not view.entry_price:
        return Decimal(0)
    value = view.quantity * instrument.contract_value
    if instrument.kind is Kind.INVERSE:
        return value / view.entry_price - value / price
    return (price - view.entry_price) * value


def _ratio(amount: Decimal, of: Decimal) -> str:
    return _short(amount / of) if of else ""


def _short(value: Decimal) -> str:
    """A number with at most ten decimal places."""
    return plain_decimal(value.quantize(_DIGITS))


# The fields of a row that are empty for contracts, or for a closed position.
_EMPTY_FIELDS = (
    "adl", "avgPx", "baseBal", "baseBorrowed", "baseInterest", "bePx", "bizRefId", "bizRefType", "clSpotInUseAmt", "deltaBS", "deltaPA",
    "fee", "fundingFee", "gammaBS", "gammaPA", "hedgedPos", "idxPx", "imr", "interest", "last", "liab", "liabCcy", "liqPenalty", "liqPx",
    "margin", "markPx", "maxSpotInUseAmt", "mgnRatio", "mmr", "nonSettleAvgPx", "notionalUsd", "optVal", "pendingCloseOrdLiabVal", "pnl",
    "posCcy", "quoteBal", "quoteBorrowed", "quoteInterest", "realizedPnl", "settledPnl", "spotInUseAmt", "spotInUseCcy", "thetaBS",
    "thetaPA", "upl", "uplLastPx", "uplRatio", "uplRatioLastPx", "usdPx", "vegaBS", "vegaPA",
)  # fmt: skip
