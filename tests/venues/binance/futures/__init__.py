"""Tests of Binance's futures over scripted replies."""
