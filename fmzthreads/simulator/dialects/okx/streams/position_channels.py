"""OKX v5's channels of positions ("Positions channel", "Position risk warning" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.events import AccountEvent, MarginCallEvent
from ....engine.margin.positions import PositionView, Side
from ....transport.topics import Feed, Listener
from ..rest import SimulatedOkx
from .instrument_choice import InstrumentChoice
from .private_topic import GatheredTopic, PrivateTopic

__all__ = ["PositionsTopic", "RiskWarningTopic"]

_Key = tuple[str, Side, bool]
_WARNING_FIELDS = (
    "cTime", "ccy", "instId", "instType", "lever", "markPx", "mgnMode", "mgnRatio", "pos", "posCcy", "posId", "posSide", "uTime",
)  # fmt: skip


class PositionsTopic(GatheredTopic[_Key]):
    """The channel ``positions``: a snapshot of open positions, changed ones, and periodic snapshots.

    A position that has been closed is sent once more, with size 0.

    Args:
        feed: The source of events.
        account: The account.
        dialect: Renders positions.
        choice: The instruments to report.
        now_ms: The venue's time.
        regular: Whether to send periodic snapshots too.
    """

    def __init__(
        self,
        feed: Feed,
        account: TradingAccount,
        dialect: SimulatedOkx,
        choice: InstrumentChoice,
        now_ms: Callable[[], int],
        *,
        regular: bool,
    ) -> None:
        super().__init__(feed, account, regular=regular)
        self._dialect = dialect
        self._choice = choice
        self._now_ms = now_ms

    def snapshot(self, to: Listener | None = None) -> None:
        """Sends all open positions."""
        views = self._dialect.exchange.contracts.positions(self.account)
        rows = [self._row(view) for view in views if view.quantity and self._choice.includes(view.instrument)]
        self.say([row for row in rows if row is not None], to, eventType="snapshot", curPage=1, lastPage=True)

    def _row(self, view: PositionView) -> dict[str, Any] | None:
        row = self._dialect.positions.describe(self.account, view)
        if row is not None:
            row["pTime"] = str(self._now_ms())
        return row

    def changes(self, event: AccountEvent) -> Iterable[_Key]:
        """The positions that have changed."""
        return (
            (view.instrument, view.side, view.isolated)
            for view in event.positions
            if self._choice.includes(view.instrument)
        )

    def send(self, changed: Collection[_Key]) -> None:
        """Sends these positions."""
        contracts = self._dialect.exchange.contracts
        rows = [self._row(contracts.position(self.account, *key)) for key in changed]
        found = [row for row in rows if row is not None]
        if found:
            self.say(found, eventType="event_update")


class RiskWarningTopic(PrivateTopic):
    """The channel ``liquidation-warning``: positions that come near their liquidation.

    Args:
        feed: The source of events.
        account: The account.
        dialect: Renders positions.
        choice: The instruments to report.
        now_ms: The venue's time.
    """

    def __init__(
        self,
        feed: Feed,
        account: TradingAccount,
        dialect: SimulatedOkx,
        choice: InstrumentChoice,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(feed, account)
        self._dialect = dialect
        self._choice = choice
        self._now_ms = now_ms

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(MarginCallEvent, self.account.name, self._called)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(MarginCallEvent, self.account.name, self._called)

    def _called(self, event: MarginCallEvent) -> None:
        found = []
        for view in event.positions:
            row = (
                self._dialect.positions.describe(self.account, view) if self._choice.includes(view.instrument) else None
            )
            if row is not None:
                found.append({**{field: row[field] for field in _WARNING_FIELDS}, "pTime": str(self._now_ms())})
        if found:
            self.say(found)
