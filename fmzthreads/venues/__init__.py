"""Adapters of the venue port."""
