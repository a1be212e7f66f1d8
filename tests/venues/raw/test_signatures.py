"""Signatures of venues against the venues' own vectors, and those that ``openssl dgst`` gives."""

from __future__ import annotations

import pytest

from fmzthreads.errors import InputError
from fmzthreads.venues.raw.signatures import (
    bitfinex_signature,
    bitmex_signature,
    coinbase_signature,
    htx_query,
    htx_signature,
)

# From BitMEX's page "API Key Usage".
_BITMEX_SECRET = "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO"
_ORDER = '{"symbol":"XBTM15","price":219.0,"clOrdID":"mm_bitmex_1a/oemUeQ4CAJZgP3fjHsA","orderQty":98}'


@pytest.mark.parametrize(
    ("verb", "path", "expires", "data", "wanted"),
    [
        (
            "GET",
            "/api/v1/instrument",
            1518064236,
            "",
            "c7682d435d0cfe87c16098df34ef2eb5a549d4c5a3c2b1f0f77b8af73423bf00",
        ),
        (
            "GET",
            "/api/v1/instrument?filter=%7B%22symbol%22%3A+%22XBTM15%22%7D",
            1518064237,
            "",
            "e2f422547eecb5b3cb29ade2127e21b858b235b386bfa45e1c1756eb3383919f",
        ),
        (
            "POST",
            "/api/v1/order",
            1518064238,
            _ORDER,
            "1749cd2ccae4aa49048ae09f0b95110cee706e0944e6a14ad0b3a8cb45bd336b",
        ),
    ],
)
def test_bitmex_signs_as_its_page_shows(verb: str, path: str, expires: int, data: str, wanted: str) -> None:
    assert bitmex_signature(_BITMEX_SECRET, verb, path, expires, data) == wanted


def test_htx_sorts_the_query_and_signs_four_lines() -> None:
    # The request is the example of HTX's page "Authentication"; its digest by openssl.
    query = htx_query("e2xxxxxx-99xxxxxx-84xxxxxx-7xxxx", "2017-05-11T15:19:30", [("order-id", "1234567890")])
    assert query.startswith(
        "AccessKeyId=e2xxxxxx-99xxxxxx-84xxxxxx-7xxxx&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp="
    )
    assert query.endswith("Timestamp=2017-05-11T15%3A19%3A30&order-id=1234567890")
    signature = htx_signature("b0xxxxxx-c6xxxxxx-94xxxxxx-dxxxx", "GET", "API.huobi.pro", "/v1/order/orders", query)
    assert signature == "Nmd8AU8uAe0mkFpxNbiava0aeZzBEtYjCdie1ZYZjoM="


def test_coinbase_decodes_the_secret_and_signs_the_query() -> None:
    wanted = "3h6u1BxZUh1y07VJitpjfKK0Wxj01NixfU/p+R4NUSA="  # openssl
    path = "/orders?status=open&product_id=BTC-USD"
    assert coinbase_signature("bm90IGEgcmVhbCBrZXkgMQ==", "1700000000", "GET", path) == wanted
    with pytest.raises(InputError, match="base64"):
        coinbase_signature("not base64!", "1700000000", "GET", path)


def test_bitfinex_signs_path_nonce_and_body_with_sha384() -> None:
    wanted = (
        "aafe167d20aa9875ca79268dc5788c0cd745b97094b5fd22a4e46048eda0c63d84b7b2d4a85334a25c84a80f62ad6313"  # openssl
    )
    assert bitfinex_signature("not-a-real-secret", "v2/auth/r/wallets", "1700000000000000", "{}") == wanted
