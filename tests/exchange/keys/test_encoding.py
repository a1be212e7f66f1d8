"""``Encode`` and ``exchange.HMAC``: FMZ's published vectors, official test vectors, templates, and what is wrong."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from fmzthreads import Encode, Exchange
from fmzthreads.errors import FmzError, InputError, MissingCredentials, MissingExtra, NotSupported, UnknownName
from fmzthreads.exchange.keys.encoding import ALGORITHMS
from tests.helpers.exchange_room import MemoryHost

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def account(**keys: str) -> tuple[Exchange[None], MemoryHost]:
    host = MemoryHost()
    return Exchange("OKX", "BTC_USDT", host=host, **keys), host


def test_fmzs_own_examples() -> None:
    assert (
        Encode("raw", "raw", "hex", "example")
        == Encode("raw", "raw", "hex", "example", "raw", "123")
        == "6578616d706c65"
    )
    assert Encode("raw", "raw", "base64", "123") == "MTIz"
    keyed = "698d54f0494528a759f19c8e87a9f99e75a5881b9267ee3926bcf62c992d84ba"
    for form, key in (("raw", "123"), ("string", "123"), ("hex", "313233"), ("base64", "MTIz")):
        assert Encode("sha256", "raw", "hex", "example", form, key) == keyed
    plain = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"
    assert Encode("sha256", "raw", "hex", "example", "", "123") == Encode("sha256", "raw", "hex", "example") == plain
    assert Encode("hmac_sha256", "raw", "hex", "example", "raw", "123") == keyed
    assert Encode("text.encoder.utf8", "raw", "hex", "你好") == "e4bda0e5a5bd"
    assert Encode("text.encoder.gbk", "raw", "hex", "你好") == "c4e3bac3"
    assert Encode("text.decoder.gbk", "hex", "string", "c4e3bac3") == "你好"
    assert Encode("text.decoder.utf8", "base64", "hex", "5L2g5aW9") == "e4bda0e5a5bd"


@pytest.mark.parametrize(
    ("algo", "expected"),
    [  # of the empty text, as the algorithms' authors publish them
        ("md5", "d41d8cd98f00b204e9800998ecf8427e"),
        ("md4", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (
            "sha512.384",
            "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
        ),
        ("sha512.256", "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"),
        ("sha512.224", "6ed0dd02806fa89e25de060c19d3ac86cabb87d6a0ddd05c333b84f4"),
        ("sha3.256", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"),
        ("keccak256", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("sha3.keccak256", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("ripemd160", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        ("blake2b.256", "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
        ("blake2s.256", "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"),
    ],
)
def test_digests_of_nothing(algo: str, expected: str) -> None:
    pytest.importorskip("Crypto")
    assert Encode(algo, "raw", "hex", "") == expected


def test_every_digest_has_a_keyed_form_and_raw_bytes() -> None:
    pytest.importorskip("Crypto")
    for algo in ALGORITHMS:
        if algo == "raw" or algo.startswith(("text", "ed25519", "hmac_")):
            continue
        keyed = Encode(algo, "raw", "raw", "data", "raw", "key")
        assert isinstance(keyed, bytes)
        assert keyed != Encode(algo, "raw", "raw", "data")
        assert keyed != Encode(algo, "raw", "raw", "data", "raw", "kez")
    # RFC 2286's and Ethereum's own keyed vectors, for the two paddings that are written out here.
    assert Encode("ripemd160", "raw", "hex", "Hi There", "hex", "0b" * 20) == "24cb4bd67d20fc1a5d2ed7732dcc39377f0a5668"
    long_key = "aa" * 80
    data = "Test Using Larger Than Block-Size Key - Hash Key First"
    assert Encode("ripemd160", "raw", "hex", data, "hex", long_key) == "6466ca07ac5eac29e1bd523e5ada7605b791fd8b"


def test_ed25519() -> None:
    pytest.importorskip("cryptography")
    # RFC 8032, section 7.1, test 2.
    seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    assert Encode("ed25519", "hex", "hex", "72", "hex", seed) == expected
    assert Encode("ed25519", "hex", "hex", "72", "hex", seed + public) == expected
    assert Encode("ed25519.seed", "raw", "hex", "r", "hex", seed) == expected
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n"
    assert Encode("ed25519", "raw", "hex", "r", "raw", pem) == expected
    digest = Encode("sha512", "raw", "raw", "r")
    assert Encode("ed25519.sha512", "raw", "hex", "r", "hex", seed) == Encode(
        "ed25519", "raw", "hex", digest, "hex", seed
    )
    with pytest.raises(InputError, match=r"the key of ed25519.seed must be 32 bytes, got 64 bytes"):
        Encode("ed25519.seed", "raw", "hex", "r", "hex", seed + public)
    with pytest.raises(InputError, match="ed25519 needs a key"):
        Encode("ed25519", "raw", "hex", "r")
    with pytest.raises(InputError, match=r"must be 32 bytes .*, got 5 bytes"):
        Encode("ed25519", "raw", "hex", "r", "raw", "-----")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: Encode("sha257", "raw", "hex", ""), UnknownName, "no algorithm 'sha257'; did you mean 'sha256'"),
        (lambda: Encode("ed25519.sha2", "raw", "hex", ""), UnknownName, "no algorithm"),
        (lambda: Encode("sha256", "raw", "hexx", ""), UnknownName, "outputFormat cannot be 'hexx'; valid: raw, hex"),
        (lambda: Encode("sha256", "raw", "hex", "", "text", "k"), UnknownName, "keyFormat cannot be 'text'"),
        (lambda: Encode("sha256", "hex", "hex", "xyz"), InputError, "data is not valid hex"),
        (lambda: Encode("sha256", "base64", "hex", "x"), InputError, "data is not valid base64"),
        (lambda: Encode("sha256", "raw", "hex", "", "hex", "geheim"), InputError, "key is not valid hex$"),
        (lambda: Encode("sha256", "raw", "hex", 5), InputError, "data must be text or bytes, got int"),  # type: ignore[arg-type]
        (lambda: Encode(["sha256"], "raw", "hex", ""), InputError, "the algorithm must be text"),  # type: ignore[arg-type]
        (lambda: Encode("sha256", "raw", "string", ""), InputError, "the result is not text"),
        (lambda: Encode("hmac_md5", "raw", "hex", ""), InputError, "hmac_md5 needs a key"),
        (lambda: Encode("text.encoder.gbk", "raw", "hex", "\u1234"), InputError, "gbk has no character"),
        (lambda: Encode("text.decoder.utf8", "hex", "string", "61ff"), InputError, "byte 1 is not valid utf-8"),
        (lambda: Encode("aes256-cbc", "raw", "hex", ""), NotSupported, "initialization vector .* not documented"),
        (lambda: Encode("sign", "raw", "hex", ""), NotSupported, "not documented"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], Any], kind: type[FmzError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "geheim" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("Crypto", "cryptography", "cryptography.hazmat.primitives"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"keccak256 needs pycryptodome; .* 'fmzthreads\[crypto\]'"):
        Encode("keccak256", "raw", "hex", "")
    with pytest.raises(MissingExtra, match=r"ed25519 needs cryptography; .* 'fmzthreads\[crypto\]'"):
        Encode("ed25519", "raw", "hex", "", "raw", "k" * 32)


# An exchange object's keys


def test_templates_stand_for_the_accounts_keys() -> None:
    exchange, host = account(access_key="access-1", secret_key=SECRET, passphrase="phrase-1")
    query = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    )
    # Binance's published example of a signature.
    expected = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert exchange.HMAC("sha256", "hex", query, "{{secretkey}}") == expected
    assert exchange.HMAC("hmac_sha256", "hex", query) == expected
    assert exchange.Encode("sha256", "raw", "hex", query, "raw", "{{secretkey}}") == expected
    assert exchange.HMAC("sha256", "raw", query) == bytes.fromhex(expected)
    assert exchange.HMAC("sha256", "hex", query.encode(), SECRET.encode()) == expected
    assert (
        exchange.Encode("raw", "raw", "string", "{{accesskey}}/{{passphrase}}/{{other}}")
        == "access-1/phrase-1/{{other}}"
    )
    assert exchange.Go("HMAC", "sha256", "hex", query, "{{secretkey}}").wait() == (expected, True)
    assert exchange.Go("Encode", "raw", "raw", "hex", "{{accesskey}}").wait().value == b"access-1".hex()
    assert host.errors == []


def test_a_template_in_the_data_is_a_text_and_the_global_encode_knows_no_keys() -> None:
    exchange, _ = account(access_key="aa", secret_key="{{accesskey}}", passphrase="x")
    # What a key holds is not looked at again.
    assert exchange.Encode("raw", "raw", "string", "{{secretkey}}") == "{{accesskey}}"
    assert Encode("raw", "raw", "string", "{{secretkey}}") == "{{secretkey}}"


def test_a_call_that_fails_gives_none_and_one_line_without_the_key() -> None:
    exchange, host = account(access_key="access-1", secret_key=SECRET, passphrase="phrase-1")
    assert exchange.HMAC("sha257", "hex", "x") is None
    assert exchange.HMAC("ed25519", "hex", "x") is None
    assert exchange.HMAC("sha256", "hex", "x", "") is None
    assert exchange.Encode("sha256", "raw", "hex", "x", "hex", "{{secretkey}}") is None
    assert len(host.errors) == 4
    assert "did you mean 'sha256'" in host.errors[0]
    assert SECRET not in " ".join(host.errors)
    bare, lines = account()
    assert bare.HMAC("sha256", "hex", "x", "{{secretkey}}") is None
    assert "secret_key" in lines.errors[0] or "access_key" in lines.errors[0]
    raising = Exchange("OKX", "BTC_USDT", errors="raise", host=MemoryHost())
    with pytest.raises(MissingCredentials, match="FMZ_"):
        raising.Encode("raw", "raw", "hex", "{{passphrase}}")
