"""Addresses that a server listens on."""

from __future__ import annotations

import pytest

from fmzthreads.errors import InputError
from fmzthreads.serve.address import ServeAddress


def test_addresses_of_both_kinds() -> None:
    assert ServeAddress.read("http://127.0.0.1:8080") == ServeAddress(True, "127.0.0.1", 8080)
    assert ServeAddress.read("tcp://0.0.0.0:9") == ServeAddress(False, "0.0.0.0", 9)
    assert ServeAddress.read("http://:0/?gzip=true&pprof=true") == ServeAddress(True, "", 0, True)
    assert ServeAddress.read("http://[::1]:1?gzip=false") == ServeAddress(True, "::1", 1)


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("ws://127.0.0.1:1", "expected http:// or tcp://"),
        ("8080", "expected http:// or tcp://"),
        ("http://127.0.0.1", "not an address to listen on"),
        ("http://127.0.0.1:99999", "not an address to listen on"),
        ("http://127.0.0.1:1/path", "not an address to listen on"),
        ("http://user@127.0.0.1:1", "not an address to listen on"),
        ("http://[::1:1", "not an address to listen on"),
        ("http://127.0.0.1:1?zip=true", "unknown option 'zip'"),
        ("http://127.0.0.1:1?tls=true&cert_pem=x", "needs cert_pem and cert_key_pem"),
    ],
)
def test_what_is_no_address_is_named(uri: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        ServeAddress.read(uri)


def test_a_bad_certificate_is_refused_without_its_text() -> None:
    with pytest.raises(InputError, match="not a certificate and its key") as caught:
        ServeAddress.read("http://127.0.0.1:1?tls=1&cert_pem=SECRET&cert_key_pem=SECRET")
    assert "SECRET" not in str(caught.value)
