"""``Dial`` over raw sockets, through proxies, and onto databases."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fmzthreads.errors import InputError, NotSupported
from fmzthreads.streams import Connection, Dial, SqliteConnection
from tests.helpers.journal import Journal
from tests.helpers.ws_server import Peer, WsServer

HANG_S = 60.0


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_tcp(journal: Journal) -> None:
    with WsServer(handshake=False) as server:
        client = Dial(
            f"tcp://127.0.0.1:{server.port}|payload=hello&reconnect=true&interval=1", host=journal, errors="raise"
        )
        assert isinstance(client, Connection)
        with client:
            peer = server.peer()
            assert peer.read_exactly(5) == b"hello"
            peer.send("é".encode())
            assert client.read() == "é"
            peer.send(b"\xff")
            assert client.read() == b"\xff"
            assert client.write("ü") == 2
            assert peer.read_exactly(2) == "ü".encode()
            peer.close()
            assert client.read() == ""
            peer = server.peer()
            assert peer.read_exactly(5) == b"hello"
            peer.send(b"again")
            assert client.read() == "again"
            assert client.stats.reconnects == 1
        assert peer.at_end()
        assert client.read() == ""


def test_unix(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        client = Dial(f"unix://{path}", host=journal, errors="raise")
        assert isinstance(client, Connection)
        accepted, _ = listener.accept()
        with client, accepted:
            accepted.sendall(b"x")
            assert client.read() == "x"
        assert str(path) in repr(client)
    assert Dial(f"unix://{tmp_path}/nobody", host=journal) is None


def test_udp(journal: Journal) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(HANG_S)
        client = Dial(f"udp://127.0.0.1:{server.getsockname()[1]}", host=journal, errors="raise", local_ip="127.0.0.1")
        assert isinstance(client, Connection)
        with client:
            assert client.write("one") == 3
            data, where = server.recvfrom(100)
            assert data == b"one"
            for datagram in (b"a", b"", b"b" * 9000):
                server.sendto(datagram, where)
            assert [client.read(), client.read()] == ["a", "b" * 9000]
        assert client.read() == ""


def test_a_datagram_that_is_too_large_is_not_sent_and_breaks_nothing(journal: Journal) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(HANG_S)
        client = Dial(f"udp://127.0.0.1:{server.getsockname()[1]}", host=journal, errors="raise")
        assert isinstance(client, Connection)
        with client:
            assert client.write(b"x" * 70_000) == 0
            assert client.last_error.startswith("write failed")
            assert client.write("small") == 5
            data, where = server.recvfrom(100)
            assert data == b"small"
            server.sendto(b"answer", where)
            assert client.read() == "answer"
            assert client.state == "open"
        assert not client._reader.thread.is_alive()


# -- proxies --------------------------------------------------------------------------------------------------------------------------------


class Proxy:
    """Answers as an HTTP or a SOCKS5 proxy and then copies bytes to wherever it was asked to."""

    def __init__(self, kind: str, refusal: bytes = b"") -> None:
        self._kind = kind
        self._refusal = refusal
        self.asked = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in [self._listener, *self._sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(HANG_S)

    def _serve(self) -> None:
        with suppress(OSError, EOFError):
            sock, _ = self._listener.accept()
            self._sockets.append(sock)
            peer = Peer(sock)
            port = self._http(peer) if self._kind == "http" else self._socks(peer)
            if not port:
                peer.close()
                return
            onward = socket.create_connection(("127.0.0.1", port))
            self._sockets.append(onward)
            self._threads.append(threading.Thread(target=self._copy, args=(onward, sock)))
            self._threads[-1].start()
            self._copy(sock, onward)

    def _http(self, peer: Peer) -> int:
        while not self.asked.endswith(b"\r\n\r\n"):
            self.asked += peer.read_exactly(1)
        if self._refusal:
            peer.send(self._refusal)
            return 0
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return int(self.asked.split(b" ")[1].rpartition(b":")[2])

    def _socks(self, peer: Peer) -> int:
        _, count = peer.read_exactly(2)
        methods = peer.read_exactly(count)
        if 2 in methods:
            peer.send(b"\x05\x02")
            _, size = peer.read_exactly(2)
            self.asked = peer.read_exactly(size) + b":" + peer.read_exactly(peer.read_exactly(1)[0])
            peer.send(b"\x01\x00")
        else:
            peer.send(b"\x05\x00")
        kind = peer.read_exactly(4)[3]
        peer.read_exactly(4 if kind == 1 else peer.read_exactly(1)[0])
        port = int.from_bytes(peer.read_exactly(2), "big")
        peer.send(b"\x05\x00\x00\x01\0\0\0\0\0\0")
        return port

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def server() -> Iterator[WsServer]:
    with WsServer() as running:
        yield running


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("account", ["", "name:pa%20ss@"])
def test_through_a_proxy(kind: str, account: str, server: WsServer, journal: Journal) -> None:
    with Proxy(kind) as proxy:
        client = Dial(server.url, host=journal, proxy=f"{kind}://{account}127.0.0.1:{proxy.port}", errors="raise")
        assert isinstance(client, Connection)
        with client:
            peer = server.peer()
            peer.text("through")
            assert client.read() == "through"
            assert peer.header("Host") == f"127.0.0.1:{server.port}"
        if kind == "http":
            assert (b"Proxy-Authorization: Basic bmFtZTpwYSBzcw==" in proxy.asked) == bool(account)
        else:
            assert proxy.asked == (b"name:pa ss" if account else b"")


def test_a_proxy_that_refuses(server: WsServer, journal: Journal) -> None:
    with Proxy("http", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as proxy:
        assert Dial(server.url, host=journal, proxy=f"http://u:SECRET@127.0.0.1:{proxy.port}") is None
    assert "HTTP 407" in journal.errors[0]
    assert "SECRET" not in journal.errors[0]


def test_a_proxy_that_repeats_the_account(server: WsServer, journal: Journal) -> None:
    account = base64.b64encode(b"u:SECRET")
    with Proxy("http", b"HTTP/1.1 407 No Proxy-Authorization: Basic " + account + b"\r\n\r\n") as proxy:
        assert Dial(server.url, host=journal, proxy=f"http://u:SECRET@127.0.0.1:{proxy.port}") is None
    assert "HTTP 407" in journal.errors[0]
    assert account.decode() not in journal.errors[0]


@pytest.mark.parametrize("proxy", ["ftp://h:1", "http://h/path", "socks5://", "http://h:99999", "nonsense"])
def test_a_proxy_that_is_none(proxy: str, server: WsServer, journal: Journal) -> None:
    with pytest.raises(InputError, match="proxy"):
        Dial(server.url, host=journal, proxy=proxy)


def test_the_local_address_is_used(server: WsServer, journal: Journal) -> None:
    client = Dial(server.url, host=journal, local_ip="127.0.0.5", errors="raise")
    assert isinstance(client, Connection)
    with client:
        assert server.peer().sock.getpeername()[0] == "127.0.0.5"
    assert Dial(server.url, host=journal, local_ip="192.0.2.77") is None


# -- databases --------------------------------------------------------------------------------------------------------------------------------


def test_sqlite(tmp_path: Path, journal: Journal) -> None:
    database = Dial(f"sqlite3://{tmp_path}/t.db", host=journal)
    assert isinstance(database, SqliteConnection)
    with database:
        assert database.exec("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)") == {"columns": [], "values": []}
        assert database.exec("INSERT INTO t VALUES (?, ?, ?)", 1, "x", b"\0") == {"columns": [], "values": []}
        threads = [
            threading.Thread(target=database.exec, args=("INSERT INTO t VALUES (?, ?, ?)", n, None, None))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_S)
        assert database.exec("SELECT count(*) AS n FROM t") == {"columns": ["n"], "values": [[21]]}
        assert database.exec("SELECT a, b, c FROM t WHERE b = ?", "x") == {
            "columns": ["a", "b", "c"],
            "values": [[1, "x", b"\0"]],
        }
        assert database.exec("SELEC nonsense") is None
        assert database.exec("SELECT ?", object()) is None
        with pytest.raises(NotSupported):
            database.read()
        with pytest.raises(NotSupported):
            database.write("x")
        assert "open" in repr(database)
    assert len(journal.errors) == 2
    assert "nonsense" not in journal.errors[0] or "SELEC" in journal.errors[0]
    assert database.exec("SELECT 1") is None
    database.close()


def test_sqlite_in_memory_and_by_uri(journal: Journal) -> None:
    for target in (":memory:", "file:shared?mode=memory&cache=shared"):
        database = Dial(f"sqlite3://{target}", host=journal)
        assert isinstance(database, SqliteConnection)
        with database:
            assert database.exec("SELECT 1") == {"columns": ["1"], "values": [[1]]}
    assert Dial("sqlite3:///nowhere/at/all.db", host=journal) is None
    assert "cannot open" in journal.errors[0]
