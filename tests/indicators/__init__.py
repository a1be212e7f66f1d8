"""Tests of FMZ's indicators."""
