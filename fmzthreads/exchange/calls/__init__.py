"""The calls of FMZ's exchange object: the operations, their argument forms, and their table."""
