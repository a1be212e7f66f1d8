"""FMZ's ``TA``: the thirteen indicators of its syntax guide, on bars or lists of numbers."""
