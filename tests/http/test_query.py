"""HttpQuery, in all its forms."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest

from fmzthreads.clock import Clock, WallClock
from fmzthreads.errors import InputError, NotSupported, StopRequested, UnknownName
from fmzthreads.http.query import HttpAnswer, HttpQuerier
from fmzthreads.http.reply import Headers, Reply
from fmzthreads.tasks.pool import CallPool

from ..helpers.http_faults import FaultServer, Peer, socks_proxy


class Journal:
    """A host that keeps its error lines."""

    def __init__(self) -> None:
        self._clock = WallClock()
        self.lines: list[str] = []

    @property
    def clock(self) -> Clock:
        return self._clock

    def error(self, text: str, *, source: str) -> None:
        assert source == "HttpQuery"
        self.lines.append(text)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def querier(journal: Journal) -> Any:
    made = HttpQuerier(journal)
    yield made
    made.close()


def saying(body: bytes, *, status: str = "200 OK", headers: str = "") -> Any:
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.reply(body, status=status, headers=headers)

    return script


def test_get(querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(saying("schön".encode(), status="503 Busy")) as server:
        assert querier.query(server.base + "/a b?c=d e&f=ü%20") == "schön"  # any status is an answer
        seen = server.seen[0]
        assert (seen.method, seen.target) == ("GET", "/a%20b?c=d%20e&f=%C3%BC%20")
        assert seen.headers["user-agent"].startswith("Mozilla/5.0")
    assert journal.lines == []


def test_post_in_both_forms(querier: HttpQuerier) -> None:
    with FaultServer(saying(b"ok")) as server:
        querier.query(server.base, {"body": "a=ü", "cookie": "k=v", "headers": {"X-A": "1"}})
        querier.query(server.base, "a=1", "k=v", "X-A: 1\nX-B: two: 2")
        querier.query(server.base, b"{}", "", {"content-type": "application/json"})
        querier.query(server.base, {"method": "put", "body": b"raw"})
        querier.query(server.base, None, "k=v")
        first, second, third, fourth, fifth = server.seen
        assert (first.method, first.body, first.headers["cookie"], first.headers["x-a"]) == (
            "POST",
            "a=ü".encode(),
            "k=v",
            "1",
        )
        assert first.headers["content-type"] == "application/x-www-form-urlencoded"
        assert (second.method, second.body, second.headers["x-b"], second.headers["cookie"]) == (
            "POST",
            b"a=1",
            "two: 2",
            "k=v",
        )
        assert (third.headers["content-type"], fourth.method, fifth.method) == ("application/json", "PUT", "GET")


def test_the_older_form_as_fmz_writes_it(querier: HttpQuerier, journal: Journal) -> None:
    """As FMZ's tutorial on Binance's user data stream asks for a listen key and keeps it alive."""
    with FaultServer(saying(b"ok")) as server:
        key = "X-MBX-APIKEY:" + "abc"
        querier.query(server.base, "", None, key)
        querier.query(server.base, {"method": "PUT", "data": "listenKey=xyz"}, None, key)
        querier.query(server.base, {"method": "DELETE", "data": b"listenKey=xyz"}, "k=v", {"X-MBX-APIKEY": "abc"})
        querier.query(server.base, {"body": ""})
        querier.query(server.base, {"method": "GET", "body": ""})
        querier.query(server.base, {"headers": key + "\n"})
    said = [(seen.method, seen.body, seen.headers.get("x-mbx-apikey")) for seen in server.seen]
    assert said == [
        ("POST", b"", "abc"),
        ("PUT", b"listenKey=xyz", "abc"),
        ("DELETE", b"listenKey=xyz", "abc"),
        ("POST", b"", None),
        ("GET", b"", None),
        ("GET", b"", "abc"),
    ]
    assert server.seen[0].headers["content-length"] == "0"
    assert server.seen[2].headers["cookie"] == "k=v"
    assert journal.lines == []


@pytest.mark.parametrize(
    ("line", "cookie"),
    [
        ("a=1", {"Name": "a", "Value": "1"}),
        (
            "id=x; Secure; Partitioned; Path=/",
            {"Name": "id", "Value": "x", "Secure": "True", "Partitioned": "True", "Path": "/"},
        ),
        ('s={"a":1,"b":[2]}; Max-Age=5', {"Name": "s", "Value": '{"a":1,"b":[2]}', "MaxAge": "5"}),
        ('q="two \\"words\\" \\054"; HttpOnly', {"Name": "q", "Value": 'two "words" ,', "Httponly": "True"}),
        (
            "a[b]=1, 2; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            {"Name": "a[b]", "Value": "1, 2", "Expires": "Wed, 21 Oct 2026 07:28:00 GMT"},
        ),
        ("empty=", {"Name": "empty", "Value": ""}),
        ("=nameless", None),
        ("; Path=/", None),
    ],
)
def test_cookies_are_read_as_browsers_do(line: str, cookie: dict[str, str] | None, querier: HttpQuerier) -> None:
    with FaultServer(saying(b"ok", headers=f"Set-Cookie: {line}\r\nSet-Cookie: z=9\r\n")) as server:
        answer = querier.query(server.base, {"debug": True})
    assert isinstance(answer, HttpAnswer)
    assert answer.Cookies == [*([] if cookie is None else [cookie]), {"Name": "z", "Value": "9"}]


@pytest.mark.parametrize("debug", [False, True])
def test_a_compression_that_cannot_be_undone_gives_bytes_and_a_line(
    debug: bool, querier: HttpQuerier, journal: Journal
) -> None:
    with FaultServer(saying(b"packed", headers="Content-Encoding: br\r\n")) as server:
        asked = {"headers": {"Accept-Encoding": "br"}, "debug": debug, "charset": "gbk"}
        answer = querier.query(server.base, asked)
        assert server.seen[0].headers["accept-encoding"] == "br"
    assert (answer.Body if isinstance(answer, HttpAnswer) else answer) == b"packed"
    (line,) = journal.lines
    assert "compressed as 'br', which cannot be decompressed here" in line


def test_a_token_that_names_no_compression_changes_nothing(querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(saying(b"plain", headers="Content-Encoding: UTF-8\r\n")) as server:
        assert querier.query(server.base) == "plain"
    assert journal.lines == []


def test_debug(querier: HttpQuerier) -> None:
    headers = "X-A: 1\r\nx-a: 2\r\nSet-Cookie: sid=abc; Path=/; HttpOnly\r\nSet-Cookie: b=2\r\n"
    with FaultServer(saying(b"hello", status="404 No", headers=headers)) as server:
        answer = querier.query(server.base, {"debug": True})
        assert isinstance(answer, HttpAnswer)
        assert (answer.StatusCode, answer.Body, answer.Length) == (404, "hello", 5)
        assert answer["Header"]["X-A"] == ["1", "2"]
        assert [(c["Name"], c["Value"]) for c in answer.Cookies] == [("sid", "abc"), ("b", "2")]
        assert answer.Cookies[0]["Path"] == "/"
        assert answer.Trace["Redirects"] == 0
        assert "Error" not in answer


def test_failure(querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(lambda peer: None) as server:
        port = server.port
    url = f"http://me:hunter2@127.0.0.1:{port}/path?apikey=hunter2"
    assert querier.query(url, {"headers": {"Authorization": "hunter2"}}) == ""
    answer = querier.query(url, {"debug": True})
    assert isinstance(answer, HttpAnswer)
    shown = f'GET "http://127.0.0.1:{port}/path"'
    assert answer["Error"].startswith(shown)
    assert {**answer, "Error": ""} == {
        "StatusCode": 0, "Header": {}, "Cookies": [], "Trace": {}, "Length": 0, "Body": "", "Error": ""
    }  # fmt: skip
    assert len(journal.lines) == 2
    assert all(line.startswith(f"HttpQuery {shown}") for line in journal.lines)
    assert "hunter2" not in str(journal.lines) + str(answer)


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a/", "http://", "http://a:0/", "http://\x00/"])
def test_a_url_that_is_none_is_a_failure_too(url: str, querier: HttpQuerier, journal: Journal) -> None:
    assert querier.query(url) == ""
    assert len(journal.lines) == 1


def test_time_out_of_the_whole_query(querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(lambda peer: (peer.request(), peer.trickle(b"HTTP/1.1 200 OK\r\n\r\nx"))[1]) as server:
        assert querier.query(server.base, {"timeout": 200}) == ""
        assert "timeout" in journal.lines[0]


def test_charset_and_format(querier: HttpQuerier) -> None:
    text = "行情"
    with FaultServer(saying(text.encode("gb18030"))) as server:
        assert querier.query(server.base) == text.encode("gb18030")  # not UTF-8 and no word about it: bytes
        assert querier.query(server.base, {"charset": "GB18030"}) == text
        assert querier.query(server.base, {"format": "hex"}) == text.encode("gb18030").hex()
        assert querier.query(server.base, {"format": "base64"}) == base64.b64encode(text.encode("gb18030")).decode()
        querier.query(server.base, {"charset": "GB18030", "body": text})
        assert server.seen[-1].body == text.encode("gb18030")
    with FaultServer(saying(text.encode("gbk"), headers="Content-Type: text/html; charset=GBK\r\n")) as server:
        assert querier.query(server.base) == text


@pytest.mark.parametrize("charset", ["idna", "punycode", "undefined", "unicode_escape", "rot13", "klingon", "hex"])
def test_a_charset_that_cannot_decode_the_reply_is_passed_over(charset: str, querier: HttpQuerier) -> None:
    with FaultServer(saying(b"\xffabc", headers=f"Content-Type: text/plain; charset={charset}\r\n")) as server:
        assert querier.query(server.base) in (b"\xffabc", "\ufffdabc")
    reply = Reply(500, Headers([("Content-Type", f"text/plain; charset={charset}")]), b"\xffabc")
    assert reply.text == "\ufffdabc"


def test_close_gives_the_connection_up(querier: HttpQuerier) -> None:
    with FaultServer(saying(b"ok")) as server:
        for _ in range(2):
            querier.query(server.base, {"close": True})
        assert server.connections == 2
        assert server.seen[0].headers["connection"] == "close"
        for _ in range(2):
            querier.query(server.base)
        assert server.connections == 3


def test_a_proxy_before_the_url_is_for_this_query_only(querier: HttpQuerier) -> None:
    places: list[str] = []
    with (
        FaultServer(saying(b"ok")) as server,
        FaultServer(socks_proxy(user="me", password="pw", places=places)) as proxy,
    ):
        way = f"socks5://me:pw@127.0.0.1:{proxy.port}"
        assert querier.query(f"{way}/http://nowhere.test:{server.port}/a?b=http://c") == "ok"
        assert querier.query(server.base) == "ok"
        assert querier.query(f"http://nowhere.test:{server.port}", {"proxy": way}) == "ok"
        assert places == [f"nowhere.test:{server.port}"]  # the second query kept the connection
        assert server.seen[0].target == "/a?b=http://c"


def test_redirects_are_followed(querier: HttpQuerier) -> None:
    def script(peer: Peer) -> None:
        while (seen := peer.request()) is not None:
            code = seen.target.strip("/")
            if code.isdigit():
                peer.reply(status=f"{code} Go", headers="Location: done?x=1\r\n")
            else:
                peer.reply(f"{seen.method} {seen.body.decode()}".encode())

    with FaultServer(script) as server:
        for code, expected in (("301", "GET "), ("302", "GET "), ("303", "GET "), ("307", "POST b"), ("308", "POST b")):
            assert querier.query(f"{server.base}/{code}", {"method": "POST", "body": "b"}) == expected
        answer = querier.query(f"{server.base}/302", {"debug": True, "headers": {"X-Key": "k"}})
        assert answer["Trace"]["Redirects"] == 1  # type: ignore[index]
        assert server.seen[-1].headers["x-key"] == "k"  # the same server may know


def test_secrets_do_not_follow_to_another_server(querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(saying(b"there")) as other:

        def script(peer: Peer) -> None:
            while peer.request() is not None:
                peer.reply(status="307 Go", headers=f"Location: {other.base}/x\r\n")

        with FaultServer(script) as server:
            url = server.base.replace("://", "://me:pw@")
            headers = {"Authorization": "a", "X-MBX-APIKEY": "b", "OK-ACCESS-SIGN": "c", "Accept": "text/plain"}
            assert querier.query(url, {"headers": headers, "cookie": "d"}) == "there"
            assert set(other.seen[0].headers) == {"host", "accept", "accept-encoding", "user-agent"}
            assert server.seen[0].headers["authorization"] == "a"
            assert querier.query(url, {"body": "secret", "headers": headers}) == ""
            assert len(other.seen) == 1
            assert "another server" in journal.lines[0]


def test_redirects_in_a_circle_or_to_nowhere(querier: HttpQuerier, journal: Journal) -> None:
    for place in ("/again", "ftp://a/b", "http://", "//"):
        with FaultServer(saying(b"", status="302 Go", headers=f"Location: {place}\r\n")) as server:
            assert querier.query(server.base) == ""
            assert len(server.seen) <= 11
    assert len(journal.lines) == 4


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"headrs": {}}, UnknownName, "'headers'"),
        ({"Timeout": 5}, UnknownName, "'timeout'"),
        ({"format": "base46"}, UnknownName, "'base64'"),
        ({"timeout": -1}, InputError, "timeout"),
        ({"timeout": "5"}, InputError, "timeout"),
        ({"method": "G ET"}, InputError, "method"),
        ({"method": 5}, InputError, "method"),
        ({"body": {"a": 1}}, InputError, "body"),
        ({"charset": "klingon"}, InputError, "charset"),
        ({"headers": 5}, InputError, "headers"),
        ({"headers": "no colon"}, InputError, "headers"),
        ({"proxy": "nonsense"}, InputError, "proxy"),
        ({"profile": "chrome"}, NotSupported, "profile"),
        ({"data": {"a": 1}}, InputError, "body"),
        ({"data": "a", "body": "b"}, InputError, "another name for 'body'"),
        (5, InputError, "options"),
    ],
)
def test_what_is_refused(options: Any, kind: type[Exception], words: str, querier: HttpQuerier) -> None:
    for call in (querier.query, querier.query_go):
        with pytest.raises(kind, match=words):
            call("http://127.0.0.1:9/", options)


def test_cookies_and_headers_are_passed_once(querier: HttpQuerier) -> None:
    for options in ({"headers": {"A": "1"}}, {"cookie": "k=v"}):
        with pytest.raises(InputError, match="in the options dict, or as an argument, not both"):
            querier.query("http://127.0.0.1:9/", options, "k=w", "A: 2")


def test_in_the_background(querier: HttpQuerier, journal: Journal) -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        go.wait(60)
        peer.reply(b"late")

    with FaultServer(script) as server, FaultServer(lambda peer: None) as gone:
        handle = querier.query_go(server.base)
        assert handle.wait(-1) == (None, False)
        go.set()
        assert handle.wait() == ("late", True)
        assert querier.query_go(gone.base).wait() == ("", True)
        assert len(journal.lines) == 1


def test_a_pool_that_was_lent_is_not_ended(journal: Journal) -> None:
    pool = CallPool("lent", clock=journal.clock)
    with FaultServer(saying(b"ok")) as server:
        querier = HttpQuerier(journal, pool=pool)
        assert querier.query_go(server.base).wait() == ("ok", True)
        querier.close()
        assert pool.start(lambda: 1).wait() == (1, True)
        pool.shutdown(10)


def test_a_stop_passes_through(querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(Peer.hang) as server:
        handle = querier.query_go(server.base)
        while server.connections == 0:
            journal.clock.sleep(0.001)
        journal.clock.stop.request()
        with pytest.raises(StopRequested):
            handle.wait()
    assert journal.lines == []


def test_reads_are_repeated_and_writes_are_not(querier: HttpQuerier, journal: Journal) -> None:
    turns = [0]

    def script(peer: Peer) -> None:
        peer.request()
        turns[0] += 1
        if turns[0] != 1:
            peer.reply(b"ok")

    with FaultServer(script) as server:
        assert querier.query(server.base) == "ok"
        for _ in range(2):
            # Else the next one might go out on a connection that is about to be closed.
            assert server.ended.acquire(timeout=60)
        turns[0] = 0
        assert querier.query(server.base, {"body": "x"}) == ""
        assert [seen.method for seen in server.seen] == ["GET", "GET", "POST"]


@pytest.mark.parametrize("place", ["http://[bad", "http://[::1", "//[x]/", "http://a:99999/"])
def test_a_redirect_to_what_is_no_url_is_a_failure(place: str, querier: HttpQuerier, journal: Journal) -> None:
    with FaultServer(
        lambda peer: (peer.request(), peer.reply(status="302 Found", headers=f"Location: {place}\r\n"))[1]
    ) as server:
        assert querier.query(server.base) == ""
    assert len(journal.lines) == 1


@pytest.mark.parametrize(
    "url", ["me:hunter2@host/x", "ftp://me:hunter2@host/x", "socks4://me:hunter2@h:1/http://real/x"]
)
def test_what_is_no_url_is_named_without_its_password(url: str, querier: HttpQuerier, journal: Journal) -> None:
    assert querier.query(url) == ""
    assert "hunter2" not in str(journal.lines) + str(querier.query(url, {"debug": True}))
