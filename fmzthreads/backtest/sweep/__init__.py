"""Parameter sweeps: many backtests of one strategy, scored and compared."""
