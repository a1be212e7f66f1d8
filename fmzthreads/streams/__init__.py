"""Streams: websockets and raw sockets for synchronous scripts."""

from __future__ import annotations

from .connection import Connection, Host, StreamStats
from .dial import Dial, PlainHost
from .sqlite import SqliteConnection

__all__ = ["Connection", "Dial", "Host", "PlainHost", "SqliteConnection", "StreamStats"]
