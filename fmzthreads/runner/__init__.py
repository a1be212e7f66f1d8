"""``fmzthreads run``: strategies and plain scripts as processes with a folder, live or against simulated exchanges."""
