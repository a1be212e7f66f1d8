"""An exchange behind a plugin of one's own, reached by FMZ's general protocol."""
