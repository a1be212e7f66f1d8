"""What adapters share of their streams: the addresses, and the user stream of contracts."""
