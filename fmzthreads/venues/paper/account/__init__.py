"""A paper account: its orders, its file, and the steps in which it changes."""
