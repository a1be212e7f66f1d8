"""Helpers of the tests, one module a room."""
