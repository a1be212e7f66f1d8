"""Liquidation by mark price and maintenance tiers, which FMZ's engine does not know."""
