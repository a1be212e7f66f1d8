"""The simulated exchange itself: books, orders, accounts, trades and bars; it knows neither venues nor products."""
