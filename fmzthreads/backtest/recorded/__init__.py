"""Recorded order books and trades (``mode: 1``)."""
