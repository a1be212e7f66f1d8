"""Plugins: an exchange of one's own, served to hosts by FMZ's general protocol."""
