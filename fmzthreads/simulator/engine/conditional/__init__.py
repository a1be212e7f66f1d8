"""Trigger orders, and pairs of orders that cancel each other."""
