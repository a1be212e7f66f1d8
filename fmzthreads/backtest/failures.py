"""Errors of backtests, beside those of the package's tree. The end of the data is Python's own EOFError, as on FMZ."""

from __future__ import annotations

from ..errors import InputError

__all__ = ["NoData"]


class NoData(InputError):
    """There are no bars of a symbol in the time of the backtest, or the symbol is not known."""
