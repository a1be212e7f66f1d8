"""The wire protocols of the exchanges, over the engine."""
