"""The data of a strategy's charts: FMZ's ``Chart`` and ``KLineChart``, without any drawing."""
