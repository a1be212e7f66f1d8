"""Paper trading: orders are filled against a real market's book and trades, with money on paper."""
