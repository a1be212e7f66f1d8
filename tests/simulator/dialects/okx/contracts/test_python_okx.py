"""OKX's own SDK for Python, unmodified, against the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.okx_contracts import LINEAR, OkxContracts

account_api: Any = pytest.importorskip("okx.Account")
trade_api: Any = pytest.importorskip("okx.Trade")
public_api: Any = pytest.importorskip("okx.PublicData")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the SDK's own calls

SWAP = "BTC-USDT-SWAP"


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[OkxContracts]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with OkxContracts() as running:
        yield running


@pytest.fixture
def keys(venue: OkxContracts) -> dict[str, Any]:
    return {
        "api_key": venue.key, "api_secret_key": venue.secret, "passphrase": venue.passphrase, "flag": "0", "domain": venue.base_url,
    }  # fmt: skip


def rows(reply: dict[str, Any]) -> list[dict[str, Any]]:
    assert reply["code"] == "0", reply
    found: list[dict[str, Any]] = reply["data"]
    return found


def test_a_position_and_a_stop(venue: OkxContracts, keys: dict[str, Any]) -> None:
    account, trade = account_api.AccountAPI(**keys), trade_api.TradeAPI(**keys)
    public = public_api.PublicAPI(flag="0", domain=venue.base_url)
    try:
        assert rows(public.get_instruments(instType="SWAP"))[0]["ctVal"] == "0.01"
        assert rows(public.get_mark_price(instType="SWAP", instId=SWAP))[0]["markPx"] == "50000"
        assert rows(account.get_account_config())[0]["acctLv"] == "2"
        assert rows(account.set_leverage(lever="10", mgnMode="cross", instId=SWAP))[0]["lever"] == "10"
        venue.rest(LINEAR, "sell", "50000", "10")
        placed = rows(
            trade.place_order(instId=SWAP, tdMode="cross", side="buy", ordType="market", sz="10", clOrdId="sdk1")
        )[0]
        assert placed["sCode"] == "0", placed
        assert rows(trade.get_order(instId=SWAP, clOrdId="sdk1"))[0]["state"] == "filled"
        assert rows(account.get_positions(instType="SWAP"))[0]["pos"] == "10"
        stop = rows(
            trade.place_algo_order(
                instId=SWAP, tdMode="cross", side="sell", ordType="conditional", sz="10", slTriggerPx="49000", slOrdPx="-1", reduceOnly="true"
            )
        )[0]  # fmt: skip
        assert rows(trade.order_algos_list(ordType="conditional"))[0]["algoId"] == stop["algoId"]
        assert rows(trade.cancel_algo_order([{"instId": SWAP, "algoId": stop["algoId"]}]))[0]["sCode"] == "0"
        assert rows(trade.close_positions(instId=SWAP, mgnMode="cross"))[0]["instId"] == SWAP
        venue.rest(LINEAR, "buy", "50000", "10")
        assert rows(account.get_positions(instType="SWAP")) == []
        venue.exchange.contracts.set_funding(LINEAR, Decimal("0.0001"))
        assert rows(public.get_funding_rate(instId=SWAP))[0]["fundingRate"] == "0.0001"
        assert {row["type"] for row in rows(account.get_account_bills())} == {"2"}
    finally:
        for client in (account, trade, public):
            client.close()
