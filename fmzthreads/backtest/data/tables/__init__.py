"""Bars from objects in memory: DataFrames, arrays, Arrow tables, lists of rows."""
