"""Tests of the simulated contracts of Binance."""
