"""The client: keep-alive, per-thread state, retries, stops, and what it refuses."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
import responses

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import (
    AuthenticationFailed,
    BadReply,
    Banned,
    ConnectFailed,
    ConnectionLost,
    FmzError,
    InputError,
    RateLimited,
    StopRequested,
    TimedOut,
    VenueUnavailable,
)
from fmzthreads.http.client import Headers, HttpClient, HttpOptions, HttpRequest, Reply, RetryPolicy
from fmzthreads.http.reply import _plain_json
from fmzthreads.tasks.gate import Gate, gated

from ..helpers.http_faults import FaultServer, Peer, answering
from ..helpers.last_reply import last_text
from ..helpers.threads import run_in_thread

QUICK = HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=3, first_delay_s=0.001))
ONCE = HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0))


def get(client: HttpClient, path: str = "/x", **options: Any) -> Reply:
    return client.call(lambda: HttpRequest("GET", client.base + path), lambda r: r, idempotent=True, **options)


def post(client: HttpClient, path: str = "/order", **options: Any) -> Reply:
    build = lambda: HttpRequest("POST", client.base + path, {}, b"a=1")  # noqa: E731
    return client.call(build, lambda r: r, idempotent=False, **options)


def test_keeps_one_connection_for_many_calls() -> None:
    with FaultServer(answering(b"[1]", b"[2]")) as server:
        client = HttpClient(server.base)
        assert [get(client).json() for _ in range(3)] == [[1], [2], [2]]
        assert post(client).json() == [2]
        client.close()
        assert server.connections == 1
        assert server.seen[3].body == b"a=1"
        assert server.seen[3].headers["content-length"] == "3"
        assert server.seen[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_warm_opens_the_connection_and_sends_nothing() -> None:
    with FaultServer(answering()) as server:
        client = HttpClient(server.base)
        client.warm()
        assert server.seen == []
        get(client)
        client.close()
        assert server.connections == 1


def test_a_reply_in_small_pieces_with_an_interim_one() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        for piece in (
            b"HTTP/1.1 100 Continue\r\n\r",
            b"\nHTTP/1.",
            b"1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Enc",
            b"oding: chunked\r\n\r\n",
        ):
            peer.send(piece)
        for piece in (b"4;ext=1\r\n[1, \r", b"\n2\r\n2]\r\n0\r\nTrailer: x\r\n", b"\r\n"):
            peer.send(piece)
        peer.hang()

    with FaultServer(script) as server:
        client = HttpClient(server.base)
        reply = get(client)
        assert reply.json() == [1, 2]
        assert reply.headers["X-a"] == "1, 2"
        assert reply.headers.get_all("x-A") == ["1", "2"]
        client.close()


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"]
)
def test_replies_without_a_body(head: str) -> None:
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(head.encode())

    with FaultServer(script) as server:
        client = HttpClient(server.base)
        assert get(client).body == get(client).body == b""
        client.close()
        assert server.connections == 1


def test_a_body_that_ends_with_the_connection() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\nto the end")

    with FaultServer(script) as server:
        client = HttpClient(server.base)
        assert get(client).body == get(client).body == b"to the end"
        client.close()
        assert server.connections == 2


def test_responses_intercepts_the_hot_path() -> None:
    client = HttpClient("https://api.example.com")
    with responses.RequestsMock() as mock:
        mock.get("https://api.example.com/x", json={"a": 1}, headers={"X-Weight": "3"})
        mock.post("https://api.example.com/order", status=400, body="no")
        reply = get(client, "/x?signature=abc")
        assert (reply.status, reply.json(), reply.headers["x-weight"]) == (200, {"a": 1}, "3")
        assert reply.request == "GET https://api.example.com/x"
        assert post(client).text == "no"
        assert mock.calls[1].request.body == b"a=1"
    assert last_text(client) == "no"


def test_errors_that_responses_raises_become_ours() -> None:
    import requests

    client = HttpClient("https://api.example.com", options=ONCE)
    pairs = [
        (requests.ConnectionError("x"), ConnectionLost),
        (requests.ConnectTimeout("x"), ConnectFailed),
        (requests.ReadTimeout("x"), TimedOut),
    ]
    for raised, expected in pairs:
        with responses.RequestsMock() as mock:
            mock.get("https://api.example.com/x", body=raised)
            with pytest.raises(expected):
                get(client)


def test_the_requests_session_shares_the_connections() -> None:
    with FaultServer(answering(b'{"a": 1}')) as server:
        client = HttpClient(server.base)
        get(client)
        assert client.session().post(server.base + "/y", data={"k": "v"}, timeout=60).json() == {"a": 1}
        client.close()
        assert server.connections == 1
        assert server.seen[1].body == b"k=v"


def test_last_text_is_kept_for_each_thread() -> None:
    def script(peer: Peer) -> None:
        while (seen := peer.request()) is not None:
            peer.reply(seen.target.encode(), status="404 Not Found")

    texts: dict[int, list[str]] = {}
    with FaultServer(script) as server:
        client = HttpClient(server.base)
        assert client.last_reply() is None
        both = threading.Barrier(4)

        def work(number: int) -> None:
            texts[number] = ["" if client.last_reply() is None else "a reply of another thread"]
            for turn in range(20):
                both.wait(60)
                get(client, f"/{number}/{turn}")
                both.wait(60)
                texts[number].append(last_text(client))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert client.last_reply() is None
        client.close()
    assert texts == {n: ["", *(f"/{n}/{t}" for t in range(20))] for n in range(4)}


def test_connections_go_with_their_threads() -> None:
    with FaultServer(answering()) as server:
        client = HttpClient(server.base)
        gc.disable()  # it must not take the garbage collector
        try:
            for turn in range(5):
                thread = threading.Thread(target=get, args=(client,))
                thread.start()
                thread.join(60)
                assert server.ended.acquire(timeout=60), f"the connection of thread {turn} stays open"
        finally:
            gc.enable()
        assert server.connections == 5
        client.close()


def test_connections_go_with_their_client() -> None:
    with FaultServer(answering()) as server:
        client = HttpClient(server.base)
        get(client)
        gc.disable()
        try:
            del client
            assert server.ended.acquire(timeout=60)
        finally:
            gc.enable()


# ---- retries


def failing(times: int, then: bytes = b"{}") -> Any:
    """Closes without a reply for the first requests, then answers."""
    lock, left = threading.Lock(), [times]

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            with lock:
                left[0] -= 1
                bad = left[0] >= 0
            if bad:
                return
            peer.reply(then)

    return script


def test_a_read_is_repeated_and_built_anew() -> None:
    built: list[int] = []

    def build() -> HttpRequest:
        built.append(len(built))
        return HttpRequest("GET", f"{server.base}/x?timestamp={len(built)}")

    with FaultServer(failing(2, b"[7]")) as server:
        client = HttpClient(server.base, options=QUICK)
        assert client.call(build, lambda r: r.json(), idempotent=True) == [7]
        client.close()
        assert [seen.target for seen in server.seen] == ["/x?timestamp=1", "/x?timestamp=2", "/x?timestamp=3"]


def test_the_pauses_double_and_sleep_on_the_clock() -> None:
    clock = ManualClock()
    policy = RetryPolicy(retries=3, first_delay_s=1.0, longest_delay_s=3.0, jitter=lambda: 1.0)
    with FaultServer(failing(99)) as server:
        client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=100_000, retry=policy))
        caught: list[BaseException] = []

        def work() -> None:
            try:
                get(client)
            except FmzError as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        for count, pause in ((1, 1.0), (2, 2.0), (3, 3.0)):
            assert clock.wait_for_sleepers()
            assert len(server.seen) == count
            clock.advance(pause - 0.01)
            assert clock.wait_for_sleepers()
            assert len(server.seen) == count
            clock.advance(0.01)
        thread.join(60)
        client.close()
        assert isinstance(caught[0], ConnectionLost)
        assert len(server.seen) == 4


def test_a_pause_that_does_not_fit_the_deadline_is_not_begun() -> None:
    clock = ManualClock()  # never advanced: a sleep would hang the test
    policy = RetryPolicy(retries=5, first_delay_s=2.0, jitter=lambda: 1.0)
    with FaultServer(failing(99)) as server:
        client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=2_000, retry=policy))
        with pytest.raises(ConnectionLost):
            get(client)
        client.close()
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (VenueUnavailable("down"), 4),
        (RateLimited("slow down", retry_after_s=0.001), 4),
        (RateLimited("slow down", retry_after_s=60), 1),
        (Banned("go away", retry_after_s=0.001), 1),
        (AuthenticationFailed("no"), 1),
        (BadReply("what"), 1),
    ],
)
def test_what_is_repeated(error: FmzError, sent: int) -> None:
    def parse(_: Reply) -> None:
        raise error

    with FaultServer(answering()) as server:
        client = HttpClient(server.base, options=QUICK)
        with pytest.raises(type(error)) as caught:
            client.call(lambda: HttpRequest("GET", server.base), parse, idempotent=True)
        assert caught.value is error
        client.close()
        assert len(server.seen) == sent


def test_a_rate_limit_is_waited_for() -> None:
    clock = ManualClock()
    replies: list[int] = []

    def parse(reply: Reply) -> str:
        replies.append(reply.status)
        if len(replies) == 1:
            raise RateLimited("slow down", retry_after_s=7.0)
        return "ok"

    with FaultServer(answering()) as server:
        client = HttpClient(server.base, clock=clock)
        results: list[str] = []
        thread = threading.Thread(
            target=lambda: results.append(client.call(lambda: HttpRequest("GET", server.base), parse, idempotent=True))
        )
        thread.start()
        assert clock.wait_for_sleepers()
        clock.advance(6.9)
        assert len(server.seen) == 1
        clock.advance(0.2)
        thread.join(60)
        client.close()
        assert results == ["ok"]


def test_a_reply_that_is_not_understood_ends_its_connection() -> None:
    with FaultServer(answering(b"<html>Oops" + b"x" * 500)) as server:
        client = HttpClient(server.base, options=QUICK)
        for _ in range(2):
            with pytest.raises(BadReply) as caught:
                client.call(lambda: HttpRequest("GET", server.base + "/a"), lambda r: r.json(), idempotent=True)
        text = str(caught.value)
        assert "<html>Oops" in text
        assert "HTML" in text
        assert "x" * 200 not in text
        client.close()
        assert server.connections == 2


# ---- stops and closing


def silent(peer: Peer) -> None:
    peer.request()
    peer.hang()


def test_a_stop_ends_a_read_at_once() -> None:
    clock = WallClock()
    with FaultServer(silent) as server:
        client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=60_000))
        call = run_in_thread(lambda: get(client))
        assert server.arrived.wait(60)
        clock.stop.request("the user pressed stop")
        error = call.error()
        assert isinstance(error, StopRequested)
        assert "the user pressed stop" in str(error)
        with pytest.raises(StopRequested):
            get(client)
        assert len(server.seen) == 1
        client.close()


def test_a_stop_gives_an_order_its_grace_and_never_hides_that_it_was_sent() -> None:
    clock = WallClock()
    with FaultServer(silent) as server:
        client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=60_000, stop_grace_ms=50))
        call = run_in_thread(lambda: post(client))
        assert server.arrived.wait(60)
        clock.stop.request()
        assert type(call.error()) is ConnectionLost
        client.close()


def test_an_order_whose_reply_comes_within_the_grace_is_done() -> None:
    clock = WallClock()
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        go.wait(60)
        peer.reply(b'"placed"')

    with FaultServer(script) as server:
        client = HttpClient(server.base, clock=clock, options=HttpOptions(timeout_ms=60_000, stop_grace_ms=30_000))
        call = run_in_thread(lambda: post(client).text)
        assert server.arrived.wait(60)
        clock.stop.request()
        go.set()
        assert call.result() == '"placed"'
        assert not [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
        client.close()


def test_close_ends_a_call_and_later_calls_work() -> None:
    turns = [0]

    def script(peer: Peer) -> None:
        turns[0] += 1
        if turns[0] == 1:
            silent(peer)
        else:
            answering(b"[]")(peer)

    with FaultServer(script) as server:
        client = HttpClient(server.base, options=HttpOptions(timeout_ms=60_000))
        call = run_in_thread(lambda: get(client))
        assert server.arrived.wait(60)
        client.close()
        assert type(call.error()) is ConnectionLost
        assert len(server.seen) == 1  # not repeated
        assert get(client).json() == []
        client.close()


def test_another_process_opens_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child that used the parent's connection would take its replies."""
    with FaultServer(answering(b"1")) as server:
        client = HttpClient(server.base, options=ONCE)
        get(client)
        stream = next(iter(client._here.owner.client._routes.values())).connection._stream
        copy = socket.socket(fileno=os.dup(stream._socket.fileno()))  # what the parent has
        mine = os.getpid()
        with monkeypatch.context() as child:
            child.setattr("fmzthreads.net.sockets.os.getpid", lambda: mine + 1)
            assert get(client).text == "1"
        assert server.connections == 2
        copy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        copy.settimeout(60)
        assert copy.recv(100).startswith(b"HTTP/1.1 200")  # the child has not shut it down
        copy.close()
        client.close()


def test_close_from_another_thread_while_calls_run() -> None:
    with FaultServer(answering(b"[]")) as server:
        client = HttpClient(server.base, options=ONCE)
        failures: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            for _ in range(100):
                try:
                    assert get(client).json() == []
                except (ConnectionLost, ConnectFailed):
                    pass
                except BaseException as error:
                    failures.append(error)
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        while not done.is_set():
            client.close()
        thread.join(60)
        client.close()
        assert failures == []


# ---- gates


def test_gated_calls_are_all_connected_before_the_first_is_written() -> None:
    with FaultServer(answering()) as server:
        client = HttpClient(server.base)
        gate = Gate(4, 10)
        threads = []

        def work() -> None:
            with gated(gate):
                get(client)

        for _ in range(3):
            threads.append(threading.Thread(target=work))
            threads[-1].start()
        deadline = threading.Event()
        while server.connections < 3 and not deadline.wait(0.005):
            pass
        assert server.seen == []
        gate.leave()
        for thread in threads:
            thread.join(60)
        assert len(server.seen) == 3
        client.close()


# ---- what is refused


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://a/b",
        "http://",
        "http:///x",
        "http://a:0/",
        "http://a:99999/",
        "http://a/b c",
        "http://a/\r\nX: y",
        "http://a b/",
        "http://ü\x00/",
    ],
)
def test_urls_that_cannot_be(url: str) -> None:
    client = HttpClient()
    with pytest.raises(InputError):
        client.call(lambda: HttpRequest("GET", url), lambda r: r, idempotent=True)


@pytest.mark.parametrize("base", ["example.com", "http://u:p@example.com", "http://a/?q=1", "http://a/#f", "ws://a"])
def test_bases_that_cannot_be(base: str) -> None:
    with pytest.raises(InputError) as caught:
        HttpClient(base)
    assert "u:p" not in str(caught.value)
    client = HttpClient("https://ok.example/api/")
    assert client.base == "https://ok.example/api"
    with pytest.raises(InputError):
        client.set_base(base)
    assert client.base == "https://ok.example/api"


def test_header_injection_is_refused_before_anything_is_sent() -> None:
    with FaultServer(answering()) as server:
        client = HttpClient(server.base)
        for headers in (
            {"X": "a\r\nY: b"},
            {"X": "a\nb"},
            {"X": "a\rb"},
            {"X\r\nY": "b"},
            {"X Y": "b"},
            {"": "b"},
            {"X": "\u20ac"},
        ):
            with pytest.raises(InputError):
                client.call(lambda h=headers: HttpRequest("GET", server.base, h), lambda r: r, idempotent=False)  # type: ignore[misc]
        client.close()
        assert server.seen == []


@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", True, None])
def test_time_outs_that_cannot_be(value: Any) -> None:
    with pytest.raises(InputError):
        HttpClient().set_timeout(value)
    with pytest.raises(InputError):
        HttpOptions(timeout_ms=value)


def test_unverified_tls_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        HttpClient("https://a.example", options=HttpOptions(verify=False))
    assert "not verified" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("with_orjson", [True, False])
def test_json_in_every_encoding_reads_the_same_with_and_without_orjson(
    encoding: str, with_orjson: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_orjson:
        pytest.importorskip("orjson")
    else:
        monkeypatch.setattr("fmzthreads.http.reply._json_reader", lambda: _plain_json)
    for text in ('{"a": "\u00fc"}', '["x"]', "5", '"s"'):
        assert Reply(200, Headers(), text.encode(encoding)).json() == json.loads(text)
    for body in (b"\xef\xbb\xbf", b"\xef\xbb\xbf<html>", b"\xff\xfe{", b"\xef\xbb\xbf{"):
        with pytest.raises(BadReply, match="expected JSON"):
            Reply(200, Headers(), body).json()


def test_json_forms() -> None:
    reply = Reply(
        200,
        __import__("fmzthreads.http.reply", fromlist=["Headers"]).Headers(),
        json.dumps({"a": [1, 2.5, "ü"]}).encode(),
    )
    assert reply.json() == {"a": [1, 2.5, "ü"]}
    for body in (b"", b"   ", b"<!doctype html>", b"{", b"NaN", b"\xff", b"[" * 100_000):
        with pytest.raises(BadReply):
            Reply(200, reply.headers, body).json()


@pytest.mark.parametrize(
    "body", ["t\u00fc", b"b", bytearray(b"ba"), io.BytesIO(b"file"), io.StringIO("text"), iter([b"p", "q"]), None]
)
def test_the_requests_session_sends_every_kind_of_body(body: Any) -> None:
    with FaultServer(answering(b"1")) as server:
        client = HttpClient(server.base)
        assert client.session().put(server.base, data=body, timeout=60).text == "1"
        client.close()
        wanted = {str: "t\u00fc".encode(), bytes: b"b", bytearray: b"ba", io.BytesIO: b"file", io.StringIO: b"text"}
        assert server.seen[0].body == wanted.get(type(body), b"" if body is None else b"pq")


def test_a_call_that_cannot_connect_does_not_hold_a_gated_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(answering(b"1")) as server:
        good, unreachable = HttpClient(server.base), HttpClient("http://127.0.0.1:9")
        get(good)
        connecting, given_up = threading.Event(), threading.Event()

        def never(*_: Any) -> Any:
            connecting.set()
            assert given_up.wait(60)
            raise ConnectFailed("no route")

        monkeypatch.setattr("fmzthreads.http.connection.open_stream", never)
        gate = Gate(2, None)

        def bad() -> None:
            with gated(gate), pytest.raises(ConnectFailed):
                post(unreachable)

        thread = run_in_thread(bad)
        assert connecting.wait(60)
        with gated(gate):
            assert get(good).text == "1", "the call was held"
        given_up.set()
        thread.result()
        good.close()
        unreachable.close()


def test_a_connection_that_dies_while_a_call_is_held_at_the_gate_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = threading.Event()

    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.request()
            peer.reply(b"1")
            dead.wait(60)
        else:
            answering(b"2")(peer)

    with FaultServer(script) as server:
        client = HttpClient(server.base)
        get(client)

        def hold() -> None:  # so long that the connection is looked at again
            dead.set()
            assert server.ended.acquire(timeout=60)

        monkeypatch.setattr("fmzthreads.http.connection.HERE.gate", Gate(1))
        monkeypatch.setattr("fmzthreads.http.connection.pass_gate", hold)
        monkeypatch.setattr("fmzthreads.http.connection._HELD_LONG_S", -1)
        assert post(client).text == "2"
        client.close()


def test_responses_intercepts_also_when_it_was_there_before_the_client_was_loaded() -> None:
    code = """
import responses
with responses.RequestsMock() as mock:
    mock.get("https://host.invalid/x", body="said")
    from fmzthreads import HttpQuery
    print(HttpQuery("https://host.invalid/x", {"timeout": 60000}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "said\n", done.stdout + done.stderr


def test_the_name_and_password_of_a_url_are_sent_unless_the_call_has_its_own() -> None:
    with FaultServer(answering(b"1")) as server:
        client = HttpClient(server.base)
        url = f"http://user:pass%40word@127.0.0.1:{server.port}/x"
        for headers in ({}, {"authorization": "Bearer own"}):
            client.call(lambda h=headers: HttpRequest("GET", url, h), lambda reply: reply, idempotent=True)  # type: ignore[misc]
        client.close()
        assert [seen.headers["authorization"] for seen in server.seen] == ["Basic dXNlcjpwYXNzQHdvcmQ=", "Bearer own"]


def test_a_thread_keeps_so_many_connections_and_closes_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.http.thread_client._MOST_CONNECTIONS", 2)
    with (
        FaultServer(answering(b"1")) as first,
        FaultServer(answering(b"1")) as second,
        FaultServer(answering(b"1")) as third,
    ):
        client = HttpClient(first.base)

        def ask(server: FaultServer) -> None:
            client.call(lambda: HttpRequest("GET", server.base + "/x"), lambda reply: reply, idempotent=True)

        for server in (first, second, first, second):
            ask(server)
        assert (first.connections, second.connections) == (1, 1)
        ask(third)
        assert first.ended.acquire(timeout=60)
        ask(second)
        ask(first)
        client.close()
        assert (first.connections, second.connections, third.connections) == (2, 1, 1)


def test_only_the_first_attempt_after_a_connection_that_had_gone_stale_comes_at_once() -> None:
    policy = RetryPolicy(first_delay_s=1.0, longest_delay_s=4.0, jitter=lambda: 1.0)
    error = ConnectionLost("gone")
    assert [policy.pause_s(error, attempt, stale=True) for attempt in (1, 2, 3)] == [0.0, 2.0, 4.0]
    assert policy.pause_s(error, 1) == 1.0
    assert policy.pause_s(RateLimited("slow"), 1) == 1.0
    assert policy.pause_s(RateLimited("slow", retry_after_s=3.0), 1) == 3.0
