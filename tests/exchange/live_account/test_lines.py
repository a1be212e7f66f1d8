"""The connections of a user stream: greeted, read as one, lost with the first of them, and never short of a message unnoticed."""

from __future__ import annotations

import json

import attrs
import pytest

from fmzthreads.errors import VenueRejected
from fmzthreads.exchange.live_account import lines
from fmzthreads.exchange.live_account.source import StreamGreeting, StreamLine
from tests.exchange.live_account.test_feed import ids, running
from tests.helpers.account_streams import PATIENCE_S, order, tell
from tests.helpers.book_feeds import LineHost
from tests.helpers.ws_server import Peer, WsServer


def greet(line: StreamGreeting) -> None:
    """Asks for a welcome, and puts aside what comes before it."""
    line.say("hello")
    while True:
        message = line.hear()
        if message == "welcome":
            return
        if message == "go away":
            raise VenueRejected("the venue refused the login")
        line.keep(message)


def greeted(server: WsServer, *before: str, answer: str = "welcome") -> Peer:
    peer = server.peer()
    assert peer.read_message() == b"hello"
    peer.text(*before, answer)
    return peer


def about(number: int) -> str:
    return json.dumps({"time": number, "order": order(number)})


def test_what_comes_before_the_welcome_is_read_first() -> None:
    with running() as (run, source, server):
        source.greet = greet
        run.feed.start()
        peer = greeted(server, about(1), about(2))
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert ids(run) == ["BTCUSDT,1", "BTCUSDT,2"]
        tell(peer, 3, order=order(3))
        run.wait_until(lambda: len(ids(run)) == 3)


def test_a_refused_login_is_told_once_and_tried_again() -> None:
    with running() as (run, source, server):
        source.greet = greet
        run.feed.start()
        greeted(server, answer="go away")
        greeted(server, answer="go away")
        run.host.wait_for("the account is not live, REST is used meanwhile: the venue refused the login")
        greeted(server)
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert source.connects == 3


def test_a_venue_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_GREETING_S", 0.001)
    with running() as (run, source, server):
        source.greet = greet
        run.feed.start()
        run.host.wait_for("the venue did not confirm the subscription within 0.001 s")
        server.peer()


def test_a_connection_that_ends_during_the_greeting_is_a_loss() -> None:
    with running() as (run, source, server):
        source.greet = greet
        run.feed.start()
        server.peer().reset()
        run.host.wait_for("the connection was lost before the stream was subscribed to")


def test_two_connections_are_one_stream_which_is_lost_with_either() -> None:
    with running() as (run, source, server):
        source.lines, source.greet = 2, greet
        run.feed.start()
        peers = [greeted(server, about(1)), greeted(server, about(2))]
        assert run.feed.clock.wait((run.feed.live,), PATIENCE_S)
        assert ids(run) == ["BTCUSDT,1", "BTCUSDT,2"]
        for gap, lost in enumerate((0, 1), start=1):
            for number, peer in enumerate(peers):
                tell(peer, 10 * gap, order=order(10 * gap + number))
            run.wait_until(
                lambda gap=gap: (
                    run.feed.view.knows(f"BTCUSDT,{10 * gap}") and run.feed.view.knows(f"BTCUSDT,{10 * gap + 1}")
                )
            )
            peers[lost].reset()
            peers = [greeted(server), greeted(server)]
            run.wait_until(run.feed.live.is_set)  # it was cleared before the new connections were made
            assert run.feed.view.gaps == gap


def test_messages_beyond_the_buffer_are_a_gap_and_not_a_hole() -> None:
    with running() as (run, source, server):
        source.options = {"qsize": 4}
        source.may_answer.clear()
        run.feed.start()
        peer = server.peer()
        assert source.asked.acquire(timeout=PATIENCE_S)
        for number in range(1, 50):
            tell(peer, number, order=order(number))
        server_side = run.feed._connection
        assert server_side is not None
        connection = server_side._connections[0]
        run.wait_until(lambda: connection.ended)
        source.open = [order(number) for number in range(1, 50)]
        source.options = {}
        source.may_answer.set()
        server.peer()
        run.wait_until(run.feed.live.is_set)
        assert len(ids(run)) == 49
        assert source.connects == 2


def test_a_close_during_the_greeting_ends_the_thread() -> None:
    with running() as (run, source, server):
        source.lines, source.greet = 2, greet
        run.feed.start()
        assert server.peer().read_message() == b"hello"
        run.feed.close(PATIENCE_S)
        assert run.feed.ended.is_set()
        assert source.connects == 1


def test_a_close_between_two_connections_opens_no_second_one() -> None:
    with WsServer() as server:
        made: list[lines.AccountLines] = []
        ends = StreamLine(address=server.url, options={"reconnect": False}, greet=lambda line: made[0].close())
        made.append(lines.AccountLines([ends, attrs.evolve(ends, greet=None)], LineHost()))
        assert made[0].open() is False
        assert len(made[0]._opened) == 1
