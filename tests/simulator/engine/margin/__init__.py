"""Tests of contracts in the engine."""
