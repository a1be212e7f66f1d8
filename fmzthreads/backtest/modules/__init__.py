"""The modules ``time``, ``datetime``, ``threading`` and ``random`` as a strategy in a backtest sees them."""
