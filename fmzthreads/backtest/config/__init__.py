"""The settings of a backtest: header, files, options."""
