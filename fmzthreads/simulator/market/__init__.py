"""Who makes the market, and where the price comes from."""
