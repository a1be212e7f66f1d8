"""A strategy file: its text, its header, its parameters, its templates, and how it is loaded."""
