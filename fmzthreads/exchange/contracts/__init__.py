"""Contracts: their value, codes, directions and condition orders, and what the port of a venue has for them."""
