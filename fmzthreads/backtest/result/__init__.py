"""What a backtest leaves: log rows, snapshots, the result object."""
