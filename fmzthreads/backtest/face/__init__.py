"""FMZ's exchange object and globals in a backtest."""
