"""Contracts: positions, margin, marks, funding, liquidation and delivery over the engine that spot uses."""
