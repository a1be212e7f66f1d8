"""FMZ's exchange object, and the port that every exchange adapter fills."""
