"""Streams: websockets and raw sockets for synchronous scripts."""

from __future__ import annotations

from .connection import Connection
from .dial import Dial, PlainHost
from .host import Host
from .sqlite import SqliteConnection
from .stats import StreamStats

__all__ = ["Connection", "Dial", "Host", "PlainHost", "SqliteConnection", "StreamStats"]
