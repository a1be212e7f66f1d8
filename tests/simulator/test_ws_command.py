"""Recordings, TLS and real checksums from the command line, and certificates that only themselves vouch for them."""

from __future__ import annotations

import gc
import gzip
import json
import signal
import socket
import ssl
import stat
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.errors import ConnectFailed, MissingExtra
from fmzthreads.simulator import SimulatorProcess
from fmzthreads.simulator.certificates import fresh_tls_context
from fmzthreads.simulator.command import main
from fmzthreads.streams import Dial
from tests.helpers.simulators import simulator
from tests.helpers.ws_clients import buy, connect, open_socket
from tests.simulator.test_command import simulate

# Before Python 3.11, asyncio leaves the transport of a TLS handshake that the client broke off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Throws such transports away within the test that they belong to."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_recording_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b'1 {"n":1}\n60000000001 {"n":2}\n'))
    with simulate("--replay", str(path), "--speed", "1000") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["replay"], said["pid"]) == (str(path), process.pid)
        assert "key" not in said
        with connect(said["stream_url"] + "/ws", proxy=None) as client:
            assert [json.loads(client.recv(timeout=60))["n"] for _ in range(2)] == [1, 2]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")


def test_real_checksums_in_a_process_of_their_own() -> None:
    with (
        SimulatorProcess("okx", checksums=True) as server,
        connect(server.stream_url + "/ws/v5/public", proxy=None) as client,
    ):
        client.send(json.dumps({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]}))
        client.recv(timeout=60)
        assert json.loads(client.recv(timeout=60))["data"][0]["checksum"] != 0


def test_tls_from_the_command_line_with_a_certificate_to_trust(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    with simulate("--venue", "binance", "--tls", "--certificate", str(trusted)) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["stream_url"].startswith("wss://")
        address = said["stream_url"] + "/ws/btcusdt@bookTicker"
        with pytest.raises(ssl.SSLCertVerificationError), connect(address, proxy=None):
            pass
        good = ssl.create_default_context(cafile=trusted)
        with connect(address, proxy=None, ssl=good) as client:
            assert json.loads(client.recv(timeout=60))["s"] == "BTCUSDT"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "--venue says whose dialect"),
        (("--replay", "x", "--venue", "okx"), "goes with neither"),
        (("--replay", "/does/not/exist"), "cannot read"),
        (("--venue", "okx", "--certificate", "x"), "--certificate requires --tls"),
        (("--venue", "okx", "--tls", "--certificate", "/does/not/exist/x"), "cannot be written"),
    ],
)
def test_what_a_bad_option_gets(options: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 2
    assert text in capsys.readouterr().err


# --- certificates ---


def test_a_certificate_is_accepted_by_who_trusts_it_and_by_nobody_else(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    with simulator("binance", tls=fresh_tls_context(trust_file=trusted)) as server:
        good = ssl.create_default_context(cafile=trusted)
        with open_socket(server, "/ws/btcusdt@trade", ssl=good) as client:
            buy(server)
            assert client.read()["e"] == "trade"
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"), open_socket(server, "/ws"):
            pass


def test_a_certificate_for_another_name_does_not_verify(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    with simulator("binance", tls=fresh_tls_context(["exchange.example"], trust_file=trusted)) as server:
        good = ssl.create_default_context(cafile=trusted)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.1"), open_socket(server, "/ws", ssl=good):
            pass
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw,
            good.wrap_socket(raw, server_hostname="exchange.example") as wrapped,
        ):
            assert wrapped.version() in {"TLSv1.2", "TLSv1.3"}


def test_our_own_client_refuses_it_and_takes_it_when_told_to() -> None:
    with simulator("binance", tls=fresh_tls_context()) as server:
        address = server.stream_url + "/ws/btcusdt@trade"
        with pytest.raises(ConnectFailed, match="certificate"):
            Dial(address, errors="raise")
        client = Dial(address, insecureSkipVerify=True, errors="raise")
        assert client is not None
        with client:
            buy(server)
            assert "trade" in str(client.read(10_000))


def test_every_call_makes_a_new_authority(tmp_path: Path) -> None:
    files = [tmp_path / "first.pem", tmp_path / "second.pem"]
    for path in files:
        fresh_tls_context(trust_file=path)
        assert ssl.create_default_context(cafile=path).cert_store_stats()["x509_ca"] == 1
    assert files[0].read_text() != files[1].read_text()


def test_without_trustme_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(MissingExtra, match=r'pip install "fmzthreads\[demo\]"'):
        fresh_tls_context()


def test_a_trusted_copy_holds_no_key(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    fresh_tls_context(trust_file=trusted)
    assert "PRIVATE" not in trusted.read_text()
    assert stat.S_ISREG(trusted.stat().st_mode)
