"""Settings of contracts: leverage, margin mode, position mode and brackets ("Trade" in Binance's documentation of derivatives)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.reasons import Reason, Rejected
from ...fields import plain_decimal
from ..parameters import BinanceParams, BinanceRefusal, malformed
from .accounts import terms_of
from .families import ContractSymbols, refuse_contract_order

__all__ = ["ContractSettings"]

_SIDES = {"BOTH": "net", "LONG": "long", "SHORT": "short"}
_DONE = {"code": 200, "msg": "success"}


class ContractSettings:
    """The handlers of settings.

    Args:
        exchange: The exchange.
        symbols: Its instruments under Binance's names.
        together: The exchanges of all families, which share one position mode since 2026-06-30.
    """

    def __init__(
        self, exchange: SimulatedExchange, symbols: ContractSymbols, together: Sequence[SimulatedExchange]
    ) -> None:
        self._exchange = exchange
        self._contracts = exchange.contracts
        self._symbols = symbols
        self._coin = symbols.family.coin
        self._together = together

    # --- leverage ---

    def set_leverage(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST leverage."""
        instrument, leverage = self._symbols.instrument(params.symbol()), params.integer("leverage")
        if leverage is None:
            raise malformed("leverage")
        try:
            self._contracts.set_leverage(account, instrument.id, leverage)
        except Rejected as error:
            if error.reason is Reason.BAD_LEVERAGE:
                raise BinanceRefusal(-4028, f"Leverage {leverage} is not valid") from error
            if error.reason is Reason.INSUFFICIENT_FUNDS:
                raise BinanceRefusal(
                    -2028, "Leverage is smaller than permitted: insufficient margin balance."
                ) from error
            raise refuse_contract_order(self._symbols.family, error, instrument) from error
        most = plain_decimal(terms_of(instrument).most(leverage))
        return {
            "leverage": leverage, "maxQty" if self._coin else "maxNotionalValue": most, "symbol": self._symbols.name(instrument.id),
        }  # fmt: skip

    def brackets(self, account: TradingAccount, params: BinanceParams) -> Any:
        """GET leverageBracket: the tiers of one symbol or of all."""
        if "symbol" in params:
            return [self._bracket(self._symbols.instrument(params.symbol()))]
        return [self._bracket(instrument) for instrument in self._symbols.all()]

    def _bracket(self, instrument: Instrument) -> dict[str, Any]:
        cap, floor = ("qtyCap", "qtyFloor") if self._coin else ("notionalCap", "notionalFloor")
        rows = [
            {
                "bracket": number, "initialLeverage": tier.max_leverage, cap: _number(tier.cap), floor: _number(tier.floor),
                "maintMarginRatio": float(tier.maintenance_rate), "cum": float(tier.amount),
                # The documents spell the floor of COIN-M both ways.
                **({"qtylFloor": _number(tier.floor)} if self._coin else {}),
            }
            for number, tier in enumerate(terms_of(instrument).tiers, 1)
        ]  # fmt: skip
        return {"symbol": self._symbols.name(instrument.id), "notionalCoef": 1.0, "brackets": rows}

    # --- margin ---

    def set_margin_type(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST marginType.

        Raises:
            BinanceRefusal: -4046 if it is set already, -4047 with open orders, -4048 with a position.
        """
        instrument = self._symbols.instrument(params.symbol())
        isolated = params.choice("marginType", ("ISOLATED", "CROSSED"), required=True) == "ISOLATED"
        if self._contracts.isolated(account, instrument.id) is isolated:
            raise BinanceRefusal(-4046, "No need to change margin type.")
        try:
            self._contracts.set_isolated(account, instrument.id, isolated)
        except Rejected as error:
            what = "open orders" if error.reason is Reason.OPEN_ORDERS else "position"
            code = -4047 if error.reason is Reason.OPEN_ORDERS else -4048
            raise BinanceRefusal(code, f"Margin type cannot be changed if there exists {what}.") from error
        return _DONE

    def move_margin(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST positionMargin: adds margin to an isolated position (type 1) or takes it back (2)."""
        instrument, amount = self._symbols.instrument(params.symbol()), params.decimal("amount")
        if amount is None:
            raise malformed("amount")
        if amount <= 0:
            raise BinanceRefusal(-4055, "Amount must be positive.")
        kind = int(params.choice("type", ("1", "2"), required=True) or 1)
        text = params.choice("positionSide", _SIDES, BinanceRefusal(-4060, "Invalid position side.")) or "BOTH"
        side: Any = _SIDES[text]
        try:
            self._contracts.move_margin(account, instrument.id, side, amount if kind == 1 else -amount)
        except Rejected as error:
            if error.reason is Reason.INSUFFICIENT_FUNDS:
                code, what = (-4050, "Cross") if kind == 1 else (-4051, "Isolated")
                raise BinanceRefusal(code, f"{what} balance insufficient.") from error
            raise BinanceRefusal(-4054, "Cannot add position margin: position is 0.") from error
        return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": kind}

    # --- position mode ---

    def position_mode(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET positionSide/dual."""
        return {"dualSidePosition": self._contracts.hedge(account)}

    def set_position_mode(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST positionSide/dual: of USDⓈ-M and COIN-M at once.

        Raises:
            BinanceRefusal: -4059 if it is set already, -4067 with open orders or -4068 with a position in either family.
        """
        hedge = params.required("dualSidePosition").lower()
        if hedge not in {"true", "false"}:
            raise params.invalid("dualSidePosition")
        wanted = hedge == "true"
        if self._contracts.hedge(account) is wanted:
            raise BinanceRefusal(-4059, "No need to change position side.")
        with ExitStack() as locks:
            for exchange in self._together:  # always in this order, so that two calls cannot wait for each other
                locks.enter_context(exchange.lock)
            changed = []
            try:
                for exchange in self._together:
                    exchange.contracts.set_hedge(exchange.account(account.name), wanted)
                    changed.append(exchange)
            except Rejected as error:
                for exchange in changed:
                    exchange.contracts.set_hedge(exchange.account(account.name), not wanted)
                raise refuse_contract_order(self._symbols.family, error, self._symbols.all()[0]) from error
        return _DONE

    # --- what is set ---

    def symbol_config(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET symbolConfig."""
        chosen = [self._symbols.instrument(params.symbol())] if "symbol" in params else self._symbols.all()
        rows = []
        for instrument in chosen:
            leverage = self._contracts.leverage(account, instrument.id)
            isolated = self._contracts.isolated(account, instrument.id)
            rows.append(
                {
                    "symbol": self._symbols.name(instrument.id), "marginType": "ISOLATED" if isolated else "CROSSED",
                    "isAutoAddMargin": False, "leverage": leverage,
                    "maxNotionalValue": plain_decimal(terms_of(instrument).most(leverage)),
                }
            )  # fmt: skip
        return rows

    def account_config(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET accountConfig."""
        return {
            "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "multiAssetsMargin": False, "tradeGroupId": -1,
            "dualSidePosition": self._contracts.hedge(account), "updateTime": account.updated_ms,
        }  # fmt: skip


def _number(value: Decimal) -> int | float:
    """A JSON number: whole where it is."""
    return int(value) if value == value.to_integral_value() else float(value)
