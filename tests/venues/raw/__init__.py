"""Tests of raw venues."""
