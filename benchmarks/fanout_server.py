# ruff: noqa: D101, D102 -- the parts of a benchmark are named by what they do
"""The server that ``fanout.py`` measures against, in a process of its own: one loop, a fixed reply, a set latency, and arrival times.

It speaks as much HTTP as the benchmark needs: GET requests without a body on kept connections. The arrival of a request is stamped by the
kernel (SO_TIMESTAMPNS), so that the server's own turn-taking is not taken for skew between clients.

Its standard input takes one command a line and answers each with one line of JSON on standard output:

    latency MS      from now on replies leave so many milliseconds after their request was read
    take            the arrival times (ns) since the last ``take``, and the longest delay of a reply beyond its latency (ms)
"""

from __future__ import annotations

import heapq
import json
import os
import select
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
LEVELS = 96


def depth() -> bytes:
    """An order book of about 5 KB in Binance's form."""
    bids = [[f"{16500 - i * 0.01:.2f}", f"{1 + i * 0.013:.8f}"] for i in range(LEVELS)]
    asks = [[f"{16500.01 + i * 0.01:.2f}", f"{1 + i * 0.017:.8f}"] for i in range(LEVELS)]
    return json.dumps({"lastUpdateId": 1027024, "bids": bids, "asks": asks}, separators=(",", ":")).encode()


def reply() -> bytes:
    body = depth()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\n"
        "Date: Tue, 13 Dec 2022 00:00:00 GMT\r\nServer: fanout\r\nx-mbx-used-weight: 12\r\nx-mbx-used-weight-1m: 12\r\n"
        "Cache-Control: no-cache, no-store, must-revalidate\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode() + body


class Server:
    def __init__(self) -> None:
        self.reply = reply()
        self.latency_s = 0.0
        self.arrivals: list[int] = []
        self.latest_s = 0.0
        self.due: list[tuple[float, int, socket.socket]] = []
        self.count = 0
        self.clients: dict[int, socket.socket] = {}
        self.buffers: dict[int, bytes] = {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)

    def run(self) -> None:
        print(json.dumps({"port": self.listener.getsockname()[1], "body": len(depth())}), flush=True)
        while True:
            timeout = max(0.0, self.due[0][0] - time.perf_counter()) if self.due else None
            # select, because its time-out counts microseconds where epoll's counts milliseconds.
            ready, _, _ = select.select([0, self.listener, *self.clients], [], [], timeout)
            self.answer_due()
            for fd in ready:
                if fd == 0:
                    if not self.command():
                        return
                elif fd is self.listener:
                    self.accept()
                else:
                    self.read(fd)
            self.answer_due()

    def accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.clients[sock.fileno()] = sock
        self.buffers[sock.fileno()] = b""

    def read(self, fd: int) -> None:
        sock = self.clients[fd]
        try:
            data, extras, _, _ = sock.recvmsg(65536, 256)
        except OSError:
            data, extras = b"", []
        if not data:
            del self.clients[fd], self.buffers[fd]
            sock.close()
            return
        data = self.buffers[fd] + data
        if not data.endswith(b"\r\n\r\n"):
            self.buffers[fd] = data
            return
        self.buffers[fd] = b""
        stamp = time.time_ns()
        for level, kind, value in extras:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                stamp = seconds * 1_000_000_000 + nanoseconds
        self.arrivals.append(stamp)
        if self.latency_s:
            self.count += 1
            late = (time.time_ns() - stamp) / 1e9  # the latency counts from the arrival, not from our reading it
            heapq.heappush(self.due, (time.perf_counter() + self.latency_s - late, self.count, sock))
        else:
            self.send(sock)

    def answer_due(self) -> None:
        while self.due and self.due[0][0] <= (now := time.perf_counter()):
            at, _, sock = heapq.heappop(self.due)
            self.latest_s = max(self.latest_s, now - at)
            self.send(sock)

    def send(self, sock: socket.socket) -> None:
        try:
            sock.send(self.reply)
        except OSError:
            pass  # the client went; its end of file is read next

    def command(self) -> bool:
        words = os.read(0, 4096).decode().split()
        if not words:
            return False
        if words[0] == "latency":
            self.latency_s = float(words[1]) / 1000
            print("{}", flush=True)
        elif words[0] == "take":
            print(json.dumps({"arrivals": self.arrivals, "latest_ms": self.latest_s * 1000}), flush=True)
            self.arrivals, self.latest_s = [], 0.0
        return True


if __name__ == "__main__":
    try:
        Server().run()
    except KeyboardInterrupt:
        sys.exit(0)
