"""Cases drawn from RFC 6455: what a server may send, and what it must not."""

from __future__ import annotations

import random
import zlib

import pytest

from fmzthreads.streams.websocket.compression import negotiate_deflate
from fmzthreads.streams.websocket.frames import FrameReader, ProtocolError, build_frame
from tests.helpers.ws_server import frame

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
LIMIT = 300_000


def feed(reader: FrameReader, data: bytes, chunk: int = 0) -> list[str | bytes]:
    """Gives the reader bytes in pieces of ``chunk`` (0: as many as it takes) and returns its messages."""
    batch: list[str | bytes] = []
    while data and reader.closed is None:
        space = reader.space()
        count = min(len(space), len(data), chunk or len(data))
        space[:count] = data[:count]
        data = data[count:]
        reader.parse(count, batch)
    return batch


GOOD = {
    "empty text": (frame(TEXT), [""]),
    "empty binary": (frame(BINARY), [""]),
    "text of 125, 126, 127 bytes": (
        b"".join(frame(TEXT, b"x" * n) for n in (125, 126, 127)),
        ["x" * n for n in (125, 126, 127)],
    ),
    "text of 65535 and 65536 bytes": (
        frame(TEXT, b"a" * 65535) + frame(TEXT, b"b" * 65536),
        ["a" * 65535, "b" * 65536],
    ),
    "text larger than the buffer": (frame(TEXT, "é".encode() * 140_000), ["é" * 140_000]),
    "binary that is UTF-8": (frame(BINARY, b"plain"), ["plain"]),
    "binary that is not": (frame(BINARY, b"\xff\xfe"), [b"\xff\xfe"]),
    "binary larger than the buffer": (frame(BINARY, b"\xff" * 200_000), [b"\xff" * 200_000]),
    "text that is not ASCII": (frame(TEXT, "héllo 中文 😀".encode()), ["héllo 中文 😀"]),
    "long text that is not ASCII": (frame(TEXT, "中".encode() * 1000), ["中" * 1000]),
    "mixed texts": (frame(TEXT, b"a") + frame(TEXT, "ß".encode()) + frame(TEXT, b"b"), ["a", "ß", "b"]),
    "two fragments": (frame(TEXT, b"ab", fin=False) + frame(CONT, b"cd"), ["abcd"]),
    "a character over two fragments": (frame(TEXT, b"\xe4\xb8", fin=False) + frame(CONT, b"\xad"), ["中"]),
    "empty fragments": (frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), [""]),
    "many fragments": (
        frame(BINARY, b"\xff", fin=False) + frame(CONT, b"\xfe", fin=False) * 500 + frame(CONT),
        [b"\xff" + b"\xfe" * 500],
    ),
    "a ping between fragments": (frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b"), ["ab"]),
    "a message after a fragmented one": (
        frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + frame(TEXT, b"c"),
        ["ab", "c"],
    ),
    "pongs nobody asked for": (frame(PONG, b"x") + frame(TEXT, b"a") + frame(PONG), ["a"]),
    "a huge first fragment": (frame(TEXT, b"x" * 200_000, fin=False) + frame(CONT, b"y"), ["x" * 200_000 + "y"]),
}

BAD = {
    "reserved bit 1 without an extension": (frame(TEXT, b"a", rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, b"a", rsv=2), 1002),
    "reserved bit 3": (frame(BINARY, b"a", rsv=1), 1002),
    "reserved bits on a ping": (frame(PING, b"a", rsv=4), 1002),
    **{f"reserved opcode {n}": (frame(n, b"a"), 1002) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a masked text": (frame(TEXT, b"abcd", mask=b"\0\0\0\0"), 1002),
    "a masked ping": (frame(PING, b"abcd", mask=b"\1\2\3\4"), 1002),
    "a fragmented ping": (frame(PING, b"a", fin=False), 1002),
    "a fragmented close": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "a ping of 126 bytes": (frame(PING, b"a" * 126), 1002),
    "a close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + b"a" * 124), 1002),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    **{
        f"the close code {code}": (frame(CLOSE, code.to_bytes(2, "big")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "a close reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "a continuation of nothing": (frame(CONT, b"a"), 1002),
    "a continuation after a whole message": (frame(TEXT, b"a") + frame(CONT, b"b"), 1002),
    "a text inside a fragmented message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "a length of 2 bytes for 125": (frame(TEXT, b"a" * 125, width=2), 1002),
    "a length of 8 bytes for 65535": (frame(TEXT, b"a" * 65535, width=8), 1002),
    "a length with its top bit set": (frame(BINARY, b"a", length=1 << 63, width=8), 1002),
    "a frame over the limit": (frame(BINARY, b"a", length=LIMIT + 1), 1009),
    "fragments over the limit": (
        frame(BINARY, b"a" * 100_000, fin=False) + frame(CONT, b"a" * 100_000, fin=False) * 3,
        1009,
    ),
    **{
        f"text with {what}": (frame(TEXT, data), 1007)
        for what, data in {
            "a lone continuation byte": b"ab\x80",
            "a lone lead byte": b"ab\xc3",
            "an overlong slash": b"\xc0\xaf",
            "a surrogate": b"\xed\xa0\x80",
            "more than U+10FFFF": b"\xf4\x90\x80\x80",
            "FE": b"\xfe",
            "a bad byte far behind": b"x" * 5000 + b"\xff",
        }.items()
    },
    "a bad byte in a fragment that is not the last": (frame(TEXT, b"a\xff", fin=False), 1007),
    "a character cut by the end of the message": (frame(TEXT, b"\xe4", fin=False) + frame(CONT, b"\xb8"), 1007),
    "a bad byte early in a huge frame": (frame(TEXT, b"\xff" + b"a" * 200, length=200_000), 1007),
}


@pytest.mark.parametrize("chunk", [0, 1, 2, 3, 7, 1000, 4096])
@pytest.mark.parametrize("name", GOOD)
def test_what_is_allowed(name: str, chunk: int) -> None:
    data, expected = GOOD[name]
    if len(data) > 20_000 and 0 < chunk < 1000:
        chunk = 1000 + chunk  # byte by byte would only be slow
    reader = FrameReader(LIMIT)
    assert feed(reader, data + frame(CLOSE, b"\x03\xe8bye"), chunk) == expected
    assert reader.closed == (1000, "bye")


@pytest.mark.parametrize("chunk", [0, 1, 5])
@pytest.mark.parametrize("name", BAD)
def test_what_is_not(name: str, chunk: int) -> None:
    data, code = BAD[name]
    if len(data) > 20_000 and chunk:
        chunk += 1000
    reader = FrameReader(LIMIT)
    with pytest.raises(ProtocolError) as caught:
        feed(reader, frame(TEXT, b"fine") + data, chunk)
    assert caught.value.close_code == code


def test_what_came_before_a_violation_is_kept() -> None:
    reader = FrameReader(LIMIT)
    data = frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT, b"\xff") + frame(TEXT, b"three")
    batch: list[str | bytes] = []
    reader.space()[: len(data)] = data
    with pytest.raises(ProtocolError):
        reader.parse(len(data), batch)
    assert batch == ["one", "two"]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_that_are_valid(code: int) -> None:
    reader = FrameReader(LIMIT)
    feed(reader, frame(CLOSE, code.to_bytes(2, "big")))
    assert reader.closed == (code, "")


def test_a_close_without_a_code() -> None:
    reader = FrameReader(LIMIT)
    feed(reader, frame(CLOSE))
    assert reader.closed == (1005, "")


def test_pings_are_handed_out_in_order_and_whole() -> None:
    reader = FrameReader(LIMIT)
    feed(reader, b"".join(frame(PING, bytes([n]) * n) for n in (0, 1, 125)))
    assert reader.control == [(PING, b""), (PING, b"\1"), (PING, b"\x7d" * 125)]


def test_a_limit_below_one_small_frame_holds() -> None:
    reader = FrameReader(10)
    assert feed(reader, frame(TEXT, b"x" * 10)) == ["x" * 10]
    with pytest.raises(ProtocolError) as caught:
        feed(reader, frame(TEXT, b"x" * 11))
    assert caught.value.close_code == 1009


def test_any_cut_of_any_stream_gives_the_same_messages() -> None:
    rng = random.Random(6455)
    for _ in range(60):
        messages: list[str] = []
        wire = b""
        for _ in range(rng.randrange(1, 40)):
            text = "".join(rng.choice("az é中😀") for _ in range(rng.choice([0, 1, 60, 125, 126, 500, 1200])))
            messages.append(text)
            data = text.encode()
            cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 0, 1, 3])))
            parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
            for index, part in enumerate(parts):
                wire += frame(TEXT if index == 0 else CONT, part, fin=index == len(parts) - 1)
                if rng.random() < 0.2:
                    wire += frame(PING, b"?")
        reader = FrameReader(LIMIT, size=4096)
        got: list[str | bytes] = []
        while wire:
            space = reader.space()
            count = min(len(space), len(wire), rng.choice([1, 2, 5, 100, 3000]))
            space[:count] = wire[:count]
            wire = wire[count:]
            reader.parse(count, got)
        assert got == messages


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 65535, 65536])
def test_our_frames_are_masked_and_whole(size: int) -> None:
    payload = random.Random(size).randbytes(size)
    data = build_frame(BINARY, payload)
    assert data[0] == 0x82
    assert data[1] & 0x80
    start = 2 + {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    key, masked = data[start : start + 4], data[start + 4 :]
    assert bytes(byte ^ key[index % 4] for index, byte in enumerate(masked)) == payload


# -- permessage-deflate (RFC 7692) -------------------------------------------------------------------------------------------------------


def deflated(engine: zlib._Compress, text: bytes) -> bytes:
    return (engine.compress(text) + engine.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


@pytest.mark.parametrize("keep", [True, False])
def test_compressed_messages_with_and_without_a_kept_window(keep: bool) -> None:
    answer = "permessage-deflate" + ("" if keep else "; server_no_context_takeover")
    reader = FrameReader(LIMIT, deflate=negotiate_deflate(answer, LIMIT))
    engine = zlib.compressobj(wbits=-15)
    texts = [f'{{"price": {n}, "text": "the same words again and again"}}' for n in range(20)]
    wire = b""
    for number, text in enumerate(texts):
        if not keep:
            engine = zlib.compressobj(wbits=-15)
        data = deflated(engine, text.encode())
        if number % 3 == 0:
            wire += frame(TEXT, data[:5], rsv=4, fin=False) + frame(PING) + frame(CONT, data[5:])
        elif number % 3 == 1:
            wire += frame(TEXT, data, rsv=4)
        else:
            wire += frame(TEXT, data, rsv=4) + frame(TEXT, b"not compressed")
    got = feed(reader, wire, 11)
    assert [message for message in got if message != "not compressed"] == texts


def test_a_bomb_is_stopped_while_it_inflates() -> None:
    reader = FrameReader(LIMIT, deflate=negotiate_deflate("permessage-deflate", LIMIT))
    bomb = deflated(zlib.compressobj(wbits=-15), b"\0" * 200_000_000)
    assert len(bomb) < LIMIT
    with pytest.raises(ProtocolError) as caught:
        feed(reader, frame(BINARY, bomb, rsv=4))
    assert caught.value.close_code == 1009


def test_damage_inside_a_compressed_message() -> None:
    reader = FrameReader(LIMIT, deflate=negotiate_deflate("permessage-deflate", LIMIT))
    with pytest.raises(ProtocolError) as caught:
        feed(reader, frame(TEXT, b"\xff\xff\xff\xff", rsv=4))
    assert caught.value.close_code == 1007


def test_a_compressed_text_must_be_utf8_too() -> None:
    reader = FrameReader(LIMIT, deflate=negotiate_deflate("permessage-deflate", LIMIT))
    with pytest.raises(ProtocolError) as caught:
        feed(reader, frame(TEXT, deflated(zlib.compressobj(wbits=-15), b"\xff"), rsv=4))
    assert caught.value.close_code == 1007


def test_only_the_first_fragment_says_compressed() -> None:
    reader = FrameReader(LIMIT, deflate=negotiate_deflate("permessage-deflate", LIMIT))
    with pytest.raises(ProtocolError) as caught:
        feed(reader, frame(TEXT, b"a", fin=False, rsv=4) + frame(CONT, b"b", rsv=4))
    assert caught.value.close_code == 1002
