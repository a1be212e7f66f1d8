"""OKX v5's public calls: instruments, prices, books, trades, bars and funding."""
