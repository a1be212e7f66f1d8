"""The server of ``streams.py``: pushes websocket frames from a process of its own, one child process a connection.

What a connection gets is in its path: ``/flood/<size>/<count>/<plain|gzip>`` as fast as it takes them, ``/pace/<size>/<count>/<rate>`` evenly
with the time of sending in each message, ``/idle`` nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import random
import socket
import ssl
import sys
import time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload: bytes, opcode: int = 1) -> bytes:
    size = len(payload)
    head = bytes((0x80 | opcode, size)) if size < 126 else bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    return head + payload


def message(size: int, stamp: int) -> bytes:
    """A text of about an exchange's look, ``size`` bytes long, with a time of 19 digits in front."""
    rng = random.Random(stamp % 97)
    text = f'{{"E":{stamp:019d},"e":"depthUpdate","s":"BTCUSDT","b":['
    while len(text) < size:
        text += f'["{61234 + rng.random() * 100:.2f}","{rng.random():.5f}"],'
    return (text[: size - 2] + "]}").encode()


def flood(sock: socket.socket, size: int, count: int, zipped: bool) -> None:
    texts = [message(size, number) for number in range(64)]
    frames = [frame(gzip.compress(text), 2) if zipped else frame(text) for text in texts]
    chunk = max(1, (1 << 18) // len(frames[0]))
    block = b"".join(frames[number % 64] for number in range(chunk))
    while count >= chunk:
        sock.sendall(block)
        count -= chunk
    sock.sendall(b"".join(frames[number % 64] for number in range(count)))


def pace(sock: socket.socket, size: int, count: int, rate: int) -> None:
    start = time.monotonic_ns()
    body = message(size, 0)
    for number in range(count):
        due = start + number * 1_000_000_000 // rate
        left = (due - time.monotonic_ns()) / 1e9
        if left > 0:
            time.sleep(left)
        sock.sendall(frame(body[:5] + b"%019d" % time.monotonic_ns() + body[24:]))


def serve(sock: socket.socket) -> None:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += sock.recv(4096)
    lines = request.split(b"\r\n")
    key = next(line.split(b":")[1].strip() for line in lines if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
    kind, *arguments = lines[0].split(b" ")[1].decode().strip("/").split("/")
    if kind == "flood":
        flood(sock, int(arguments[0]), int(arguments[1]), arguments[2] == "gzip")
    elif kind == "pace":
        pace(sock, *map(int, arguments))
    sock.recv(100)  # until the client is done


def main() -> None:
    certificate = sys.argv[1] if len(sys.argv) > 1 else ""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        if os.fork():
            sock.close()
            while True:  # children that are done
                try:
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        break
                except ChildProcessError:
                    break
            continue
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(context.wrap_socket(sock, server_side=True) if context is not None else sock)
        except (OSError, StopIteration):
            pass
        finally:
            os._exit(0)


if __name__ == "__main__":
    main()
