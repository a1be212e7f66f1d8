"""What each exchange's wire looks like over the engine."""
