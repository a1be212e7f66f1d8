"""Recordings played back: the forms of their files, their pace, and the real ones."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from fmzthreads.errors import InputError
from fmzthreads.simulator import StreamPlayer
from fmzthreads.simulator.replay.recordings import read_answers, read_frames
from fmzthreads.streams import Dial
from tests.helpers.shared_data import shared_data
from tests.helpers.threads import no_new_threads
from tests.helpers.ws_clients import (
    PATIENCE_S,
    ConnectionClosed,
    ConnectionClosedOK,
    DeltaBook,
    connect,
    shake_hands,
    wait_until,
)


def packed(path: Path, *lines: str) -> Path:
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))
    return path


def frames(player: StreamPlayer, path: str = "/stream") -> list[str | bytes]:
    """Everything that a connection gets, up to its orderly end."""
    found: list[str | bytes] = []
    with connect(player.stream_url + path, proxy=None, ping_interval=None, compression=None, max_size=None) as client:
        try:
            while True:
                found.append(client.recv(timeout=PATIENCE_S))
        except ConnectionClosedOK:
            return found


# --- the forms of files ---


def test_the_packed_form(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.gz", '1723161253937085768 {"a":1}', '1723161253937085769 {"lastUpdateId":7,"bids":[]}', '1723161253937085770 {"b":2}')  # fmt: skip
    assert [(frame.time_ns, frame.data) for frame in read_frames(path)] == [
        (1723161253937085768, '{"a":1}'),
        (1723161253937085770, '{"b":2}'),
    ]
    assert [answer.body for answer in read_answers(path)] == ['{"lastUpdateId":7,"bids":[]}']


def test_the_text_form(tmp_path: Path) -> None:
    path = tmp_path / "a.ws"
    path.write_text(
        "wss://x/ws <-> 1618678069.69958\n"
        'wss://x/ws <- 1618678070.5: {"sub":"a"}\n'
        'configuration: {"l2_book":[]}\n'
        'https://x/api/v3/depth?symbol=AB -> 1618678070.6: {"lastUpdateId":1}\n'
        '1618678070.7: {"ch": "a"}\n'
        "1618678070.733454: b'\\x1f\\x8b\\x00'\n"
    )
    assert [(frame.time_ns, frame.data) for frame in read_frames(path)] == [
        (1618678070700000000, '{"ch": "a"}'),
        (1618678070733454000, b"\x1f\x8b\x00"),
    ]
    assert [(answer.path, answer.query) for answer in read_answers(path)] == [("/api/v3/depth", "symbol=AB")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"nonsense\n", "line 1: expected .time: frame."),
        (b"1618678070.7: ok\n1618678070.8: b'\\x\n", "line 2: malformed bytes literal"),
        (b"1618678070.7: \xff\n", "cannot read"),
        (gzip.compress(b"soon {}\n"), "line 1: expected nanoseconds"),
        (gzip.compress(b"1 {}\n" * 1000)[:-20], "cannot read"),
        (b"", "contains no frames"),
    ],
)
def test_files_that_are_none_are_refused_with_their_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        list(read_frames(path)) or StreamPlayer(path)


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        StreamPlayer(tmp_path / "nothing")
    with pytest.raises(InputError, match="speed"):
        StreamPlayer(packed(tmp_path / "a.gz", "1 {}"), speed=-1)


# --- playing ---


def test_every_connection_gets_the_whole_recording_at_any_path(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.gz", *(f'{number} {{"n":{number}}}' for number in range(1, 1001)))
    with no_new_threads(grace_s=0), StreamPlayer(path, speed=0) as player:
        one, two = frames(player), frames(player, "/ws/v5/public?x=1")
        assert [json.loads(text)["n"] for text in one] == list(range(1, 1001))
        assert one == two
        assert (player.sent, player.finished) == (2000, 2)


def test_only_what_was_selected(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.gz", *(f'{number} {{"n":{number}}}' for number in range(1, 11)))
    with StreamPlayer(path, speed=0, select=lambda data: str(data).endswith("0}")) as player:
        assert frames(player) == ['{"n":10}']


def test_the_pace_is_the_recordings_times_the_speed(tmp_path: Path) -> None:
    begin = 1723161253_000_000_000
    path = packed(tmp_path / "a.gz", f"{begin} a", f"{begin + 2_000_000_000} b", f"{begin + 4_000_000_000} c")
    with StreamPlayer(path, speed=10) as player:
        started = time.perf_counter()
        assert frames(player) == ["a", "b", "c"]
        assert time.perf_counter() - started > 0.39  # four seconds, ten times faster


def test_a_stop_does_not_wait_for_the_next_frame(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.gz", "1000000000 a", "9000000000000 b")
    with (
        no_new_threads(grace_s=0),
        StreamPlayer(path) as player,
        connect(player.stream_url, proxy=None, ping_interval=None, compression=None) as client,
    ):
        assert client.recv(timeout=PATIENCE_S) == "a"
        player.stop()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=PATIENCE_S)


def test_a_client_that_does_not_read_is_waited_for_and_loses_nothing(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.gz", *(f"{number} {'x' * 1000}" for number in range(1, 20_001)))
    with StreamPlayer(path, speed=0) as player, socket.create_connection(("127.0.0.1", player.port), timeout=60) as raw:
        shake_hands(raw, "/stream")
        connection = next(iter(player._wire._state.connections))
        wait_until(lambda: connection.waiting > 1 << 20)  # until it waits
        assert player.sent < 20_000
        assert connection.waiting < (1 << 20) + 100_000
        received = 0
        while part := raw.recv(1 << 20):
            received += len(part)
        assert received == 20_000 * 1004 + 4 + len("end of the recording")


def test_faults_strike_a_recording_too(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.gz", '1 {"e":"depthUpdate","u":1}', "2 trade", '3 {"e":"depthUpdate","u":2}')
    with StreamPlayer(path, speed=0) as player:
        player.faults.set(ws_skip=1)
        assert frames(player) == ["trade", '{"e":"depthUpdate","u":2}']
        url = f"{player.base_url}/_simulator/faults"
        assert requests.get(url, timeout=60).json()["injected"] == {"ws_skip": 1}
        assert requests.get(f"{player.base_url}/_simulator/state", timeout=60).json()["finished"] == 1


# --- the real ones ---


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("spot/btcusdt_20240808.gz", {"depth@100ms": 3451, "bookTicker": 28040, "trade": 9757}),
        ("usdm/btcusdt_20240808.gz", {"depth@0ms": 6551, "bookTicker": 66089, "trade": 21313}),
    ],
)
def test_binance_recordings_arrive_whole(name: str, counts: dict[str, int]) -> None:
    """The counts stand in the recordings' own description."""
    path = shared_data(f"hftbacktest/{name}")
    found: Counter[str] = Counter()
    with StreamPlayer(path, speed=0) as player:
        client = Dial(player.stream_url + "/stream", overflow="block", errors="raise")
        assert client is not None
        with client:
            for text in iter(lambda: client.read(int(PATIENCE_S * 1000)), ""):
                assert isinstance(text, str)
                found[text[text.index("@") + 1 : text.index('"', 12)]] += 1
    assert dict(found) == counts


def test_a_book_from_a_recording_and_its_snapshot() -> None:
    path = shared_data("hftbacktest/spot/btcusdt_20240808.gz")
    with StreamPlayer(path, speed=0, select=lambda data: "depthUpdate" in data[:80]) as player:
        snapshot = requests.get(f"{player.base_url}/api/v3/depth?symbol=BTCUSDT&limit=1000", timeout=60).json()
        book, last = DeltaBook(snapshot["bids"], snapshot["asks"]), snapshot["lastUpdateId"]
        applied = 0
        for text in frames(player)[:1000]:
            event = json.loads(text)["data"]
            if event["u"] <= last:
                continue
            assert event["U"] <= last + 1
            apply_loosely(book, event["b"], event["a"])
            last, applied = event["u"], applied + 1
        bids, asks = book.levels()
        assert applied > 900
        assert bids[0][0] < asks[0][0]


def apply_loosely(book: DeltaBook, bids: list[list[str]], asks: list[list[str]]) -> None:
    """A real snapshot is cut at 1000 levels: deletions of levels beyond it are normal."""
    book.apply(
        [level for level in bids if float(level[1]) or _known(book.bids, level)],
        [level for level in asks if float(level[1]) or _known(book.asks, level)],
    )


def _known(side: dict[Any, Any], level: list[str]) -> bool:
    return type(next(iter(side)))(level[0]) in side


def test_recorded_calls_are_found_by_symbol() -> None:
    path = shared_data("cryptofeed/BINANCE.ws.1.0")
    with StreamPlayer(path, rest=shared_data("cryptofeed/BINANCE.http.0.0"), speed=0) as player:
        url = f"{player.base_url}/api/v3/depth"
        answers = [requests.get(url, params={"symbol": symbol}, timeout=60).json() for symbol in ("NKNUSDT", "BLZETH")]
        assert [answer["lastUpdateId"] for answer in answers] == [499869752, 281916627]
        assert requests.get(url, params={"symbol": "NONE"}, timeout=60).status_code == 404
        assert len(frames(player)) == 265


def test_huobis_gzip_frames_are_read_by_our_own_client() -> None:
    with StreamPlayer(shared_data("cryptofeed/HUOBI.ws.44.0"), speed=0) as player:
        client = Dial(f"{player.stream_url}/ws|compress=gzip&mode=recv", overflow="block", errors="raise")
        assert client is not None
        with client:
            texts = list(iter(lambda: client.read(int(PATIENCE_S * 1000)), ""))
    assert len(texts) == 362
    assert sum("ping" in json.loads(str(text)) for text in texts) >= 5


def test_okx_checksums_of_a_recording() -> None:
    """290 of 290, as the recordings' description says, after the way through the player."""
    books: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    good = 0
    with StreamPlayer(shared_data("cryptofeed/OKX.ws.1.0"), speed=0) as player:
        for text in frames(player):
            message = json.loads(text)
            if "action" not in message:
                continue
            row = message["data"][0]
            if message["action"] == "snapshot":
                books[message["arg"]["instId"]] = ({}, {})
            bids, asks = books[message["arg"]["instId"]]
            for side, levels in ((bids, row["bids"]), (asks, row["asks"])):
                for price, size, *_ in levels:
                    side[price] = size
                    if not float(size):
                        del side[price]
            best = [
                sorted(side.items(), key=lambda level: float(level[0]), reverse=falling)[:25]
                for side, falling in ((bids, True), (asks, False))
            ]
            parts = [":".join(side[place]) for place in range(25) for side in best if place < len(side)]
            good += zlib.crc32(":".join(parts).encode()) == row["checksum"] % 2**32
    assert good == 290
