"""HTTP: a pooled client for venue adapters, and FMZ's HttpQuery."""
