"""Binance spot over websockets."""
