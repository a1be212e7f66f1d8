"""The modules ``time``, ``datetime``, ``threading``, ``queue`` and ``random`` as a strategy in a backtest sees them."""
