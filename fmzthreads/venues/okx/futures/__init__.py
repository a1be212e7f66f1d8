"""OKX's contracts: swaps and futures with a delivery, linear and inverse."""
