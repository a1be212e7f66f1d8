"""OKX v5's channels of algo orders ("Algo orders channel", "Advance algo orders channel" in OKX's API guide)."""

from __future__ import annotations

from ....engine.accounts import TradingAccount
from ....engine.events import ConditionEvent
from ....transport.topics import Feed
from ...fields import plain_decimal
from ..rest import SimulatedOkx
from .instrument_choice import InstrumentChoice
from .private_topic import PrivateTopic

__all__ = ["AlgoOrdersTopic"]

_ADVANCED = ("move_order_stop",)


class AlgoOrdersTopic(PrivateTopic):
    """The channels ``orders-algo`` and ``algo-advance``: one message for each change.

    Args:
        feed: The source of events.
        account: The account.
        dialect: Renders algo orders.
        choice: The instruments to report.
        advanced: Whether it reports trailing orders (``algo-advance``) or the others.
    """

    def __init__(
        self, feed: Feed, account: TradingAccount, dialect: SimulatedOkx, choice: InstrumentChoice, *, advanced: bool
    ) -> None:
        super().__init__(feed, account)
        self._rows = dialect.algo_rows
        self._request_ids = dialect.algos.request_ids
        self._choice = choice
        self._advanced = advanced

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(ConditionEvent, self.account.name, self._changed)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(ConditionEvent, self.account.name, self._changed)

    def _changed(self, event: ConditionEvent) -> None:
        algo = event.condition
        if not self._choice.includes(algo.request.order.instrument):
            return
        if (algo.request.kind in _ADVANCED) is not self._advanced:
            return
        row = self._rows.describe(algo)
        size = algo.request.order.quantity
        row.update(
            notionalUsd=plain_decimal(size * algo.placed_last) if size is not None else row["sz"],
            reqId=self._request_ids.get(algo.condition_id, "") if event.amended else "",
            amendResult="0" if event.amended else "",
        )
        self.say([row])
