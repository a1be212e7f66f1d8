"""Where a strategy lives: the runtime, FMZ's globals that speak to it, its journal and its store."""
