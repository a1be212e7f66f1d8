from __future__ import annotations

import gzip
import zlib

import pytest

from fmzthreads.errors import BadReply, ReplyTooLarge
from fmzthreads.streams.websocket.compression import (
    COMPRESSIONS,
    compressor,
    decompressor,
    negotiate_deflate,
    text_or_bytes,
)

TEXT = '{"ch":"market.btcusdt.depth","é":1}'.encode() * 50


def raw(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_what_is_compressed_can_be_inflated(name: str) -> None:
    assert decompressor(name, 10_000)(compressor(name)(TEXT)) == TEXT
    assert decompressor(name, 10_000)(compressor(name)(b"")) == b""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip_raw", raw(TEXT)),
        ("flate", raw(TEXT)),
        ("zlib", zlib.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw(TEXT)),
    ],
)
def test_the_forms_that_others_send(name: str, data: bytes) -> None:
    assert decompressor(name, 10_000)(memoryview(data)) == TEXT


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_bomb_is_stopped(name: str) -> None:
    bomb = compressor(name)(b"\0" * 50_000_000)
    with pytest.raises(ReplyTooLarge, match="100000"):
        decompressor(name, 100_000)(bomb)


def test_a_message_of_very_many_empty_members_is_refused() -> None:
    with pytest.raises(ReplyTooLarge, match="members"):
        decompressor("gzip", 1 << 20)(gzip.compress(b"") * 100_000)


def test_many_gzip_members_count_together() -> None:
    with pytest.raises(ReplyTooLarge):
        decompressor("gzip", 1000)(gzip.compress(b"x" * 400) * 3)


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("damage", [lambda d: b"garbage" + d, lambda d: d[: len(d) // 2]])
def test_damage_is_an_error(name: str, damage) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadReply):
        decompressor(name, 10_000)(damage(compressor(name)(TEXT)))


@pytest.mark.parametrize("answer", ["", "  "])
def test_a_server_may_decline(answer: str) -> None:
    assert negotiate_deflate(answer, 10) is None


@pytest.mark.parametrize(
    "answer",
    [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        'permessage-deflate; server_max_window_bits="10"; client_max_window_bits=8',
    ],
)
def test_what_we_send_can_be_inflated(answer: str) -> None:
    deflate = negotiate_deflate(answer, 10_000)
    assert deflate is not None
    engine = zlib.decompressobj(-15)
    for _ in range(3):
        if "client_no" in answer:
            engine = zlib.decompressobj(-15)
        assert engine.decompress(deflate.deflate(TEXT) + b"\x00\x00\xff\xff") == TEXT


@pytest.mark.parametrize(
    "answer",
    [
        "x-webkit-deflate-frame",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; surprise",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    ],
)
def test_a_server_may_not_invent(answer: str) -> None:
    with pytest.raises(BadReply):
        negotiate_deflate(answer, 10)


def test_text_where_it_is_text() -> None:
    assert text_or_bytes("é".encode()) == "é"
    assert text_or_bytes(memoryview(b"\xff")) == b"\xff"
