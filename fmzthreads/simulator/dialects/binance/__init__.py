"""Binance spot: REST, market streams, user data and the WebSocket API."""
