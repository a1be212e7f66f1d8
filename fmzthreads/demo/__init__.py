"""The demo: two simulated exchanges, the hedging example against them, a live table, and an audited summary."""
