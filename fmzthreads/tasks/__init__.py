"""Background calls: handles, the task queue, gates, and waiting for several things at once."""
