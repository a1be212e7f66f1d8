"""The simulated exchange itself: books, orders, accounts, trades and bars.

It does not depend on venues or products.
"""
