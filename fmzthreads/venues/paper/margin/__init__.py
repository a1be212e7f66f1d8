"""Contracts of a paper account beyond their orders: brackets, funding, liquidation, delivery."""
