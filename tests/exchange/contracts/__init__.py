"""Tests of contracts, condition orders and changes of orders."""
