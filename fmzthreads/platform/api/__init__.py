"""FMZ's extended API over the platform."""
