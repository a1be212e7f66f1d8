"""Binance's contracts, margined in USD and in coins: two tables of one product over the calls of ``binance``."""
