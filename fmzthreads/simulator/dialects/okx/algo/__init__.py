"""OKX v5's algo orders: stop loss and take profit, one cancels the other, triggers and trailing stops."""
