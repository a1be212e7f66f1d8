"""Binance's Ed25519 keys: what is signed, how the key is given, and trading with one on the simulator."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from fmzthreads import Exchange
from fmzthreads.errors import AuthenticationFailed, InputError
from fmzthreads.exchange.keys.credentials import Credentials, load_credentials
from fmzthreads.exchange.keys.signing import ed25519_base64, encode_query
from fmzthreads.venues.binance.protocol import binance_signature
from tests.helpers.exchange_room import MemoryHost

pytest.importorskip("cryptography", reason="needs the extra 'crypto'")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# RFC 8032, 7.1: secret key, message, signature of tests 1 to 3
RFC_8032 = (
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
)  # fmt: skip

NONE = serialization.NoEncryption()


def pem(key: Any, encryption: Any = NONE) -> str:
    return str(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode("ascii")
    )


def public(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode("ascii"))


KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_8032[0][0]))
PEM = pem(KEY).strip()


@pytest.mark.parametrize(("seed", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(seed: str, message: str, signature: str) -> None:
    private = pem(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    assert base64.b64decode(ed25519_base64(private, bytes.fromhex(message))).hex() == signature


@pytest.mark.parametrize(
    ("symbol", "payload"),
    [
        ("BTCUSDT", "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2&timestamp=1668481559918&recvWindow=5000"),
        (
            "１２３４５６",
            ("symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
            "&timestamp=1668481559918&recvWindow=5000"),
        ),
    ],
)  # fmt: skip
def test_the_payloads_of_binance_s_page(symbol: str, payload: str) -> None:
    """Binance's "Request Security", "Ed25519 Keys"; it does not publish the private key, so the signature is verified instead."""
    query = encode_query(
        [
            ("symbol", symbol), ("side", "SELL"), ("type", "LIMIT"), ("timeInForce", "GTC"), ("quantity", "1"), ("price", "0.2"),
            ("timestamp", 1668481559918), ("recvWindow", 5000),
        ]
    )  # fmt: skip
    assert query == payload
    signature = binance_signature(PEM, query.encode())
    assert "+" not in signature
    assert "/" not in signature
    assert signature.endswith("%3D%3D")
    KEY.public_key().verify(base64.b64decode(unquote(signature)), payload.encode())


def test_an_hmac_secret_signs_as_before() -> None:
    """Binance's page, "HMAC Keys": its key and its signature."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    assert binance_signature(secret, payload) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


@pytest.mark.parametrize(
    ("private", "words"),
    [
        (pem(KEY, serialization.BestAvailableEncryption(b"word")), "encrypted with a password"),
        (PEM.replace("M", "!"), "malformed"),
        (pem(rsa.generate_private_key(65537, 2048)), "another kind .*RSA.*; expected Ed25519"),
    ],
)
def test_another_key_is_refused_and_not_shown(private: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        binance_signature(Credentials(secret_key=private).secret_key, b"a=1")
    assert private.split("\n")[1][:10] not in str(caught.value)


@pytest.mark.parametrize("form", ["argument", "crlf", "indented", "variable", "escaped variable", "file", "json"])
def test_the_key_is_given_as_text_or_in_a_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    if form in {"file", "json"}:
        escaped = PEM.replace("\n", "\\n")
        path.write_text(
            f'{{"access_key": "the-key", "secret_key": "{escaped}"}}'
            if form == "json"
            else f"access_key = the-key\nsecret_key = {PEM}\n# the end\n"
        )
        path.chmod(0o600)
        found = load_credentials("Binance", key_file=path, environ={})
    elif "variable" in form:
        value = PEM.replace("\n", "\\n") if "escaped" in form else PEM
        found = load_credentials(
            "Binance", environ={"FMZ_BINANCE_ACCESS_KEY": "the-key", "FMZ_BINANCE_SECRET_KEY": value}
        )
    else:
        value = {"argument": PEM, "crlf": PEM.replace("\n", "\r\n"), "indented": PEM.replace("\n", "\n    ") + "\n"}[
            form
        ]
        found = load_credentials("Binance", access_key="the-key", secret_key=value, environ={})
    assert found is not None
    assert found.secret_key == PEM
    binance_signature(found.secret_key, b"a=1")
    body = PEM.split("\n")[1]
    assert body not in found.cut_out(f"in a line {body} and\nwhole {PEM}")
    assert body not in repr(found)


def test_a_key_in_pem_that_is_cut_off_is_refused() -> None:
    with pytest.raises(InputError, match="cut off or malformed") as caught:
        Credentials(secret_key="\n".join(PEM.split("\n")[:-1]))
    assert PEM.split("\n")[1] not in str(caught.value)
    with pytest.raises(InputError, match="line break"):
        Credentials(secret_key="an ordinary\nsecret")
    with pytest.raises(InputError, match="line break"):
        Credentials(access_key=PEM)


def test_trading_with_an_ed25519_key() -> None:
    pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
    pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")
    from tests.helpers.simulators import simulator

    with simulator("binance", public_key=public(KEY)) as server:

        def exchange(private: str) -> Any:
            return Exchange(
                "Binance",
                "BTC_USDT",
                access_key=server.key,
                secret_key=private,
                base=server.base_url,
                errors="raise",
                host=MemoryHost(),
            )

        with exchange(PEM) as mine:
            assert mine.GetAccount().Balance > 0
            order_id = mine.Buy(round(mine.GetDepth().Bids[0].Price * 0.9, 1), 0.01)
            assert mine.GetOrder(order_id).Amount == 0.01
            assert len(mine.IO("api", "GET", "/api/v3/openOrders", "symbol=BTCUSDT")) == 1
            assert mine.CancelOrder(order_id)
        wrong = pem(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_8032[1][0])))
        for other in (wrong, server.secret):
            with exchange(other) as stranger, pytest.raises(AuthenticationFailed, match="Signature"):
                stranger.GetAccount()


def test_the_simulator_takes_only_such_a_public_key() -> None:
    pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")
    from fmzthreads.simulator import SimulatorServer

    for bad in ("nonsense", public(rsa.generate_private_key(65537, 2048)), PEM):
        with pytest.raises(InputError, match="must be an Ed25519 public key in PEM"):
            SimulatorServer("binance", public_key=bad)
    with pytest.raises(InputError, match="only Binance"):
        SimulatorServer("okx", public_key=public(KEY))
