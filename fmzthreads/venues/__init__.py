"""Adapters of the venue port: one module an exchange, and what they share."""
