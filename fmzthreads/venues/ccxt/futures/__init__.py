"""Contracts of any exchange of ccxt behind the port of contracts."""
