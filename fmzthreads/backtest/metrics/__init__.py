"""Figures of a result: returns, risk, round trips, costs."""
