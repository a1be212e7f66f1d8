"""The money of a paper account: balances, positions, and what fills do to them."""
