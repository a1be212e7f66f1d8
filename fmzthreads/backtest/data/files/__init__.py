"""Files of bars: their columns, their formats, and how they are read."""
