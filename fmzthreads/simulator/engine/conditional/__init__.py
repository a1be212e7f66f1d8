"""Orders that wait for a price, and orders that end each other."""
