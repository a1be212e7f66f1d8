"""The real market as a paper venue sees it: liquidity, trades, filters, reference prices."""
