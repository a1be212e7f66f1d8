"""Bars from a server of FMZ's data protocol."""
