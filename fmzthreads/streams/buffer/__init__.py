"""The bounded buffer between the thread that reads and the threads that call ``read()``."""
