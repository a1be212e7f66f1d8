"""A quant platform of one's own: robots, logs, charts and commands, in a browser and over FMZ's extended API."""
