"""What is said about an address whose scheme ``Dial`` does not speak, or that has none."""

from __future__ import annotations

import pytest

from fmzthreads.errors import InputError, NotSupported
from fmzthreads.streams import Dial
from fmzthreads.streams.address import NOT_SUPPORTED, SCHEMES, parse_address


@pytest.mark.parametrize(
    "scheme", [*NOT_SUPPORTED, "http", "HTTPS", "ftp", "foo", "redis", "ssh", "file", "mqtts", "ws+unix", "a-1.b", "x"]
)
def test_every_other_scheme_is_not_supported_and_named(scheme: str) -> None:
    with pytest.raises(NotSupported) as caught:
        parse_address(f"{scheme}://user:SECRET@h:1/SECRET?key=SECRET")
    said = str(caught.value)
    assert f"{scheme.lower()}://" in said
    assert all(f"{spoken}://" in said for spoken in SCHEMES)
    assert "SECRET" not in said


@pytest.mark.parametrize("scheme", ["http", "https", "HTTP"])
def test_http_is_for_another_function(scheme: str) -> None:
    with pytest.raises(NotSupported, match="HttpQuery"):
        Dial(f"{scheme}://api.example.com/time|reconnect=true", errors="log")


@pytest.mark.parametrize("scheme", ["foo", "ftp", "kafka"])
def test_http_is_not_named_without_need(scheme: str) -> None:
    with pytest.raises(NotSupported) as caught:
        parse_address(f"{scheme}://h")
    assert "HttpQuery" not in str(caught.value)


def test_the_other_schemes_of_fmz_are_named_together() -> None:
    with pytest.raises(NotSupported) as caught:
        parse_address("kafka://h:1/topic")
    assert all(f"{scheme}://" in str(caught.value) for scheme in NOT_SUPPORTED)


@pytest.mark.parametrize(("scheme", "meant"), [("wxs", "'wss'"), ("wsss", "'wss'"), ("sqlite", "'sqlite3'")])
def test_a_slip_of_the_pen_is_put_right(scheme: str, meant: str) -> None:
    with pytest.raises(NotSupported, match=f"did you mean .*{meant}"):
        parse_address(f"{scheme}://h")


def test_a_very_long_scheme_is_cut() -> None:
    with pytest.raises(NotSupported) as caught:
        parse_address("x" * 100_000 + "://h")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "address",
    ["", "h", "h:1", "ws:/h", "ws:h", "//h", "://h", "1ws://h", "w s://h", "+ws://h", "wś://h", "w_s://h", "w\0s://h"],
)
def test_no_scheme_or_none_that_could_be_one_is_bad_input(address: str) -> None:
    with pytest.raises(InputError, match=r"needs a scheme such as wss://"):
        parse_address(address)


@pytest.mark.parametrize("address", ["u:SECRET@h", "u:SECRET@x://h", "h/p?key=SECRET", "a b/?k=SECRET://h"])
def test_bad_input_tells_no_secret(address: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(address)
    assert "SECRET" not in str(caught.value)


def test_what_is_not_ascii_goes_out_percent_encoded_and_the_rest_as_it_was() -> None:
    address = parse_address("wss://bücher.example/ws/é@trade?q=中&r=%20[]{}|\\^`\"<>'~#no")
    assert address.host == "xn--bcher-kva.example"
    assert address.target == "/ws/%C3%A9@trade?q=%E4%B8%AD&r=%20[]{}|\\^`\"<>'~"


@pytest.mark.parametrize(
    "address", ["ws://h/\ud800", "ws://h\ud800/", "tcp://h:1\0", "unix:///a\0b", "sqlite3:///a\0b"]
)
def test_what_no_system_takes_is_bad_input(address: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(address)
    str(caught.value).encode()  # it can be written to a journal
