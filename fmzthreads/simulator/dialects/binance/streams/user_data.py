"""Binance spot's user data and the former listenKey ("User Data Streams" in Binance's documentation)."""

from __future__ import annotations

import asyncio
import secrets
import string
import uuid
from collections.abc import Callable, Hashable, Iterator
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.events import AccountEvent, OrderEvent
from ....engine.exchange import SimulatedExchange
from ....engine.orders import FillView, Finish, OrderView, State
from ....transport.push import Push
from ....transport.requests import encode_json
from ....transport.topics import Feed, Topic
from ...streaming import VenueSite
from ..orders import EXPIRY_REASON, SMART_ROUTED, order_force, order_status, order_type
from ..parameters import BinanceParams, BinanceRefusal, malformed
from ..rest import SimulatedBinance
from ..routes import BinanceRoute
from ..symbols import Symbols, fixed

__all__ = ["ListenKeys", "UserTopic", "listen_key_routes", "user_topic"]

_LETTERS = string.ascii_letters + string.digits
_PATH = "/api/v3/userDataStream"
_ZERO = Decimal(0)


class UserTopic(Topic):
    """The events of one account: executionReport, outboundAccountPosition and balanceUpdate, as they happen.

    Args:
        feed: The source of the events.
        exchange: The exchange.
        account: The account.
        symbols: The exchange's instruments under Binance's names.
        now_ms: The exchange's time.
        microseconds: Whether times are in microseconds.
    """

    def __init__(
        self,
        feed: Feed,
        exchange: SimulatedExchange,
        account: TradingAccount,
        symbols: Symbols,
        now_ms: Callable[[], int],
        *,
        microseconds: bool = False,
    ) -> None:
        super().__init__(feed)
        self._scale = 1000 if microseconds else 1
        self._exchange = exchange
        self._account = account
        self._symbols = symbols
        self._now_ms = now_ms
        self._totals: dict[str, Decimal] = {}  # the balance of each asset that trades alone explain
        self._execution = 0
        self._lists: dict[int, bool] = {}  # whether the end of each list was reported

    def start(self) -> None:
        """Starts listening; tracks balances from now on, to tell deposits from trades."""
        with self._exchange.lock:
            self.feed.watch(OrderEvent, self._account.name, self._order_changed)
            self.feed.watch(AccountEvent, self._account.name, self._balances_changed)
            balances = self._exchange.balances(self._account)
        self._totals = {asset: balance.total for asset, balance in balances.items()}

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(OrderEvent, self._account.name, self._order_changed)
        self.feed.unwatch(AccountEvent, self._account.name, self._balances_changed)

    def _say(self, row: dict[str, Any]) -> None:
        self.publish(Push(encode_json(row)))

    # --- balances ---

    def _add(self, asset: str, amount: Decimal) -> None:
        self._totals[asset] = self._totals.get(asset, _ZERO) + amount

    def _balances_changed(self, event: AccountEvent) -> None:
        scale = self._scale
        rows = [
            {"a": asset, "f": fixed(balance.free), "l": fixed(balance.frozen)}
            for asset, balance in event.balances.items()
        ]
        for asset, balance in event.balances.items():
            moved = balance.total - self._totals.get(asset, _ZERO)
            self._totals[asset] = balance.total
            if moved:
                row = {
                    "e": "balanceUpdate",
                    "E": self._now(),
                    "a": asset,
                    "d": fixed(moved),
                    "T": event.time_ms * scale,
                }
                self._say(row)
        self._say({"e": "outboundAccountPosition", "E": self._now(), "u": event.time_ms * scale, "B": rows})

    def _now(self) -> int:
        return self._now_ms() * self._scale

    # --- orders ---

    def _order_changed(self, event: OrderEvent) -> None:
        fill = event.fill
        if fill is not None:
            sign = 1 if fill.side == "buy" else -1
            instrument = self._exchange.instrument(fill.instrument)
            self._add(instrument.base, fill.quantity * sign)
            self._add(instrument.quote, -fill.quote_quantity * sign)
            self._add(fill.fee_asset, -fill.fee)
        self._execution += 1
        self._say(self._report(event.order, fill, amended=event.amended))
        if event.order.list_id >= 0:
            self._tell_list(event)

    def _tell_list(self, event: OrderEvent) -> None:
        """Sends listStatus after a list was placed, and after all its orders have ended."""
        found = self._exchange.lists.find(self._account, event.order.list_id)
        if self._lists.get(found.list_id) == found.done:
            return
        self._lists[found.list_id] = found.done
        word, symbol = ("ALL_DONE", "ALL_DONE") if found.done else ("EXEC_STARTED", "EXECUTING"), self._symbols.name
        orders = [{"s": symbol(o.instrument), "i": o.order_id, "c": o.client_id} for o in found.orders]
        self._say(
            {
                "e": "listStatus", "E": self._now(), "s": symbol(found.instrument), "g": found.list_id, "c": "OCO", "l": word[0],
                "L": word[1], "r": "NONE", "C": found.client_id, "T": event.order.updated_ms * self._scale, "O": orders,
            }
        )  # fmt: skip

    def _report(self, order: OrderView, fill: FillView | None, *, amended: bool) -> dict[str, Any]:
        cancelled = order.state is State.CANCELED
        status = order_status(order)
        kind = "TRADE_PREVENTION" if order.finish is Finish.SELF_TRADE else "REPLACED" if amended else status
        row: dict[str, Any] = {
            "e": "executionReport", "E": self._now(), "s": self._symbols.name(order.instrument),
            # A cancel has its own id; the order's id is then in the field C.
            "c": uuid.uuid4().hex[:22] if cancelled else order.client_id,
            "S": order.side.upper(), "o": order_type(order), "f": order_force(order),
            "q": fixed(order.filled if order.quantity is None else order.quantity), "p": fixed(order.price or _ZERO),
            "P": fixed(order.trigger_price or _ZERO), "F": fixed(_ZERO), "g": order.list_id, "C": order.client_id if cancelled else "",
            "x": kind if fill is None else "TRADE", "X": status, "r": "NONE", "i": order.order_id,
            "l": fixed(fill.quantity if fill else _ZERO), "z": fixed(order.filled), "L": fixed(fill.price if fill else _ZERO),
            "n": fixed(fill.fee) if fill else "0", "N": fill.fee_asset if fill else None, "T": order.updated_ms * self._scale,
            "t": fill.trade_id if fill else -1, "I": self._execution, "w": not order.state.final and order.working_ms >= 0, "m": fill.is_maker if fill else False,
            "M": fill is not None, "O": order.created_ms * self._scale, "Z": fixed(order.filled_quote),
            "Y": fixed(fill.quote_quantity if fill else _ZERO), "Q": fixed(order.quote_quantity or _ZERO),
        }  # fmt: skip
        if order.working_ms >= 0:
            row["W"] = order.working_ms * self._scale
        row["V"] = order.self_trade.name
        if SMART_ROUTED in order.extra:
            row.update(k="SOR", uS=True)
        reason = EXPIRY_REASON.get(order.finish)
        if reason is not None:
            row["eR"] = reason
        return row


def user_topic(
    site: VenueSite[SimulatedBinance], account: TradingAccount, *, microseconds: bool
) -> tuple[Hashable, Callable[[], UserTopic]]:
    """The key of the topic of an account's events, and its factory."""
    symbols = site.dialect.symbols
    return ("user", account.name, microseconds), lambda: UserTopic(
        site.feed, site.exchange, account, symbols, site.now_ms, microseconds=microseconds
    )


class ListenKeys:
    """The keys of the former user data stream: one per account, valid for an hour.

    Args:
        life_s: How long a key is valid, in seconds.
        now_ms: The venue's time.
    """

    def __init__(self, life_s: float, now_ms: Callable[[], int]) -> None:
        self._life_s = life_s
        self._now_ms = now_ms
        self._accounts: dict[str, TradingAccount] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._listeners: dict[str, list[Callable[[Push | None], None]]] = {}

    def account(self, key: str) -> TradingAccount | None:
        """The account of a key; None if the key is unknown or expired."""
        return self._accounts.get(key)

    def of(self, account: TradingAccount) -> str | None:
        """The key of an account; None if it has none."""
        return next((key for key, owner in self._accounts.items() if owner is account), None)

    def create(self, account: TradingAccount) -> str:
        """The account's key, renewed, or a new one."""
        known = self.of(account)
        if known is not None:
            self.keep(known)
            return known
        key = "".join(secrets.choice(_LETTERS) for _ in range(60))
        self._accounts[key] = account
        self.keep(key)
        return key

    def keep(self, key: str) -> bool:
        """Renews a key; False if not found."""
        if key not in self._accounts:
            return False
        self._cancel(key)
        self._timers[key] = asyncio.get_running_loop().call_later(self._life_s, self._expire, key)
        return True

    def end(self, key: str) -> bool:
        """Ends a key and its streams; False if not found."""
        return self._finish(key, None)

    def _finish(self, key: str, last: Push | None) -> bool:
        self._cancel(key)
        known = self._accounts.pop(key, None) is not None
        for listener in self._listeners.pop(key, ()):
            listener(last)
        return known

    def _cancel(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _expire(self, key: str) -> None:
        row = {"e": "listenKeyExpired", "E": self._now_ms(), "listenKey": key}
        self._finish(key, Push(encode_json(row)))

    def on_end(self, key: str, listener: Callable[[Push | None], None]) -> None:
        """Calls ``listener`` when a key ends: with the event of its expiry, or None if it was closed."""
        self._listeners.setdefault(key, []).append(listener)

    def forget(self, key: str, listener: Callable[[Push | None], None]) -> None:
        """Removes a listener of ``on_end``."""
        listeners = self._listeners.get(key, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._listeners.pop(key, None)

    def stop(self) -> None:
        """Ends all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


def listen_key_routes(keys: ListenKeys) -> Iterator[BinanceRoute]:
    """``/api/v3/userDataStream``, which the exchange removed on 2026-02-20 and older scripts still call."""

    def _create(account: TradingAccount, params: BinanceParams) -> dict[str, str]:
        return {"listenKey": keys.create(account)}

    def _named(account: TradingAccount, params: BinanceParams) -> str:
        key = params.optional("listenKey")
        if key is None:
            raise malformed("listenKey")
        if keys.account(key) is not account:
            raise BinanceRefusal(-1125, "This listenKey does not exist.")
        return key

    def _keep(account: TradingAccount, params: BinanceParams) -> dict[str, str]:
        keys.keep(_named(account, params))
        return {}

    def _end(account: TradingAccount, params: BinanceParams) -> dict[str, str]:
        keys.end(_named(account, params))
        return {}

    for method, handler in (("POST", _create), ("PUT", _keep), ("DELETE", _end)):
        yield BinanceRoute(method=method, path=_PATH, private=handler, weight=2, key_only=True)
