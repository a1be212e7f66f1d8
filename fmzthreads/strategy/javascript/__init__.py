"""Strategies in JavaScript: FMZ's names for them, over an embedded engine."""
