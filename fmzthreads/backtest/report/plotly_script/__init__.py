"""Plotly's script as its package has it, less what a report never uses."""

from .fitting import TRACE_TYPES, fitted, plotly_script

__all__ = ["TRACE_TYPES", "fitted", "plotly_script"]
