"""OKX v5's settings of an account for contracts ("Set leverage", "Set position mode" in OKX's API guide)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.margin.positions import Side
from ....engine.reasons import Reason, Rejected
from ...fields import plain_decimal
from ..parameters import OkxParams, OkxRefusal, PostedFields
from ..public.instruments import Instruments
from ..public.products import product_of

__all__ = ["AccountSettings"]

_MOST_INSTRUMENTS = 20
_SIDES: dict[str, Side] = {"net": "net", "long": "long", "short": "short"}


class AccountSettings:
    """The handlers of leverage, position mode and isolated margin.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments) -> None:
        self._exchange = exchange
        self._instruments = instruments

    # --- position mode ---

    def set_position_mode(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """POST account/set-position-mode.

        Raises:
            OkxRefusal: 59000 while orders or positions in contracts are open.
        """
        item = PostedFields(params.items[0])
        mode = item.choice("posMode", ("net_mode", "long_short_mode"), required=True)
        try:
            self._exchange.contracts.set_hedge(account, mode == "long_short_mode")
        except Rejected as error:
            raise OkxRefusal(
                "59000", "Settings failed. Close any open positions or orders before modifying settings."
            ) from error
        return [{"posMode": mode}]

    # --- leverage ---

    def set_leverage(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """POST account/set-leverage: of both sides of a contract for cross margin, of one side for isolated margin in long/short mode.

        Raises:
            OkxRefusal: 59102 or 59105 for the number, 59106 if the position is too large for it, 59103 or 59108 without the margin.
        """
        item = PostedFields(params.items[0])
        mode = item.choice("mgnMode", ("cross", "isolated"), required=True)
        text = item.required("lever") or ""
        instrument = self._contract(item.required("instId") or "")
        isolated = mode == "isolated"
        side = self._side_of(account, item, isolated=isolated)
        leverage = _whole(text)
        terms = instrument.terms
        assert terms is not None  # of a contract
        if leverage < 1:
            raise OkxRefusal("59105", "Leverage can't be less than 1. Please increase the leverage.", 400)
        if leverage > terms.max_leverage:
            raise OkxRefusal("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
        try:
            self._exchange.contracts.set_leverage(account, instrument.id, leverage, side, isolated)
        except Rejected as error:
            raise self._refuse_leverage(error, isolated=isolated) from error
        return [
            {
                "lever": str(leverage),
                "mgnMode": mode,
                "instId": self._instruments.name(instrument.id),
                "posSide": (side or "") if isolated else "",
            }
        ]

    @staticmethod
    def _refuse_leverage(error: Rejected, *, isolated: bool) -> OkxRefusal:
        if error.reason is Reason.POSITION_LIMIT:
            return OkxRefusal(
                "59106",
                "The max available margin corresponding to your order tier is exceeded. Please adjust your margin and place a new order.",
            )
        if error.reason is Reason.INSUFFICIENT_FUNDS and isolated:
            return OkxRefusal(
                "59103", "Account margin is insufficient and leverage is too low. Please increase the leverage."
            )
        if error.reason is Reason.INSUFFICIENT_FUNDS:
            return OkxRefusal(
                "59108", "Your account leverage is too low and has insufficient margins. Please increase the leverage."
            )
        return OkxRefusal("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")

    def _side_of(self, account: TradingAccount, item: PostedFields, *, isolated: bool) -> Side | None:
        """The side that a leverage or a margin is of; None for all sides."""
        word = item.choice("posSide", tuple(_SIDES))
        if not isolated:
            return None
        if not self._exchange.contracts.hedge(account):
            if word not in {None, "net"}:
                raise OkxRefusal("51000", "Parameter posSide error", 400)
            return "net"
        if word in {None, "net"}:
            raise OkxRefusal("51000", "Parameter posSide error", 400)
        return _SIDES[word or "net"]

    def leverage_info(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET account/leverage-info: two rows, long and short, in long/short mode."""
        mode = params.choice("mgnMode", ("cross", "isolated"), required=True) or ""
        names = params.required("instId").split(",")
        if len(names) > _MOST_INSTRUMENTS:
            raise params.invalid("instId")
        hedge = self._exchange.contracts.hedge(account)
        sides: tuple[Side, ...] = ("long", "short") if hedge else ("net",)
        return [
            {
                "ccy": "",
                "instId": name,
                "mgnMode": mode,
                "posSide": side,
                "lever": str(
                    self._exchange.contracts.leverage(account, self._contract(name).id, side, mode == "isolated")
                ),
            }
            for name in names
            for side in sides
        ]

    def _contract(self, name: str) -> Instrument:
        found = self._instruments.instrument(name)
        if not product_of(found).contracts:
            raise OkxRefusal("51010", "Request unsupported under current account mode")  # spot margin is not simulated
        return found

    # --- the margin of an isolated position ---

    def move_margin(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """POST account/position/margin-balance.

        Raises:
            OkxRefusal: 59300 without an isolated position, 59301 if the amount is more than can be moved.
        """
        item = PostedFields(params.items[0])
        instrument = self._contract(item.required("instId") or "")
        kind = item.choice("type", ("add", "reduce"), required=True)
        item.required("amt")
        amount = item.decimal("amt") or Decimal(0)
        if amount <= 0:
            raise OkxRefusal("51000", "Parameter amt error", 400)
        side = self._side_of(account, item, isolated=True) or "net"
        try:
            with self._exchange.lock:
                moved = amount if kind == "add" else -amount
                self._exchange.contracts.move_margin(account, instrument.id, side, moved)
                view = self._exchange.contracts.position(account, instrument.id, side, True)
        except Rejected as error:
            if error.reason is Reason.OPEN_POSITIONS:
                raise OkxRefusal("59300", "Margin call failed. Position does not exist.") from error
            raise OkxRefusal("59301", "Margin adjustment failed for exceeding the max limit.") from error
        real = view.value / view.isolated_wallet if view.isolated_wallet else Decimal(0)
        return [
            {
                "amt": plain_decimal(amount),
                "ccy": instrument.settle,
                "instId": self._instruments.name(instrument.id),
                "leverage": plain_decimal(real.quantize(Decimal("0.01"))),
                "posSide": side,
                "type": kind,
            }
        ]


def _whole(text: str) -> int:
    """A leverage; fractions are not simulated."""
    if not re.fullmatch(r"[0-9]{1,6}(\.0+)?", text, re.ASCII):
        raise OkxRefusal("51000", "Parameter lever error", 400)
    return int(text.split(".", maxsplit=1)[0])
