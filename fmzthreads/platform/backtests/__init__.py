"""Backtests that are started from the platform: each one a process of its own in a folder."""
