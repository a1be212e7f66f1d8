"""Orders, accounts and positions of a simulated exchange."""
