"""Ticks, the virtual clock, and what each call does to them."""
