"""Bars from the public candles of exchanges."""
