from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from tenacity import wait_fixed

from fmzthreads.errors import InputError, NotSupported, UnknownName
from fmzthreads.streams.address import NOT_SUPPORTED
from fmzthreads.streams.options import read_options

URL = "wss://stream.example.com:9443/ws/btcusdt@trade?key=SECRET"


@pytest.mark.parametrize("bar", ["|", "||"])
def test_options_behind_a_bar(bar: str) -> None:
    address, options = read_options(
        f"{URL}{bar}compress=gzip&mode=dual&reconnect=true&interval=2500&retry=3&qsize=10&qbytes=999"
    )
    assert address.url == URL
    assert (options.compress, options.mode, options.reconnect) == ("gzip", "dual", True)
    assert (options.interval_s, options.retry, options.qsize, options.qbytes) == (2.5, 3, 10, 999)


@pytest.mark.parametrize(
    "payload",
    [
        '{"op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"}]}',
        '{"a":"b=c&reconnect=false&d|e||f"}',
        '["x&qsize=1", 2]',
        "plain=text&with=equals==",
        "base64+/==",
        "{not json & really",
        "a||b|c",
    ],
)
@pytest.mark.parametrize("bar", ["|", "||"])
def test_a_payload_may_hold_anything(payload: str, bar: str) -> None:
    for text in (f"payload={payload}&reconnect=true", f"reconnect=true&payload={payload}"):
        _, options = read_options(f"{URL}{bar}{text}")
        assert options.payload == (payload,)
        assert options.reconnect


def test_an_address_with_a_bar_takes_the_double_bar() -> None:
    address, options = read_options("ws://h:1/p?x=a|b||reconnect=true")
    assert address.target == "/p?x=a|b"
    assert options.reconnect


def test_address_over_keywords_over_dict() -> None:
    _, options = read_options(f"{URL}|qsize=1", {"qsize": 3, "interval": 3, "retry": 3}, {"qsize": 2, "interval": 2})
    assert (options.qsize, options.interval_s, options.retry) == (1, 0.002, 3)


def test_options_as_json_text() -> None:
    _, options = read_options(
        URL, json.dumps({"reconnect": True, "headers": {"X-Key": "v"}, "payload": {"op": "login"}})
    )
    assert options.reconnect
    assert options.headers == {"X-Key": "v"}
    assert options.payload == ('{"op": "login"}',)


@pytest.mark.parametrize(("number", "seconds"), [(60, 60), (300, 300), (0.5, 0.5), (301, 0.301), (30000, 30)])
def test_a_number_is_seconds_up_to_300_and_milliseconds_above(number: float, seconds: float) -> None:
    assert read_options(URL, number)[1].connect_timeout_s == pytest.approx(seconds)


def test_defaults() -> None:
    _, options = read_options(URL)
    assert (options.connect_timeout_s, options.qsize, options.qbytes) == (30, 4096, 16777216)
    assert (options.reconnect, options.insecure, options.deflate, options.overflow) == (
        False,
        False,
        False,
        "drop_oldest",
    )
    assert (options.ping_interval_s, options.silence_s, options.max_message) == (0, 0, 64 << 20)


def test_okx_heartbeats_bring_their_own_ping() -> None:
    _, options = read_options(URL, {"on_ping": "okx"})
    assert (options.ping_interval_s, options.ping_message, options.ping_text) == (20, "ping", True)


def test_backoff_is_a_tenacity_wait() -> None:
    assert read_options(URL, {"backoff": wait_fixed(3)})[1].backoff.wait_fixed == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("address", "second", "shown"),
    [
        ("stream.example.com", None, "scheme"),
        ("wss://", None, "host"),
        ("ws://h:99999/", None, "h:99999"),
        ("ws://h:abc/", None, "h:abc"),
        ("tcp://h", None, "port"),
        ("tcp://h:1/path", None, "/path"),
        ("unix://", None, "path"),
        ("ws://u:p@h/", None, "user name"),
        ("ws://h/a b", None, "blank"),
        ("ws://h|recconect=true", None, "'recconect'; did you mean 'reconnect'"),
        ("ws://h|reconnect", None, "no value"),
        ("ws://h|qsize=1&qsize=2", None, "twice"),
        ("ws://h|reconnect=perhaps", None, "'perhaps'"),
        ("ws://h", {"qsize": 0}, "qsize"),
        ("ws://h", {"qsize": 1.5}, "whole"),
        ("ws://h", {"qbytes": "many"}, "'many'"),
        ("ws://h", {"interval": -1}, "interval"),
        ("ws://h", {"interval": float("nan")}, "interval"),
        ("ws://h", {"compress": "lzma"}, "'lzma'"),
        ("ws://h", {"mode": "both"}, "recv, send, dual"),
        ("ws://h", {"overflow": "drop"}, "drop_oldest, block, error"),
        ("ws://h", {"payload": 5}, "payload"),
        ("ws://h", {"headers": "X: y"}, "headers"),
        ("ws://h", {"headers": {"X": "a\r\nY: b"}}, "line break"),
        ("ws://h", {"headers": {"X Y": "a"}}, "'X Y'"),
        ("ws://h", {"headers": {"Sec-WebSocket-Extensions": "a"}}, "handshake"),
        ("ws://h", {"pingType": "binary"}, "control, text"),
        ("ws://h", {"pingType": "text", "pingInterval": 5}, "pingMessage"),
        ("ws://h", {"silence_data": "("}, "regular expression"),
        ("ws://h", {"on_ping": "okkx"}, "'okx'"),
        ("ws://h", {"on_ping": [("a",)]}, "pairs"),
        ("ws://h", {"on_ping": {"(": "x"}}, "regular expression"),
        ("ws://h", {"on_connect": "x"}, "function"),
        ("ws://h", {"backoff": 5}, "tenacity"),
        ("ws://h", "not json", "JSON"),
        ("ws://h", 0, "above 0"),
        ("ws://h", -5, "above 0"),
        ("ws://h", True, "bool"),
        ("ws://h", [1], "list"),
        ("tcp://h:1", {"enableCompression": True}, "enableCompression"),
        ("tcp://h:1", {"headers": {"a": "b"}}, "headers"),
        ("tcp://h:1", {"compress": "gzip"}, "compress"),
        ("udp://h:1", {"proxy": "socks5://a:1"}, "proxy"),
        ("tcp://h:1", {"pingInterval": 5}, "ping"),
        (5, None, "int"),
    ],
)
def test_bad_input_shows_the_part(address: str, second: object, shown: str) -> None:
    with pytest.raises(InputError, match=re.escape(shown)):
        read_options(address, second)


def test_unknown_names_are_their_own_error() -> None:
    with pytest.raises(UnknownName, match="pingInterval"):
        read_options(URL, {"pingintervall": 5})


@pytest.mark.parametrize("scheme", NOT_SUPPORTED)
def test_other_schemes_of_fmz_are_named(scheme: str) -> None:
    with pytest.raises(NotSupported, match=re.escape(scheme)) as caught:
        read_options(f"{scheme}://user:secret@h:1/?queue=q")
    assert "kafka" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_secret_is_shown() -> None:
    listen_key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
    address, options = read_options(
        f"wss://h/ws/{listen_key}?sig=SECRET1",
        {"payload": "SECRET2", "headers": {"X": "SECRET3"}, "proxy": "http://u:SECRET4@p:1", "pingMessage": "SECRET5"},
    )
    shown = f"{address!r} {address.shown} {options!r}"
    assert "SECRET" not in shown
    assert listen_key not in shown
    assert listen_key in address.url


@pytest.mark.parametrize("number", [Decimal(7), Fraction(7), 7.0, "7"])
def test_numbers_of_every_kind_count(number: object) -> None:
    _, options = read_options("wss://x.example", {"pingInterval": number, "qsize": number})
    assert (options.ping_interval_s, options.qsize) == (0.007, 7)


@pytest.mark.parametrize("value", [True, None, [1], float("nan"), "seven"])
def test_what_is_no_number_is_refused_by_name(value: object) -> None:
    if value is None:  # as if it were not given
        assert read_options("wss://x.example", {"qsize": value})[1].qsize == 4096
        return
    with pytest.raises(InputError, match="the Dial option qsize"):
        read_options("wss://x.example", {"qsize": value})


@pytest.mark.parametrize("number", [Decimal(60), Fraction(60, 1), 60000])
def test_the_time_out_may_be_any_number(number: object) -> None:
    assert read_options("wss://x.example", number)[1].connect_timeout_s == 60
