"""OKX's cancel-all-after: cancels all orders unless the client renews the timer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import attrs

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.orders import Finish
from ....engine.reasons import Rejected
from ..parameters import Item, ItemRefusal, OkxParams, OkxRefusal

__all__ = ["CancelAllAfter"]

_SHORTEST_S, _LONGEST_S = 10, 120
_BEAT_S = 0.1


@attrs.frozen(kw_only=True)
class _Deadline:
    """The time at which an account's orders are cancelled."""

    account: TradingAccount
    tag: str
    due_ms: int


class CancelAllAfter:
    """POST trade/cancel-all-after. The exchange's clock counts, so a manual clock moves it too; the event loop checks it.

    Args:
        exchange: The exchange with the orders.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._deadlines: dict[tuple[str, str], _Deadline] = {}
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """Sets the timer, or switches it off with 0.

        Raises:
            OkxRefusal: 51000 if the time is neither 0 nor from 10 to 120 seconds, 50014 if it is missing.
        """
        item = Item(params.items[0])
        try:
            item.required("timeOut")
            seconds, tag = item.integer("timeOut") or 0, item.matching("tag", r"[A-Za-z0-9]{1,16}") or ""
        except ItemRefusal as error:
            raise OkxRefusal(error.code, error.msg, 400) from error
        if seconds and not _SHORTEST_S <= seconds <= _LONGEST_S:
            raise params.invalid("timeOut")
        self._deadlines.pop((account.name, tag), None)
        due_ms = params.now_ms + seconds * 1000 if seconds else 0
        if seconds:
            here_ms = self._exchange.server_time_ms() + seconds * 1000
            self._deadlines[account.name, tag] = _Deadline(account=account, tag=tag, due_ms=here_ms)
            self._start()
        return [{"triggerTime": str(due_ms), "tag": tag, "ts": str(params.now_ms)}]

    def _start(self) -> None:
        if self._timer is None:
            with contextlib.suppress(
                RuntimeError
            ):  # called outside an event loop: the caller then calls ``cancel_due``
                self._timer = asyncio.get_running_loop().call_later(_BEAT_S, self._beat)

    def _beat(self) -> None:
        self._timer = None
        self.cancel_due()
        if self._deadlines:
            self._start()

    def cancel_due(self) -> None:
        """Cancels the orders of accounts whose timer has expired."""
        now_ms = self._exchange.server_time_ms()
        for key, deadline in list(self._deadlines.items()):
            if deadline.due_ms <= now_ms:
                del self._deadlines[key]
                self._cancel(deadline)

    def _cancel(self, deadline: _Deadline) -> None:
        for order in self._exchange.open_orders(deadline.account):
            if not deadline.tag or order.extra.get("tag") == deadline.tag:
                with contextlib.suppress(Rejected):  # it was filled meanwhile
                    self._exchange.cancel(deadline.account, order.instrument, order.order_id, finish=Finish.TIMER)
