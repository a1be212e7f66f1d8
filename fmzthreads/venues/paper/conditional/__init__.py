"""Condition orders of a paper account: what triggers them, and the orders that they place."""
