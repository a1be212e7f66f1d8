"""The report of a backtest as one HTML page."""

from .page import write_page

__all__ = ["write_page"]
