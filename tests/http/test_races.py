"""Stops and closes that fall anywhere within an order: whatever is reported as unsent was never received."""

from __future__ import annotations

import random
import threading

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import ConnectFailed, ConnectionLost, FmzError, StopRequested
from fmzthreads.http.client import HttpClient, HttpOptions, HttpRequest, Reply

from ..helpers.http_faults import FaultServer, answering
from ..helpers.last_reply import last_text

TURNS = 250


@pytest.mark.parametrize("end", ["stop", "close"])
@pytest.mark.parametrize("kept", [True, False])
def test_what_is_reported_as_unsent_was_never_received(end: str, kept: bool) -> None:
    chance = random.Random()  # the times differ from run to run in any case
    unsent: set[str] = set()
    done: set[str] = set()
    with FaultServer(answering(b"ok")) as server:
        for turn in range(TURNS):
            clock = WallClock()
            client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=30_000, stop_grace_ms=20_000))
            started, connected = threading.Event(), threading.Event()
            name = f"/order/{turn}"

            def build(name: str = name, started: threading.Event = started) -> HttpRequest:
                started.set()
                return HttpRequest("POST", server.base + name, {}, b"x")

            def order(
                client: HttpClient = client,
                connected: threading.Event = connected,
                name: str = name,
                build: object = build,
            ) -> None:
                if kept:
                    client.warm()
                connected.set()
                try:
                    reply: Reply = client.call(build, lambda r: r, idempotent=False)  # type: ignore[arg-type]
                    assert reply.text == "ok"
                    done.add(name)
                except (StopRequested, ConnectFailed):
                    unsent.add(name)
                except ConnectionLost:
                    pass  # may have been received: either is right

            thread = threading.Thread(target=order)
            thread.start()
            assert connected.wait(60)
            if chance.random() < 0.8:
                started.wait(60)
            for _ in range(chance.randrange(400)):
                pass
            if end == "stop":
                clock.stop.request()
            else:
                client.close()
            thread.join(60)
            assert not thread.is_alive()
            client.close()
    received = {seen.target for seen in server.seen}
    assert len(server.seen) == len(received), "an order was sent twice"
    assert not unsent & received
    assert done <= received


def test_many_threads_under_faults_lose_and_mix_up_nothing() -> None:
    """Reads by many threads from a server that breaks every seventh reply: each gets its own answer or an error of the tree."""

    def script(peer: object) -> None:
        while (seen := peer.request()) is not None:  # type: ignore[attr-defined]
            number = int(seen.target.rpartition("/")[2])
            if number % 7 == 0:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut")  # type: ignore[attr-defined]
                return
            peer.reply(seen.target.encode())  # type: ignore[attr-defined]

    wrong: list[str] = []
    counts = {"ok": 0, "failed": 0}
    lock = threading.Lock()
    with FaultServer(script) as server:
        client = HttpClient(server.base, options=HttpOptions(timeout_ms=30_000))

        def work(first: int) -> None:
            for number in range(first, first + 40):
                target = f"/{threading.get_ident()}/{number}"
                try:
                    text = client.call(
                        lambda target=target: HttpRequest("POST", server.base + target, {}, b""),  # type: ignore[misc]
                        lambda reply: reply.text,
                        idempotent=False,
                    )
                    outcome = "ok"
                    if text != target or last_text(client) != target:
                        wrong.append(text)
                except FmzError as error:
                    outcome = "failed"
                    if type(error) is not ConnectionLost or number % 7:
                        wrong.append(repr(error))
                with lock:
                    counts[outcome] += 1

        threads = [threading.Thread(target=work, args=(at * 100,)) for at in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        client.close()
    expected = sum(1 for at in range(16) for number in range(at * 100, at * 100 + 40) if number % 7 == 0)
    assert wrong == []
    assert counts == {"ok": 640 - expected, "failed": expected}
