"""Runs plain synchronous FMZ strategy scripts anywhere."""
