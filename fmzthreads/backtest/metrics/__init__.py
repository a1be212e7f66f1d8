"""Figures of a backtest's result: returns, drawdowns, round trips, costs."""

from .fills import BacktestFill
from .summary import metrics_of, rank_key
from .table import metrics_table

__all__ = ["BacktestFill", "metrics_of", "metrics_table", "rank_key"]
