"""The clients that ``streams.py`` compares. Each takes an address, a count and a function called for each message in a plain thread.

A client of its own process is run by ``streams.py``; this file only says how each of them reads.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import queue
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

Consume = Callable[[str], None]


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def raw_connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme == "wss":
        sock = insecure().wrap_socket(sock)
    sock.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return sock


def raw(url: str, count: int, consume: Consume) -> None:
    """The floor: recv in bulk, cut the frames, decode the texts, in one thread; no checks, no control frames, no hand-over."""
    zipped = url.endswith("gzip")
    with raw_connect(url) as sock:
        rest = b""
        while count:
            data = rest + sock.recv(1 << 17)
            position, end = 0, len(data)
            while end - position >= 4:
                size = data[position + 1]
                start = position + 2
                if size == 126:
                    size = data[position + 2] << 8 | data[position + 3]
                    start += 2
                stop = start + size
                if stop > end:
                    break
                consume(gzip.decompress(data[start:stop]).decode() if zipped else data[start:stop].decode())
                count -= 1
                position = stop
            rest = data[position:]


def dial_read(url: str, count: int, consume: Consume) -> None:
    from fmzthreads.streams import Dial

    options = {
        "overflow": "block",
        "compress": "gzip" if url.endswith("gzip") else "",
        "ca_file": os.environ.get("BENCH_CA", ""),
    }
    with Dial(url, options, errors="raise") as client:  # type: ignore[union-attr]
        read = client.read
        for _ in range(count):
            consume(read())  # type: ignore[arg-type]


def dial_iterate(url: str, count: int, consume: Consume) -> None:
    from fmzthreads.streams import Dial

    options = {
        "overflow": "block",
        "compress": "gzip" if url.endswith("gzip") else "",
        "ca_file": os.environ.get("BENCH_CA", ""),
    }
    with Dial(url, options, errors="raise") as client:  # type: ignore[union-attr]
        for message in client:
            consume(message)  # type: ignore[arg-type]
            count -= 1
            if not count:
                return


def websocket_client(url: str, count: int, consume: Consume, *, skip: bool = False) -> None:
    import websocket

    client = websocket.create_connection(
        url, skip_utf8_validation=skip, sslopt={"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    )
    zipped = url.endswith("gzip")
    for _ in range(count):
        data = client.recv()
        consume(gzip.decompress(data).decode() if zipped else data)
    client.sock.close()


def websocket_client_skip(url: str, count: int, consume: Consume) -> None:
    websocket_client(url, count, consume, skip=True)


def websocket_client_thread(url: str, count: int, consume: Consume, *, skip: bool = False) -> None:
    """What people write by hand: a thread with recv() and a deque, polled every millisecond."""
    messages: deque[str] = deque()
    thread = threading.Thread(target=websocket_client, args=(url, count, messages.append), kwargs={"skip": skip})
    thread.start()
    while count:
        while messages:
            consume(messages.popleft())
            count -= 1
        if count:
            time.sleep(0.001)
    thread.join()


def websocket_client_thread_skip(url: str, count: int, consume: Consume) -> None:
    websocket_client_thread(url, count, consume, skip=True)


def websockets_sync(url: str, count: int, consume: Consume) -> None:
    from websockets.sync.client import connect

    zipped = url.endswith("gzip")
    extra = {"ssl": insecure()} if url.startswith("wss") else {}
    client = connect(url, compression=None, max_size=None, proxy=None, close_timeout=0.1, **extra)  # type: ignore[arg-type]
    for _ in range(count):
        data = client.recv()
        consume(gzip.decompress(data).decode() if zipped else data)  # type: ignore[arg-type]
    client.socket.close()


def websockets_asyncio(url: str, count: int, consume: Consume) -> None:
    """In the event loop itself: no hand-over to a plain thread."""

    async def main() -> None:
        from websockets.asyncio.client import connect

        zipped = url.endswith("gzip")
        extra = {"ssl": insecure()} if url.startswith("wss") else {}
        client = await connect(url, compression=None, max_size=None, proxy=None, close_timeout=0.1, **extra)
        for _ in range(count):
            data = await client.recv()
            consume(gzip.decompress(data).decode() if zipped else data)  # type: ignore[arg-type]
        client.transport.abort()

    asyncio.run(main())


def aiohttp_asyncio(url: str, count: int, consume: Consume) -> None:
    """In the event loop itself: no hand-over to a plain thread."""

    async def main() -> None:
        import aiohttp

        zipped = url.endswith("gzip")
        async with aiohttp.ClientSession() as session:
            client = await session.ws_connect(
                url, ssl=False, max_msg_size=0, timeout=aiohttp.ClientWSTimeout(ws_close=0.1)
            )
            for _ in range(count):
                data = (await client.receive()).data
                consume(gzip.decompress(data).decode() if zipped else data)
            client._response.close()

    asyncio.run(main())


def picows_thread(url: str, count: int, consume: Consume) -> None:
    """An event loop with picows, in a thread; its messages come to the plain thread through a SimpleQueue."""
    import picows

    zipped = url.endswith("gzip")
    messages: queue.SimpleQueue[str] = queue.SimpleQueue()
    put, left = messages.put, count

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            nonlocal left
            put(gzip.decompress(frame.get_payload_as_bytes()).decode() if zipped else frame.get_payload_as_utf8_text())
            left -= 1
            if not left:
                transport.disconnect(False)

    async def main() -> None:
        extra = {"ssl_context": insecure()} if url.startswith("wss") else {}
        transport, _ = await picows.ws_connect(Listener, url, **extra)  # type: ignore[arg-type]
        await transport.wait_disconnected()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    get = messages.get
    for _ in range(count):
        consume(get())
    thread.join()


CLIENTS: dict[str, tuple[str, Callable[[str, int, Consume], None], int]] = {
    # name: (what it is called, how it reads, by how much fewer messages it is given because it is slow)
    "raw": ("raw socket, frames cut and decoded (the floor)", raw, 1),
    "dial": ("fmzthreads `Dial`, `read()`", dial_read, 1),
    "dial_iter": ("fmzthreads `Dial`, `for message in client`", dial_iterate, 1),
    "picows": ("picows in a thread", picows_thread, 1),
    "wc": ("websocket-client, a loop", websocket_client, 25),
    "wc_skip": ("websocket-client, a loop, no UTF-8 check", websocket_client_skip, 8),
    "wc_thread": ("websocket-client thread and deque", websocket_client_thread, 25),
    "wc_thread_skip": ("websocket-client thread and deque, no UTF-8 check", websocket_client_thread_skip, 8),
    "ws_sync": ("`websockets`, sync", websockets_sync, 15),
    "ws_async": ("`websockets`, asyncio", websockets_asyncio, 8),
    "aiohttp": ("aiohttp", aiohttp_asyncio, 4),
}
