"""``Dial`` as a script sees it: it belongs to the runtime, its failures are told there, and its data wakes ``EventLoop``."""

from __future__ import annotations

from fmzthreads import Dial, EventLoop, GetLastError
from fmzthreads.strategy.runtime import Runtime, use
from tests.helpers.ws_server import WsServer


def quiet() -> Runtime:
    return Runtime(console=False)


def test_data_on_a_connection_wakes_the_event_loop_until_it_is_closed() -> None:
    with use(quiet()), WsServer() as server:
        client = Dial(server.url)
        assert client is not None
        assert EventLoop(-1) is None
        server.peer().text("one")
        event = EventLoop(30_000)
        assert event is not None
        assert event.Event == "Dial"
        assert client.read(-1) == "one"
        assert EventLoop(-1) is None
        client.close()


def test_a_connection_that_cannot_be_made_is_none_and_the_runtime_says_why() -> None:
    with use(quiet()), WsServer() as server:
        url = server.url
        server.stop_listening()
        assert Dial(url, 5) is None
        said = GetLastError()
        assert said is not None
        assert said.startswith("Dial: ")
        assert GetLastError() is None


def test_a_warning_is_a_line_and_no_error() -> None:
    runtime = quiet()
    runtime.warning("certificates are not checked", source="Dial")
    assert runtime.journal.lines()[-1].text == "warning: Dial: certificates are not checked"
    assert runtime.take_last_error() is None
