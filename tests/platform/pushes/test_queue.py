"""The queue of pushes: order, retry, digest, and nothing that is dropped silently."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, OperationFailed, UnknownName, VenueRejected
from fmzthreads.platform.nodes.node import ProcessLook
from fmzthreads.platform.pushes.channels import PushChannel
from fmzthreads.platform.pushes.queue import PushQueue
from fmzthreads.platform.service import Platform
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.log_database import DatabaseSink
from tests.helpers.platforms import fake_platform, owner_of, robot_settings

TOKEN = "token-of-tests-1234"


class Sending:
    """A queue that sends into a list, with a clock that is turned by hand."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.now_ms = 1_000_000_000
        self.sent: list[tuple[str, str, str]] = []
        self.errors: list[Exception] = []
        self.queue = PushQueue(
            platform.database, platform.pushes.channels, platform.audit, self.send, lambda: self.now_ms
        )

    def send(self, channel: PushChannel, title: str, body: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((channel.name, title, body))

    def round(self, seconds: float = 0.0) -> None:
        self.now_ms += int(seconds * 1000)
        self.queue.send_round()


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[Sending]:
    with fake_platform(tmp_path) as (platform, _):
        platform.pushes.channels.create("bot", "url", {"url": f"https://bot.test/{TOKEN}/send?text={{body}}"})
        yield Sending(platform)


def states(sending: Sending) -> list[str]:
    return [one.state for one in reversed(sending.queue.all())]


def test_messages_go_out_in_order_and_once(sending: Sending) -> None:
    sending.queue.add("robot", ["one", "two"], 7)
    sending.round()
    sending.round()
    sending.round()
    assert sending.sent == [("bot", "robot", "one"), ("bot", "robot", "two")]
    assert states(sending) == ["sent", "sent"]


def test_the_end_waits_for_the_thread_and_closes_its_connections(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PushConnections:
        closed = False

        def close(self) -> None:
            self.closed = True

    connections, sent = PushConnections(), threading.Event()
    monkeypatch.setattr("fmzthreads.platform.pushes.queue.push_client", lambda: connections)
    monkeypatch.setattr("fmzthreads.platform.pushes.queue.send_push", lambda *_: sent.set())
    queue = PushQueue(sending.platform.database, sending.platform.pushes.channels, sending.platform.audit)
    queue.start()
    queue.add("robot", ["one"])
    assert sent.wait(60)
    queue.close()
    assert connections.closed
    assert "fmzthreads-pushes" not in {thread.name for thread in threading.enumerate() if thread is queue._thread}


def test_many_become_a_digest_with_all_of_them(sending: Sending) -> None:
    sending.queue.add("robot", [f"line {n}" for n in range(150)])
    sending.round()
    sending.round()
    assert [title for _, title, _ in sending.sent] == ["100 messages", "50 messages"]
    lines = "\n".join(body for _, _, body in sending.sent).splitlines()
    assert lines == [f"robot: line {n}" for n in range(150)]
    assert set(states(sending)) == {"sent"}


@pytest.mark.parametrize("body", ["", '{"text": "{body}"}'])
def test_a_digest_is_no_longer_than_the_channel_takes(sending: Sending, body: str) -> None:
    """Of a longer one the end was cut off, and the messages in it were lost."""
    channels = sending.platform.pushes.channels
    channels.delete(1)
    channels.create("bot", "url", {"url": f"https://bot.test/{'{body}' if not body else TOKEN}", "body": body})
    sending.queue.add("robot", [f"{n} {'x' * 200}" for n in range(99)] + ["y" * 4000, "last"])
    for _ in range(40):
        sending.round()
    limit = 3500 if body else 1500
    assert all(len(text) <= limit for _, title, text in sending.sent if "messages" in title)
    text = "\n".join(text for _, _, text in sending.sent)
    assert [line.split()[-2] for line in text.splitlines() if line.endswith("x" * 200)] == [str(n) for n in range(99)]
    assert "y" * 4000 in text
    assert text.endswith("last")
    assert set(states(sending)) == {"sent"}
    assert len(sending.sent) > 20_000 // limit


def test_one_message_that_is_refused_takes_no_others_along(sending: Sending) -> None:
    sending.queue.add("robot", ["one", "two", "three"])
    sending.errors = [VenueRejected("400"), VenueRejected("400")]  # the digest, then the first message by itself
    sending.round()
    assert [text for _, _, text in sending.sent] == ["two", "three"]
    assert states(sending) == ["failed", "sent", "sent"]


def test_a_long_message_that_is_refused_is_sent_shortened(sending: Sending) -> None:
    sending.queue.add("robot", ["z" * 9000])
    sending.errors = [VenueRejected("400: message is too long")]
    sending.round()
    ((_, _, text),) = sending.sent
    assert len(text) == 1500
    assert text.endswith("... (8000 characters, cut)")
    assert sending.queue.all()[0].body.endswith("z... (9000 characters, cut)")
    assert states(sending) == ["sent"]


def test_a_failure_is_tried_again_with_growing_pauses(sending: Sending) -> None:
    sending.queue.add("robot", ["one"])
    sending.errors = [OperationFailed("busy"), OSError("no route"), OperationFailed("busy")]
    sending.round()
    for pause_s in (5, 10, 20):
        sending.round(pause_s - 1)
        assert sending.sent == []
        sending.round(1)
    assert sending.sent == [("bot", "robot", "one")]
    one = sending.queue.all()[0]
    assert (one.state, one.tries, one.error) == ("sent", 4, "")


def test_what_is_given_up_is_told(sending: Sending) -> None:
    sending.queue.add("robot", ["one"])
    sending.errors = [OperationFailed(f"no answer from https://bot.test/{TOKEN}/send")] * 20
    for _ in range(25):
        sending.round(4000)
    one = sending.queue.all()[0]
    assert (one.state, one.tries) == ("failed", 20)
    assert TOKEN not in one.error
    entry = next(entry for entry in sending.platform.audit.all() if entry.what == "push given up")
    assert not entry.done
    assert TOKEN not in entry.detail
    sending.queue.retry(one.id)
    sending.round()
    assert sending.sent == [("bot", "robot", "one")]


def test_a_refusal_is_final(sending: Sending) -> None:
    sending.queue.add("robot", ["one"])
    sending.errors = [VenueRejected("the channel replied with the HTTP status 404")]
    sending.round()
    assert states(sending) == ["failed"]


def test_a_later_platform_sends_what_waits(sending: Sending) -> None:
    sending.queue.add("robot", ["one"])
    later = Sending(sending.platform)
    later.round()
    assert later.sent == [("bot", "robot", "one")]


def test_sent_messages_are_swept_after_a_month_and_others_never(sending: Sending) -> None:
    sending.queue.add("robot", ["one"])
    sending.round()
    sending.errors = [VenueRejected("no")]
    sending.queue.add("robot", ["two"])
    sending.round()
    sending.round(31 * 86_400)
    assert states(sending) == ["failed"]


def test_channels(sending: Sending) -> None:
    channels = sending.platform.pushes.channels
    for kind, settings in (
        ("url", {"url": "ftp://x/{body}"}), ("url", {"url": "https://x/"}), ("mail", {"server": "smtp://h:25"}),
        ("mail", {"server": "x y", "to": "a@b"}), ("url", {"url": 7}),
    ):  # fmt: skip
        with pytest.raises(InputError):
            channels.create("wrong", kind, settings)  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        channels.create("wrong", "pigeon", {})  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        channels.create("wrong", "url", {"url": "https://x/{body}", "token": "x"})
    with pytest.raises(InputError, match="called 'bot'"):
        channels.create("bot", "url", {"url": "https://x/{body}"})
    assert TOKEN not in repr(channels.all())
    for path in sending.platform.folder.glob("platform.sqlite3*"):
        assert TOKEN.encode() not in path.read_bytes()
    channels.disable(1)
    sending.queue.add("robot", ["one"])
    assert states(sending) == []
    channels.disable(1, disabled=False)
    sending.queue.add("robot", ["one"])
    channels.delete(1)
    assert [(one.state, one.error) for one in sending.queue.all()] == [("failed", "the channel was deleted")]


@contextmanager
def bot_server(replies: Mapping[str, tuple[int, bytes]], got: list[tuple[str, str, bytes]]) -> Iterator[str]:
    """A server whose reply is that of the first word that the path contains, else 204; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            got.append((self.command, self.path, body))
            status, text = next((reply for word, reply in replies.items() if word in self.path), (204, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def test_webhooks_over_http(tmp_path: Path) -> None:
    got: list[tuple[str, str, bytes]] = []
    with bot_server({"busy": (503, b"")}, got) as base, fake_platform(tmp_path) as (platform, _):
        create = platform.pushes.channels.create
        first = create("get", "url", {"url": f"{base}/a?t={{title}}&b={{body}}"})
        second = create("json", "url", {"url": f"{base}/b", "body": '{"text": "{body}"}'})
        third = create("busy", "url", {"url": f"{base}/busy/{TOKEN}?b={{body}}"})
        platform.pushes.add("t & u", ['say "hi"\n你'])
        platform.pushes.send_round()
        assert got[0] == ("GET", "/a?t=t%20%26%20u&b=say%20%22hi%22%0A%E4%BD%A0", b"")
        assert got[1][:2] == ("POST", "/b")
        assert json.loads(got[1][2]) == {"text": 'say "hi"\n你'}
        rows: dict[int, Any] = {one.channel_id: one for one in platform.pushes.all()}
        assert [rows[one.id].state for one in (first, second, third)] == ["sent", "sent", "waiting"]
        assert "503" in rows[third.id].error
        assert TOKEN not in rows[third.id].error
        assert platform.pushes.test(first.id) == ""
        assert "503" in platform.pushes.test(third.id)
        platform.pushes.add("long", ["你" * 2000])
        platform.pushes.send_round()
        path = next(path for _, path, _ in got if "t=long" in path)
        assert len(path) < 6100
        assert unquote(path).endswith("... (2000 characters, cut)")


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        (b'{"ok":true,"result":{"message_id":1}}', True),
        (b'{"errcode":0,"errmsg":"ok"}', True),
        (b'{"code":200,"message":"success"}', True),
        (b'{"code":1,"msg":"done"}', True),
        (b'{"StatusCode":0,"code":0,"msg":"success"}', True),
        (b"[1]", True),
        (b"ok", True),
        (b"[" * 3000, True),
        (b'{"errcode":310000,"errmsg":"keywords not in content"}', False),
        (b'{"code":9499,"msg":"Bad Request"}', False),
        (b'{"ok":false,"description":"chat not found"}', False),
        (b'{"success":false}', False),
    ],
)
def test_a_bot_that_refuses_with_the_status_200_is_heard(tmp_path: Path, reply: bytes, taken: bool) -> None:
    """Such messages counted as sent."""
    with bot_server({"send": (200, reply)}, []) as base, fake_platform(tmp_path) as (platform, _):
        channel = platform.pushes.channels.create(
            "bot", "url", {"url": f"{base}/send/{TOKEN}", "body": '{"text":"{body}"}'}
        )
        platform.pushes.add("robot", ["one"])
        platform.pushes.send_round()
        (one,) = platform.pushes.all()
        assert one.state == ("sent" if taken else "waiting")
        said = platform.pushes.test(channel.id)
        assert (said == "") is taken
        assert (reply.decode() in said) is not taken


def test_lines_of_robots_and_alarms_are_pushed(tmp_path: Path) -> None:
    with fake_platform(tmp_path) as (platform, node):
        platform.pushes.channels.create("bot", "url", {"url": "https://bot.test/?{body}"})
        robot = platform.lives.create(owner_of(platform), robot_settings(platform))
        journal = Journal(ManualClock(1.0), [DatabaseSink(platform.lives.run_folder(robot).database)])
        for number in range(450):
            journal.log("push", number, "@")
            journal.log("quiet", number)
        assert journal.flush()
        platform.watcher.look_round()
        journal.log("last words", "@")
        assert journal.close()
        node.looks["100 fake"] = ProcessLook(alive=False, code=1, reason="no")
        platform.watcher.look_round()
        platform.watcher.look_round()
        found = [(one.title, one.body) for one in reversed(platform.pushes.all(limit=1000))]
        assert found == [
            *(("tester", f"push {number}") for number in range(450)),
            ("tester", "last words"),
            ("Alarm: tester", "ended abnormally: no"),
        ]
