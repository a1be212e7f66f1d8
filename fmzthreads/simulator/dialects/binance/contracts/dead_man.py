"""The dead man's switch of contracts: cancels a symbol's orders unless the client renews it ("Auto-Cancel All Open Orders")."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.orders import Finish
from ....engine.reasons import Rejected
from ..parameters import BinanceParams, malformed
from .families import ContractSymbols

__all__ = ["CountdownCancelAll"]

_BEAT_S = 0.1


class CountdownCancelAll:
    """POST countdownCancelAll. The exchange's clock counts, so a manual clock moves it too; the event loop looks at it.

    Args:
        exchange: The exchange with the orders.
        symbols: Its instruments under Binance's names.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: ContractSymbols) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._due: dict[tuple[str, str], tuple[TradingAccount, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """Sets the countdown of a symbol, or switches it off with 0."""
        instrument, countdown = self._symbols.instrument(params.symbol()), params.integer("countdownTime")
        if countdown is None:
            raise malformed("countdownTime")
        self._due.pop((account.name, instrument.id), None)
        if countdown:
            self._due[account.name, instrument.id] = (account, self._exchange.server_time_ms() + countdown)
            self._start()
        return {"symbol": self._symbols.name(instrument.id), "countdownTime": str(countdown)}

    def _start(self) -> None:
        if self._timer is None:
            with contextlib.suppress(RuntimeError):  # outside an event loop the caller calls ``cancel_due``
                self._timer = asyncio.get_running_loop().call_later(_BEAT_S, self._beat)

    def _beat(self) -> None:
        self._timer = None
        self.cancel_due()
        if self._due:
            self._start()

    def cancel_due(self) -> None:
        """Cancels the orders whose countdown has ended; conditional ones stay."""
        now_ms = self._exchange.server_time_ms()
        for key, (account, due_ms) in list(self._due.items()):
            if due_ms <= now_ms:
                del self._due[key]
                for order in self._exchange.open_orders(account, key[1]):
                    with contextlib.suppress(Rejected):  # it was filled meanwhile
                        self._exchange.cancel(account, order.instrument, order.order_id, finish=Finish.TIMER)
