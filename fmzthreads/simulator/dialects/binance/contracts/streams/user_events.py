"""The user data of contracts ("User Data Streams" in Binance's documentation of derivatives)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .....engine.accounts import TradingAccount
from .....engine.conditional.conditions import ConditionEvent, ConditionView
from .....engine.events import AccountEvent, LeverageEvent, MarginCallEvent, OrderEvent
from .....engine.exchange import SimulatedExchange
from .....engine.margin.positions import PositionView
from .....engine.orders import FillView, Finish, OrderOrigin, OrderView, State
from .....transport.push import Push
from .....transport.requests import encode_json
from .....transport.topics import Feed, Topic
from ...symbols import fixed
from ..accounts import alias
from ..algo_orders import algo_status
from ..families import ContractSymbols
from ..market import plain
from ..order_rows import contract_force, contract_status, contract_type

__all__ = ["ContractUserTopic"]

_ZERO = Decimal(0)
_SIDES = {"net": "BOTH", "long": "LONG", "short": "SHORT"}
_REASONS = {
    "order": "ORDER", "funding": "FUNDING_FEE", "liquidation": "ORDER", "delivery": "ORDER", "deposit": "DEPOSIT", "margin": "MARGIN_TRANSFER",
}  # fmt: skip
_EXPIRY = {
    Finish.SELF_TRADE: "1", Finish.IOC: "2", Finish.REDUCE_ONLY: "4", Finish.LIQUIDATION: "5", Finish.DELIVERY: "7",
    Finish.NO_LIQUIDITY: "9", Finish.FOK: "10", Finish.POST_ONLY: "11",
}  # fmt: skip


class ContractUserTopic(Topic):
    """The events of one account, as they happen.

    Args:
        feed: The source of the events.
        exchange: The exchange.
        account: The account.
        symbols: The exchange's instruments under Binance's names.
        now_ms: The venue's time.
    """

    def __init__(
        self,
        feed: Feed,
        exchange: SimulatedExchange,
        account: TradingAccount,
        symbols: ContractSymbols,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(feed)
        self._exchange = exchange
        self._account = account
        self._symbols = symbols
        self._now_ms = now_ms
        self._coin = symbols.family.coin
        self._handlers: dict[type, Callable[[Any], None]] = {
            OrderEvent: self._order_changed, AccountEvent: self._account_changed, ConditionEvent: self._condition_changed,
            MarginCallEvent: self._margin_called, LeverageEvent: self._leverage_changed,
        }  # fmt: skip

    def start(self) -> None:
        """Begins to listen."""
        with self._exchange.lock:
            for kind, handler in self._handlers.items():
                self.feed.watch(kind, self._account.name, handler)

    def stop(self) -> None:
        """Ends it."""
        for kind, handler in self._handlers.items():
            self.feed.unwatch(kind, self._account.name, handler)

    def _say(self, kind: str, time_ms: int, row: dict[str, Any], *, aliased: bool = True) -> None:
        head: dict[str, Any] = {"e": kind, "E": self._now_ms(), "T": time_ms}
        if self._coin and aliased:
            head["i"] = alias(self._account)
        self.publish(Push(encode_json(head | row)))

    # --- orders ---

    def _order_changed(self, event: OrderEvent) -> None:
        order = event.order
        if event.triggered:
            return
        self._say("ORDER_TRADE_UPDATE", order.updated_ms, {"o": self._order(order, event.fill, amended=event.amended)})
        condition = order.extra.get("condition")
        if order.state.final and condition is not None:
            self._say_algo(self._exchange.conditions.find(self._account, int(condition)))

    def _order(self, order: OrderView, fill: FillView | None, *, amended: bool) -> dict[str, Any]:
        status, of_venue = contract_status(order), order.origin in {OrderOrigin.LIQUIDATION, OrderOrigin.ADL}
        kind = (
            "CALCULATED"
            if fill is not None and order.origin is OrderOrigin.LIQUIDATION
            else "TRADE"
            if fill is not None
            else ""
        )
        if not kind:
            kind = "AMENDMENT" if amended else "EXPIRED" if order.state is State.EXPIRED else status
        row: dict[str, Any] = {
            "s": self._symbols.name(order.instrument), "c": order.client_id, "S": order.side.upper(),
            "o": "LIQUIDATION" if of_venue and self._coin else contract_type(order), "f": contract_force(order),
            "q": plain(order.quantity or _ZERO), "p": plain(order.price or _ZERO), "ap": plain(order.average_price or _ZERO),
            "sp": order.extra.get("stopPrice", "0"), "x": kind, "X": status, "i": order.order_id,
            "l": plain(fill.quantity if fill else _ZERO), "z": plain(order.filled), "L": plain(fill.price if fill else _ZERO),
            "T": order.updated_ms, "t": fill.trade_id if fill else 0, "b": "0", "a": "0", "m": fill.is_maker if fill else False,
            "R": order.reduce_only and order.position_side == "net", "wt": order.extra.get("workingType", "CONTRACT_PRICE"),
            "ot": order.extra.get("origType", contract_type(order)), "ps": _SIDES[order.position_side],
            "cp": "closePosition" in order.extra, "pP": False, "rp": fixed(fill.profit if fill else _ZERO), "V": order.self_trade.name,
            "pm": order.extra.get("priceMatch", "NONE"), "er": _EXPIRY.get(order.finish, "0"),
        }  # fmt: skip
        if fill is not None and (fill.fee or not of_venue):
            row.update(n=fixed(fill.fee), N=fill.fee_asset)
        if self._coin:
            row["ma"] = self._exchange.instrument(order.instrument).settle
        else:
            row.update(si=0, ss=0, gtd=0)
        return row

    # --- conditional orders ---

    def _condition_changed(self, event: ConditionEvent) -> None:
        self._say_algo(event.condition)

    def _say_algo(self, view: ConditionView) -> None:
        request, order = view.request, view.request.order
        leg, placed = request.legs[0] if request.legs else None, view.order_id is not None
        child = self._exchange.order(self._account, order.instrument, view.order_id) if placed else None
        row: dict[str, Any] = {
            "caid": request.client_id, "aid": view.condition_id, "at": "CONDITIONAL", "o": request.kind,
            "s": self._symbols.name(order.instrument), "S": order.side.upper(), "ps": _SIDES[order.position_side],
            "f": request.extra["timeInForce"], "q": plain(order.quantity or _ZERO),
            "X": algo_status(self._exchange, self._account, view), "ai": str(view.order_id) if placed else "",
            "tp": plain(leg.price) if leg is not None else "0", "p": plain(order.price or _ZERO), "V": order.self_trade.name,
            "wt": request.extra["workingType"], "pm": order.extra.get("priceMatch", "NONE"), "cp": request.whole_position, "pP": False,
            "R": order.reduce_only and not request.whole_position, "tt": max(0, view.triggered_ms), "gtd": 0,
            "rm": str(view.failure) if view.failure is not None else "", "ia": view.trail_price is not None,
        }  # fmt: skip
        if child is not None:
            row.update(ap=plain(child.average_price or _ZERO), aq=plain(child.filled), act=child.type.upper())
        self._say("ALGO_UPDATE", view.updated_ms, {"o": row}, aliased=False)

    # --- balances and positions ---

    def _account_changed(self, event: AccountEvent) -> None:
        if event.reason == "order" and not event.positions:
            return  # an order that did not trade
        moved = event.amount if event.reason == "funding" else _ZERO
        rows = [
            {"a": asset, "wb": fixed(wallet.wallet), "cw": fixed(wallet.cross_wallet), "bc": fixed(moved)}
            for asset, wallet in event.wallets.items()
        ]
        of_cross = event.reason == "funding" and not any(view.isolated for view in event.positions)
        account: dict[str, Any] = {
            "m": _REASONS[event.reason], "B": rows, "P": [] if of_cross else [self._position(view) for view in event.positions],
        }  # fmt: skip
        if event.instrument:
            account["S"] = self._symbols.name(event.instrument)
        self._say("ACCOUNT_UPDATE", event.time_ms, {"a": account})

    def _position(self, view: PositionView) -> dict[str, Any]:
        return {
            "s": self._symbols.name(view.instrument), "pa": plain(view.quantity), "ep": fixed(view.entry_price),
            "bep": fixed(view.entry_price), "cr": fixed(view.realized), "up": fixed(view.unrealized),
            "mt": "isolated" if view.isolated else "cross", "iw": fixed(view.isolated_wallet), "ps": _SIDES[view.side],
        }  # fmt: skip

    def _margin_called(self, event: MarginCallEvent) -> None:
        rows = [
            {
                "s": self._symbols.name(view.instrument), "ps": _SIDES[view.side], "pa": plain(view.quantity),
                "mt": "ISOLATED" if view.isolated else "CROSSED", "iw": fixed(view.isolated_wallet), "mp": fixed(view.mark_price),
                "up": fixed(view.unrealized), "mm": fixed(view.maintenance_margin),
            }
            for view in event.positions
        ]  # fmt: skip
        cross = {} if all(view.isolated for view in event.positions) else {"cw": fixed(event.wallet.cross_wallet)}
        self._say("MARGIN_CALL", event.time_ms, {**cross, "p": rows})

    def _leverage_changed(self, event: LeverageEvent) -> None:
        row = {"ac": {"s": self._symbols.name(event.instrument), "l": event.leverage}}
        self._say("ACCOUNT_CONFIG_UPDATE", event.time_ms, row, aliased=False)
