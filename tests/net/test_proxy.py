"""Proxies, local addresses, and what the environment says."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from fmzthreads.errors import ConnectFailed, FmzError, InputError
from fmzthreads.http.client import HttpClient, HttpOptions, HttpRequest, Reply, RetryPolicy
from fmzthreads.http.url import split_url
from fmzthreads.net.proxy import Environment, parse_proxy
from fmzthreads.streams import Connection, Dial
from fmzthreads.streams.options import read_options

from ..helpers.http_faults import FaultServer, Peer, answering, connect_proxy, exactly, no_name_service, socks_proxy
from ..helpers.ws_server import WsServer

QUICK = HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0))


def get(client: HttpClient, url: str) -> Reply:
    return client.call(lambda: HttpRequest("GET", url), lambda r: r, idempotent=False)


@pytest.fixture
def tls(tmp_path: Any) -> tuple[ssl.SSLContext, HttpOptions]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context, HttpOptions(verify=str(tmp_path / "ca.pem"), timeout_ms=60_000)


def test_an_http_proxy_gets_the_whole_url_and_its_password() -> None:
    with FaultServer(connect_proxy()) as proxy:
        client = HttpClient(options=QUICK)
        client.set_proxy(f"http://me:p%40ss@127.0.0.1:{proxy.port}")
        assert get(client, "http://nowhere.test/a?b=1").json() == {"by": "proxy"}
        get(client, "http://nowhere.test/c")
        client.close()
        assert proxy.connections == 1
        assert [seen.target for seen in proxy.seen] == ["http://nowhere.test/a?b=1", "http://nowhere.test/c"]
        assert proxy.seen[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
        assert proxy.seen[0].headers["host"] == "nowhere.test"


def test_a_tunnel_for_tls(tls: tuple[ssl.SSLContext, HttpOptions]) -> None:
    context, options = tls
    with FaultServer(answering(b"1"), tls=context) as server, FaultServer(connect_proxy()) as proxy:
        client = HttpClient(server.base, options=options)
        client.set_proxy(f"http://me:secret@127.0.0.1:{proxy.port}")
        assert [get(client, server.base).text for _ in range(2)] == ["1", "1"]
        client.close()
        assert [seen.line for seen in proxy.seen] == [f"CONNECT localhost:{server.port} HTTP/1.1"]
        assert "proxy-authorization" in proxy.seen[0].headers
        assert "proxy-authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 no\r\n\r\n",
        b"what\r\n\r\n",
        b"",
        b"x" * 50_000,
    ],
)
def test_a_proxy_that_refuses_the_tunnel(answer: bytes) -> None:
    with FaultServer(connect_proxy(answer)) as proxy:
        client = HttpClient(options=QUICK)
        client.set_proxy(f"http://me:hunter2@127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectFailed) as caught:
            get(client, "https://nowhere.test/")
        assert "hunter2" not in str(caught.value)


def test_a_proxy_that_trickles_its_answer() -> None:
    with FaultServer(lambda peer: (peer.request(), peer.trickle(b"HTTP/1.1 200 ok\r\nA: x"))[1]) as proxy:
        client = HttpClient(options=HttpOptions(timeout_ms=300))
        client.set_proxy(f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectFailed, match="timeout"):
            get(client, "https://nowhere.test/")


def test_socks_resolves_at_the_proxy() -> None:
    places: list[str] = []
    with FaultServer(answering(b"1")) as server, FaultServer(socks_proxy(places=places)) as proxy:
        client = HttpClient(options=QUICK)
        client.set_proxy(f"socks5://127.0.0.1:{proxy.port}")
        url = f"http://nowhere.test:{server.port}/a"
        assert [get(client, url).text, get(client, url).text] == ["1", "1"]
        client.close()
        assert places == [f"nowhere.test:{server.port}"]
        assert server.seen[0].target == "/a"


def test_socks_with_a_password_and_tls(tls: tuple[ssl.SSLContext, HttpOptions]) -> None:
    context, options = tls
    with (
        FaultServer(answering(b"1"), tls=context) as server,
        FaultServer(socks_proxy(user="me", password="pw")) as proxy,
    ):
        client = HttpClient(options=options)
        client.set_proxy(f"socks5://me:pw@127.0.0.1:{proxy.port}")
        assert get(client, server.base).text == "1"
        client.set_proxy(f"socks5://me:hunter2@127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectFailed) as caught:
            get(client, server.base)
        assert "hunter2" not in str(caught.value)
        client.close()


def test_a_socks_proxy_that_trickles_or_hangs() -> None:
    def trickles(peer: Peer) -> None:
        exactly(peer.sock, 3)
        peer.sock.sendall(b"\x05\x00")
        exactly(peer.sock, 4)
        peer.trickle(b"\x05\x00\x00\x03\xff" + b"a" * 250, 0.05)

    for script in (trickles, Peer.hang):
        with FaultServer(script) as proxy:
            client = HttpClient(options=HttpOptions(timeout_ms=300))
            client.set_proxy(f"socks5://127.0.0.1:{proxy.port}")
            with pytest.raises(ConnectFailed, match="timeout"):
                get(client, "http://nowhere.test/")


def test_a_local_address() -> None:
    with FaultServer(answering(b"1")) as server:
        client = HttpClient(server.base, options=QUICK)
        client.set_proxy("ip://127.0.0.5")
        get(client, server.base)
        with server._lock:
            assert server._socks[0].getpeername()[0] == "127.0.0.5"
        client.set_proxy("ip://203.0.113.7")  # not ours
        with pytest.raises(ConnectFailed):
            get(client, server.base)
        client.set_proxy("")
        get(client, server.base)
        client.close()


@pytest.mark.parametrize(
    "text",
    ["socks5://", "socks5://me:hunter2@", "http://:80", "ftp://a:1", "127.0.0.1:80", "me:hunter2@host", "http://a:0", "http://a:b/c",
     "ip://", "ip://host", "ip://1.2.3.4:80", "socks4://a:1", "http://me:hunter2@a:99999"],
)  # fmt: skip
def test_proxies_that_cannot_be(text: str) -> None:
    client = HttpClient()
    with pytest.raises(InputError) as caught:
        client.set_proxy(text)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_never_shows_its_password() -> None:
    proxy = parse_proxy("socks5://me:hunter2@host")
    assert proxy is not None
    assert (proxy.kind, proxy.host, proxy.port, proxy.user, proxy.password) == (
        "socks5",
        "host",
        1080,
        "me",
        "hunter2",
    )
    assert "hunter2" not in repr(proxy) + str(proxy)


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    no_name_service(monkeypatch)
    with FaultServer(connect_proxy()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        client = HttpClient(options=QUICK)
        monkeypatch.delenv("http_proxy")
        assert get(client, "http://nowhere.test/").json() == {"by": "proxy"}
        client.set_proxy("")  # off, whatever the environment says
        with pytest.raises(FmzError):
            get(client, "http://nowhere.invalid/")
        assert len(proxy.seen) == 1
        client.close()


@pytest.mark.parametrize(
    ("no_proxy", "url", "through"),
    [
        ("", "http://a.example/", True),
        ("", "https://a.example/", True),
        ("", "http://127.0.0.1:5/", False),
        ("", "http://localhost/", False),
        ("", "http://[::1]:9/", False),
        ("*", "http://a.example/", False),
        ("b.example, a.example", "http://a.example/", False),
        (".example", "http://a.example/", False),
        ("a.example", "http://x.a.example/", False),
        ("a.example", "http://xa.example/", True),
        ("a.example:8080", "http://a.example/", True),
        ("a.example:80", "http://a.example/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", False),
        ("10.0.0.0/8", "http://11.1.2.3/", True),
        ("10.1.2.3", "http://10.1.2.3/", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, through: bool) -> None:
    environment = Environment({"http_proxy": "http://p:1", "HTTPS_PROXY": "p:2", "NO_PROXY": no_proxy})
    origin, _, _ = split_url(url)
    for scheme in (origin.scheme, origin.scheme.replace("http", "ws")):
        assert (environment.proxy_for(scheme, origin.host, origin.port) is not None) is through


def test_urls_are_taken_apart() -> None:
    origin, target, user = split_url("HTTP://me:p%40ss@Example.COM:8080?a=1#frag")
    assert (str(origin), origin.host, origin.port, target, user) == (
        "http://example.com:8080",
        "example.com",
        8080,
        "/?a=1",
        "me:p@ss",
    )
    assert split_url("https://[::1]/a")[0].header == "[::1]"
    assert split_url("https://b\u00fccher.example/")[0].host == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("scheme", "proxy"),
    [
        ("http", "http://plain:1"),
        ("https", "http://secure:2"),
        ("ws", "http://plain:1"),
        ("wss", "socks5://streams:3"),
        ("tcp", "socks5://all:1080"),
        ("tls", "socks5://all:1080"),
        ("udp", None),
        ("unix", None),
    ],
)
def test_which_variable_counts_for_which_scheme(scheme: str, proxy: str | None) -> None:
    environment = Environment(
        {
            "http_proxy": "plain:1",
            "HTTPS_PROXY": "http://secure:2/",
            "wss_proxy": "socks5h://streams:3",
            "ALL_PROXY": "socks5://all",
        }
    )
    found = environment.proxy_for(scheme, "a.example", 5)
    assert (None if found is None else str(found)) == proxy


def test_a_variable_that_names_no_proxy_is_named_without_its_account() -> None:
    with pytest.raises(InputError, match="invalid proxy in the environment for wss://") as caught:
        Environment({"https_proxy": "ftp://me:hunter2@a:1"}).proxy_for("wss", "a.example", 443)
    assert "hunter2" not in str(caught.value)


def test_a_stream_goes_the_way_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    no_name_service(monkeypatch)
    for name in ("http_proxy", "HTTP_PROXY", "ws_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(connect_proxy(b"HTTP/1.1 503 busy\r\n\r\n")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectFailed, match="HTTP 503"):
            Dial("ws://nowhere.invalid:81/stream", errors="raise")
        assert [seen.line for seen in proxy.seen] == ["CONNECT nowhere.invalid:81 HTTP/1.1"]
        with pytest.raises(ConnectFailed, match=r"looking up the name nowhere\.invalid"):
            Dial("ws://nowhere.invalid:81/stream", errors="raise", proxy="")
        monkeypatch.setenv("no_proxy", "nowhere.invalid")
        with pytest.raises(ConnectFailed, match=r"looking up the name nowhere\.invalid"):
            Dial("ws://nowhere.invalid:81/stream", errors="raise")
        assert len(proxy.seen) == 1


def test_every_form_of_set_proxy_is_a_form_of_the_dial_option() -> None:
    with WsServer() as server:
        client = Dial(server.url, proxy="ip://127.0.0.5", errors="raise")
        assert isinstance(client, Connection)
        with client:
            assert server.peer().sock.getpeername()[0] == "127.0.0.5"
    for text in ("socks5://me:pw@proxy", "http://proxy", "ip://127.0.0.5", ""):
        http = HttpClient()
        http.set_proxy(text)
        _, as_text = read_options("wss://a.example/", {"proxy": text})
        _, as_value = read_options("wss://a.example/", http.stream_options())
        assert as_text.proxy.proxy_for("wss", "a.example", 443) == parse_proxy(text)
        assert as_value.proxy.proxy_for("wss", "a.example", 443) == parse_proxy(text)
