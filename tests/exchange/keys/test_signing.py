from __future__ import annotations

import pytest

from fmzthreads.errors import InputError
from fmzthreads.exchange.keys.signing import (
    encode_query,
    hmac_base64,
    hmac_hex,
    iso_timestamp,
    parse_params,
    parse_typed_params,
)

# Published in Binance's public REST documents, "SIGNED endpoint examples".
BINANCE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
BINANCE_PAYLOAD = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)


def test_binance_vectors():
    assert (
        hmac_hex(BINANCE_SECRET, BINANCE_PAYLOAD) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    wide = BINANCE_PAYLOAD.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96")
    assert hmac_hex(BINANCE_SECRET, wide) == "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"


def test_rfc_4231_vector_in_both_forms():
    # RFC 4231, test case 2.
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_hex("Jefe", "what do ya want for nothing?") == digest
    assert hmac_base64("Jefe", b"what do ya want for nothing?") == "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="


def test_queries_are_encoded_before_they_are_signed():
    query = encode_query({"symbol": "币安_USDT", "note": "a b+c/d~-._", "flag": True, "none": None, "n": 5})
    assert query == "symbol=%E5%B8%81%E5%AE%89_USDT&note=a%20b%2Bc%2Fd~-._&flag=true&n=5"
    assert encode_query([("a", 1), ("a", 2)]) == "a=1&a=2"


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (1607418537.715, "2020-12-08T09:08:57.715Z"),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1700000000.9996, "2023-11-14T22:13:21.000Z"),
    ],
)
def test_time_stamps(time_s, text):
    assert iso_timestamp(time_s) == text


def test_params_of_io():
    text = "symbol=BTCUSDT&amount='1'&note=a%20b&empty=&quote='%26'"
    assert parse_params(text) == [
        ("symbol", "BTCUSDT"),
        ("amount", "1"),
        ("note", "a b"),
        ("empty", ""),
        ("quote", "&"),
    ]
    assert parse_params("") == []


def test_typed_params_of_io():
    assert dict(parse_typed_params("a='1'&b=1&c=1.50&d=true&e=null&f=BTC-USDT&g=007&h='true'&i=-2")) == {
        "a": "1",
        "b": 1,
        "c": 1.5,
        "d": True,
        "e": None,
        "f": "BTC-USDT",
        "g": "007",
        "h": "true",
        "i": -2,
    }
    assert parse_typed_params("a=1&b=2&a='3'") == [("a", 1), ("b", 2), ("a", "3")]


def test_a_lone_surrogate_is_named() -> None:
    with pytest.raises(InputError, match=r"a parameter must be valid Unicode text, got '\\ud800'"):
        encode_query([("symbol", "\ud800")])
