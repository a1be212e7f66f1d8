"""The strategy-facing exchange, HttpQuery and EventLoop: tied to the current runtime."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.constants import LOG_TYPE_BUY, LOG_TYPE_CANCEL
from fmzthreads.errors import InputError, OperationFailed, StopRequested
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.host import Host
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.venue import BaseVenue
from fmzthreads.http.query import QueryHost
from fmzthreads.strategy.exports import EventLoop, HttpQuery, HttpQuery_Go
from fmzthreads.strategy.globals import EnableLog, GetLastError, SetErrorFilter
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.structures import Market, Ticker
from tests.helpers.strategy import quiet_runtime
from tests.helpers.threads import run_in_thread

KEYS = {"access_key": "access-0001", "secret_key": "secret-0002", "passphrase": "phrase-0003"}


class Venue(BaseVenue):
    """A venue whose ticker can be made to fail, or to wait."""

    name = "Fake"

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.go_on = threading.Event()
        self.go_on.set()

    def ticker(self, symbol: str) -> Ticker:
        self.go_on.wait(30)
        if self.text:
            raise OperationFailed(self.text)
        return Ticker(Symbol=symbol, Last=1.0)

    def markets(self) -> dict[str, Market]:
        raise self._no("GetMarkets")

    def close(self) -> None:
        pass


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with quiet_runtime() as made:
        yield made


def _exchange(venue: Any, **options: Any) -> Exchange:
    return Exchange("Fake", "BTC_USDT", venue=venue, **options)


def test_a_runtime_is_a_host(runtime: Runtime) -> None:
    host: Host = runtime
    query_host: QueryHost = runtime
    assert host.clock is query_host.clock is runtime.clock


def test_an_exchange_belongs_to_the_runtime_that_was_current(runtime: Runtime) -> None:
    with _exchange(Venue("went wrong"), label="mine") as exchange:
        assert exchange.GetTicker() is None
        assert exchange.Go("GetTicker").wait(30_000) == (None, True)
        assert [(line.kind, line.source, line.text) for line in runtime.journal.lines()] == [
            ("error", "mine", "GetTicker: went wrong")
        ] * 2
        assert GetLastError() == "mine: GetTicker: went wrong"
        SetErrorFilter("GetTicker")
        exchange.GetTicker()
        assert len(runtime.journal.lines()) == 2
        with quiet_runtime() as other:
            exchange.GetTicker()
            assert GetLastError() is None
            assert other.journal.lines() == []
        assert GetLastError() is not None
        assert runtime.exchanges == [exchange]


def test_order_lines_of_exchange_log(runtime: Runtime) -> None:
    with _exchange(Venue()) as exchange:
        exchange.Log(LOG_TYPE_BUY, 100, 2, "because", "#ff0000")
        EnableLog(False)
        exchange.Log(LOG_TYPE_BUY, 100, 2)
        EnableLog(True)
        exchange.Log(LOG_TYPE_CANCEL, "id-1")
    first, second = runtime.journal.lines()
    assert (first.kind, first.label, first.symbol, first.price, first.amount) == ("buy", "Fake", "BTC_USDT", 100.0, 2.0)
    assert (first.text, first.color) == ("because", "#ff0000")
    assert (second.kind, second.order_id) == ("cancel", "id-1")


@pytest.mark.parametrize("explicit", [True, False])
def test_keys_are_cut_out_of_that_runtimes_lines(
    runtime: Runtime, explicit: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def make(name: str, *, credentials: Credentials, base: str, clock: object) -> Venue:
        return Venue(f"refused {credentials.access_key} {credentials.secret_key} {credentials.passphrase}")

    monkeypatch.setattr(Exchange, "venue_factory", staticmethod(make))
    with quiet_runtime() as other:
        with Exchange("Fake", "BTC_USDT", host=runtime if explicit else None, **KEYS) as exchange:
            exchange.GetTicker()
        owner = runtime if explicit else other
        assert owner.take_last_error() == "Fake: GetTicker: refused *** *** ***"
        assert owner.journal.lines()[0].text == "GetTicker: refused *** *** ***"


def test_event_loop_is_woken_by_the_end_of_background_calls(runtime: Runtime) -> None:
    assert EventLoop(-1) is None
    first, second = _exchange(Venue()), _exchange(Venue())
    handle = second.Go("GetTicker")
    event = EventLoop(30_000)
    assert event is not None
    assert (event.Event, event.Index, event.Seq) == ("Exchange_GetTicker", 1, 1)
    assert handle.wait(-1)[1] is True
    assert first.Go("GetTicker").wait(30_000)[1] is True
    assert EventLoop(-1) is None  # its result was taken before
    first.close()
    second.close()


def test_a_call_that_began_before_the_first_event_loop_wakes_it(runtime: Runtime) -> None:
    venue = Venue()
    venue.go_on.clear()
    with _exchange(venue) as exchange:
        handle = exchange.Go("GetTicker")
        assert EventLoop(-1) is None
        venue.go_on.set()
        event = EventLoop(30_000)
        assert event is not None
        assert event.Event == "Exchange_GetTicker"
        assert handle.wait()[1] is True


def test_a_stop_ends_event_loop(runtime: Runtime) -> None:
    runtime.stop.request()
    with pytest.raises(StopRequested):
        EventLoop(1_000)


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"hello" if self.path == "/ok" else b"not here"
            self.send_response(200 if self.path == "/ok" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = run_in_thread(made.serve_forever, 0.01)
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()
    serving.result()


def test_http_query_and_its_background_form(runtime: Runtime, server: str) -> None:
    assert HttpQuery(f"{server}/ok") == "hello"
    assert HttpQuery(f"{server}/nowhere") == "not here"
    assert EventLoop(-1) is None
    handle = HttpQuery_Go(f"{server}/ok")
    event = EventLoop(30_000)
    assert event is not None
    assert event.Event == "HttpQuery"
    assert handle.wait() == ("hello", True)
    assert runtime.journal.lines() == []


def test_http_query_without_a_reply_leaves_a_line_in_this_runtime(runtime: Runtime) -> None:
    assert HttpQuery("http://127.0.0.1:1/", {"timeout": 5_000}) == ""
    assert [line.kind for line in runtime.journal.lines()] == ["error"]
    assert "127.0.0.1:1" in str(GetLastError())


def test_an_exchange_that_could_not_be_made_is_not_known(runtime: Runtime) -> None:
    with pytest.raises(InputError, match="BTCUSDT"):
        Exchange("Fake", "BTCUSDT", venue=Venue())  # type: ignore[arg-type]
    assert runtime.exchanges == []
