"""Websockets: handshake, frames, compression, and the link that carries messages."""
