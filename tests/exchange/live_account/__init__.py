"""Tests of live accounts."""
