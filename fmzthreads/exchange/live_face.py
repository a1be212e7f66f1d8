"""The part of the exchange object that subscribes to live order books; FMZ has nothing of these names."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from .state import Core

__all__ = ["LiveFace"]


class LiveFace:
    """What ``Exchange`` inherits."""

    _core: Core

    @abstractmethod
    def _call(self, method: str, *args: Any) -> Any:
        """Makes a call and turns its failure into None."""

    def Subscribe(
        self, channel: str, symbol: str = "", max_age_ms: float | None = None, wait_ms: float | None = None
    ) -> bool | None:
        """Has ``GetDepth`` and ``GetTicker`` of a symbol answer from a live order book (an addition to FMZ's form).

        A thread in the background keeps the book. While it is right and young enough, the two calls (``Go`` too) answer from it without
        asking the venue: ``Info`` is then ``{"Live": True, "AgeMs": ..., "Version": ..., "Sequence": ...}``. While it is broken, being
        made anew, too old, or has fewer levels than were asked for, they ask the venue as without a subscription.

        Args:
            channel: ``"depth"``.
            symbol: Empty for the current one, as it is at this moment; a later ``SetCurrency`` leaves the subscription where it is.
            max_age_ms: How long ago the book may have been confirmed and still answer; None for 5000. A book that simply stands still
                counts as old after that. A symbol that is subscribed to already takes the new age and stays one subscription.
            wait_ms: How long to wait for the book to be live; None or 0 returns at once.

        Returns:
            True. None when it failed, and when the book is not live in time (the subscription then stays) or was unsubscribed from
            while it was waited for.
        """
        done: bool | None = self._call("Subscribe", channel, symbol, max_age_ms, wait_ms)
        return done

    def Unsubscribe(self, channel: str, symbol: str = "") -> bool | None:
        """Ends what ``Subscribe`` began, however often; False when there is no such subscription. No answer comes from its book after."""
        done: bool | None = self._call("Unsubscribe", channel, symbol)
        return done

    def Subscriptions(self) -> list[dict[str, Any]]:
        """One row for each live book, for a status line: symbol, state, age, gaps, resyncs, answers and fallbacks; asks nothing."""
        return self._core.live.statistics()
