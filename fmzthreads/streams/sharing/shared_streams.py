"""All shared connections of the process, by where they lead."""

from __future__ import annotations

import threading
from functools import partial

from ...clock import Clock
from ...fork import after_fork_in_child
from ..address import Address
from ..host import StreamHost
from ..options import DialOptions
from .line import LineOwner, SharedLine
from .shared_stream import SharedStream
from .wire import SharedSource

__all__ = ["SHARED_STREAMS", "SharedStreams"]

_IDLE_S = 30.0  # a connection without a book is kept for so long


class SharedStreams:
    """The shared connections; every method may be called from any thread.

    Args:
        idle_s: How long a connection without a book is kept, in seconds.
    """

    def __init__(self, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()  # guards _streams, and is taken before the lock of a stream
        self._streams: dict[tuple[object, ...], list[SharedStream]] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the connections are the parent's."""
        self._lock = threading.Lock()
        self._streams = {}

    def join(
        self,
        source: SharedSource,
        address: Address,
        options: DialOptions,
        host: StreamHost,
        *,
        avoid: LineOwner | None = None,
    ) -> SharedLine:
        """Adds a book to a connection that has room, or to a new one.

        Books share a connection if their address, their way there, their certificates, their clock, their wire, and their
        permission to go on after a stop are the same.

        Args:
            source: The source of the book.
            address: Where to.
            options: The options of the connection.
            host: The journal and the clock.
            avoid: A connection that did not serve this book well; another one is chosen.

        Raises:
            RuntimeError: No thread can be started.
        """
        way = options.proxy.proxy_for(address.scheme, address.host, address.port)
        trust = (options.insecure, options.ca_file, tuple(options.headers.items()))
        # After a stop, what may go on (``onexit``) shares nothing with what is ending.
        key = (address.url, way, options.local_ip, trust, source.wire, host.clock, host.clock.stop.permission())
        with self._lock:
            streams = self._streams.setdefault(key, [])
            for stream in streams:
                line = stream.add(source.key, host) if stream is not avoid else None
                if line is not None:
                    return line
            stream = SharedStream(
                address, options, source.wire, host.clock, idle_s=self._idle_s, retire=partial(self._retire, key)
            )
            line = stream.add(source.key, host)
            assert line is not None  # it is new, and no other thread knows it
            stream.start()
            streams.append(stream)
            return line

    def _retire(self, key: tuple[object, ...], stream: SharedStream) -> bool:
        """Takes out a connection that has been idle for long enough, or has ended."""
        with self._lock:
            if not stream.end_if_idle(self._idle_s):
                return False
            streams = self._streams.get(key, [])
            if stream in streams:
                streams.remove(stream)
            if not streams:
                self._streams.pop(key, None)
            return True

    def end_idle(self, clock: Clock, timeout_s: float) -> None:
        """Ends the connections that have no book now.

        Args:
            clock: Only those with this clock.
            timeout_s: The longest to wait for their threads, in seconds.
        """
        with self._lock:
            ended = []
            for streams in self._streams.values():
                ended += [stream for stream in streams if stream.clock is clock and stream.end_if_idle(0.0)]
        end = clock.monotonic() + timeout_s
        for stream in ended:
            stream.join(max(0.0, end - clock.monotonic()))


SHARED_STREAMS = SharedStreams()
"""The shared connections of this process."""
