"""A series of bars in columns, as a data feed gives it: whole numbers scaled by the market's decimals."""

from __future__ import annotations

from array import array
from typing import Protocol, runtime_checkable

from ...structures.value_objects import ValueObject, field
from ..config.settings import MarketDetail
from ..recorded.recording import Recording

__all__ = ["BarSeries", "BarSource", "TickSource"]


def _column() -> array[int]:
    return array("q")


class BarSeries(ValueObject, kw_only=True, frozen=False):
    """Bars of one symbol and period, in ascending order of time.

    The columns are arrays, or views of a temporary file, which read as arrays do but neither grow nor change; see ``column_parts``.

    Attributes:
        detail: The market.
        period_ms: The length of a bar.
        time: The starts of the bars, in milliseconds since the epoch.
        open: Prices times ``10 ** quote_precision``; ``high``, ``low``, ``close`` alike.
        volume: Volumes times ``10 ** base_precision``.
        position: Open interest, scaled like volumes; empty when the data have none.
        unnamed: Whether the data do not say of which symbol they are.
    """

    detail: MarketDetail
    period_ms: int
    time: array[int] = field(factory=_column)
    open: array[int] = field(factory=_column)
    high: array[int] = field(factory=_column)
    low: array[int] = field(factory=_column)
    close: array[int] = field(factory=_column)
    volume: array[int] = field(factory=_column)
    position: array[int] = field(factory=_column)
    unnamed: bool = False

    def __len__(self) -> int:
        """How many bars there are."""
        return len(self.time)


class BarSource(Protocol):
    """Where the engine gets its bars from."""

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The bars with ``from_ms <= time < to_ms``, in ascending order.

        Args:
            eid: FMZ's id of the exchange.
            symbol: FMZ's symbol; also ``NAME.funding`` and ``NAME.index``.
            period_ms: The period of the bars.
            from_ms: The first moment.
            to_ms: The end, not included.
            fill: Whether these are older bars of a longer period, asked for to fill up records; a source that has only base bars aggregates them
                (days begin at 00:00 UTC+8).

        Raises:
            failures.NoData: There are none, or the symbol is not known.
        """

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> list[tuple[int, object]] | None:
        """The rows ``(time in ms, data)`` of a series that ``GetData`` names; None if none exists."""


@runtime_checkable
class TickSource(BarSource, Protocol):
    """A source that may have recorded order books, too (``mode: 1``)."""

    def ticks(self, eid: str, symbol: str, from_ms: int, to_ms: int) -> tuple[Recording, MarketDetail]:
        """The recorded ticks of a symbol, and the market; the recording may reach further than was asked for.

        Raises:
            failures.NoData: There are none, or the symbol is not known.
        """
