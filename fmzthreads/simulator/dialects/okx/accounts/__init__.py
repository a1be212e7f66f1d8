"""OKX v5's account calls: balances, positions, leverage and bills."""
