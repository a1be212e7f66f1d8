"""Historical bars: series in memory, files, servers, checks."""
