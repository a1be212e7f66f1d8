"""Streams of Binance's contracts."""
