"""A running strategy: its folder, its process, how it is reached from outside, and how it ends."""
