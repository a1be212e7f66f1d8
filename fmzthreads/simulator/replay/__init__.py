"""Recordings of websockets, played back."""
