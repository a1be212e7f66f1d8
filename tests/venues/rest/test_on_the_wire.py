"""The adapters with their real HTTP client, one exchange of messages at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import responses

from fmzthreads import errors
from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.exchange.keys.signing import hmac_base64, hmac_hex
from fmzthreads.http.client import HttpOptions, RetryPolicy
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.okx.venue import OKX
from tests.helpers.last_reply import last_text
from tests.helpers.venue_replies import BINANCE_INFO, KEYS, OKX_INSTRUMENTS, OKX_PLACED, intent
from tests.venues.okx.test_dialect import ORDER as OKX_ORDER

BINANCE = "https://api.binance.com/api/v3"
OKX_BASE = "https://openapi.okx.com/api/v5"
QUICK = HttpOptions(trust_env=False, retry=RetryPolicy(retries=2, first_delay_s=0.001))


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    now_ms = int(WallClock().now() * 1000)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BINANCE}/exchangeInfo", json=BINANCE_INFO)
        mock.get(f"{BINANCE}/time", json={"serverTime": now_ms})
        mock.get(f"{OKX_BASE}/public/instruments", json=OKX_INSTRUMENTS)
        mock.get(f"{OKX_BASE}/public/time", json={"code": "0", "msg": "", "data": [{"ts": str(now_ms)}]})
        yield mock


@pytest.fixture
def binance() -> Iterator[Binance]:
    venue = Binance(credentials=KEYS, options=QUICK)
    yield venue
    venue.close()


@pytest.fixture
def okx() -> Iterator[OKX]:
    venue = OKX(credentials=KEYS, options=QUICK)
    yield venue
    venue.close()


def test_a_binance_order_on_the_wire(web: responses.RequestsMock, binance: Binance) -> None:
    web.post(f"{BINANCE}/order", json={"symbol": "BTCUSDT", "orderId": 28})
    assert binance.place(intent()) == "BTCUSDT,28"
    sent = web.calls[-1].request
    body = sent.body.decode() if isinstance(sent.body, bytes) else str(sent.body)
    signed, _, signature = body.rpartition("&signature=")
    assert hmac_hex(KEYS.secret_key, signed) == signature
    form = dict(parse_qsl(body))
    assert (form["symbol"], form["price"], form["quantity"], form["recvWindow"]) == (
        "BTCUSDT",
        "60000.1",
        "0.0005",
        "5000",
    )
    assert sent.headers["X-MBX-APIKEY"] == KEYS.access_key
    assert "?" not in str(sent.url)
    assert last_text(binance) == '{"symbol": "BTCUSDT", "orderId": 28}'


def test_an_okx_order_on_the_wire(web: responses.RequestsMock, okx: OKX) -> None:
    web.post(f"{OKX_BASE}/trade/order", json=OKX_PLACED)
    assert okx.place(intent()) == "BTC-USDT,900001"
    sent = web.calls[-1].request
    body = sent.body.decode() if isinstance(sent.body, bytes) else str(sent.body)
    prehash = f"{sent.headers['OK-ACCESS-TIMESTAMP']}POST/api/v5/trade/order{body}"
    assert sent.headers["OK-ACCESS-SIGN"] == hmac_base64(KEYS.secret_key, prehash)
    assert json.loads(body) == {
        "instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "60000.1", "sz": "0.0005", "clOrdId": "fzabc",
    }  # fmt: skip


def test_reads_are_repeated(web: responses.RequestsMock, binance: Binance) -> None:
    web.get(f"{BINANCE}/depth", status=503, body="busy")
    web.get(f"{BINANCE}/depth", body=ConnectionError("gone"))
    web.get(f"{BINANCE}/depth", json={"lastUpdateId": 1, "bids": [], "asks": []})
    assert binance.depth("BTC_USDT").Asks == []


def test_a_signed_read_is_signed_afresh_at_each_attempt(web: responses.RequestsMock, okx: OKX) -> None:
    web.get(f"{OKX_BASE}/trade/order", status=503, json={"code": "50001", "msg": "busy"})
    web.get(f"{OKX_BASE}/trade/order", json={"code": "0", "msg": "", "data": [OKX_ORDER]})
    assert okx.order("BTC-USDT,900001").Id == "BTC-USDT,900001"
    first, second = (call.request.headers for call in list(web.calls)[-2:])
    for headers in (first, second):
        prehash = f"{headers['OK-ACCESS-TIMESTAMP']}GET/api/v5/trade/order?instId=BTC-USDT&ordId=900001"
        assert headers["OK-ACCESS-SIGN"] == hmac_base64(KEYS.secret_key, prehash)


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 502, "body": "<html>bad gateway</html>"},
        {"body": ConnectionError("gone")},
        {"body": '{"symbol":"BTCU'},
        {"json": {"code": -1007, "msg": "Timeout waiting for response from backend server."}, "status": 504},
    ],
    ids=["502", "lost", "cut", "-1007"],
)
def test_an_order_is_sent_once_whatever_happens(
    web: responses.RequestsMock, binance: Binance, trouble: dict[str, Any]
) -> None:
    web.post(f"{BINANCE}/order", **trouble)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        binance.place(intent())
    assert caught.value.client_order_id == "fzabc"
    assert caught.value.request == "POST https://api.binance.com/api/v3/order"
    assert len([call for call in web.calls if call.request.method == "POST"]) == 1


def test_a_cancel_is_sent_once_too(web: responses.RequestsMock, binance: Binance) -> None:
    web.delete(f"{BINANCE}/order", status=503, body="busy")
    with pytest.raises(errors.OutcomeUnknown, match="busy"):
        binance.cancel("BTCUSDT,28")
    assert len([call for call in web.calls if call.request.method == "DELETE"]) == 1


def test_the_reported_weight_is_read(web: responses.RequestsMock) -> None:
    clock = ManualClock(1_700_000_010)  # in the middle of a minute
    web.get(
        f"{BINANCE}/depth", json={"lastUpdateId": 1, "bids": [], "asks": []}, headers={"x-mbx-used-weight-1m": "321"}
    )
    venue = Binance(credentials=KEYS, options=QUICK, clock=clock)
    venue.depth("BTC_USDT")
    assert venue.limits.used(clock.now()) == 321
    venue.close()


def test_settings_reach_the_client(binance: Binance) -> None:
    binance.set_base("http://127.0.0.1:1/")
    assert binance.base() == "http://127.0.0.1:1"
    binance.set_base("")
    assert binance.base() == "https://api.binance.com"
    for bad in ("ftp://x", "127.0.0.1:80", "https://x/?a=b"):
        with pytest.raises(errors.InputError):
            binance.set_base(bad)
    with pytest.raises(errors.InputError):
        binance.set_timeout(0)
    with pytest.raises(errors.InputError):
        binance.set_proxy("carrier-pigeon://x")
    binance.set_timeout(1500)
    binance.set_proxy("")
