"""Sources of bars that may have something to say while a backtest runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

__all__ = ["TellingSource"]


class TellingSource(ABC):
    """A source that learns of its bars only when they are asked for, and may have something to say of them then.

    A class and no protocol: a protocol at run time imports the module ``inspect``, and each backtest asks its source whether it is one.
    """

    @abstractmethod
    def tell_by(self, warn: Callable[[str], None]) -> None:
        """Sets what is called with warnings from now on."""

    @abstractmethod
    def stop_asking(self) -> None:
        """Asks no server from now on: bars that are not there yet raise ``NoData``. Called once the backtest was interrupted."""

    @abstractmethod
    def stop_repeating(self) -> None:
        """Asks no more for bars whose last request failed: that failure is raised again. Called once the strategy failed."""
