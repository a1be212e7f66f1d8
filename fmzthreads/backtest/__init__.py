"""The backtester: FMZ strategies over historical data."""
