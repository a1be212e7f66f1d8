"""Tests of OKX's contracts."""
