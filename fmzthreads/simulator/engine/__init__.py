"""The simulated exchange itself: books, orders, accounts, trades and bars.

It knows neither venues nor products.
"""
