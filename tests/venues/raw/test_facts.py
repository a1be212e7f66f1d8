"""Facts of the raw venues: which paths of HTX are public, and which errors leave open what was done."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.errors import FmzError, VenueRejected, VenueUnavailable
from fmzthreads.http.reply import Headers, Reply
from fmzthreads.venues.raw.bitfinex import Bitfinex, BitfinexProtocol
from fmzthreads.venues.raw.htx import HTX, HtxProtocol
from fmzthreads.venues.raw.protocol import RawProtocol

PUBLIC = (
    "/market/depth", "/market/detail/merged", "/v1/common/symbols", "/v2/settings/common/symbols", "/v2/reference/currencies",
    "/v2/market-status", "/v2/etp/reference", "/heartbeat/", "/api/v1/contract_contract_info", "/api/v3/contract_liquidation_orders",
    "/swap-api/v1/swap_funding_rate", "/linear-swap-api/v1/swap_contract_info", "/linear-swap-api/v3/swap_liquidation_orders",
    "/linear-swap-ex/market/depth", "/v2/linear-swap-ex/market/detail/batch_merged", "/v2/market/detail/batch_merged",
    "/index/market/history/linear_swap_basis", "/v5/market/funding_rate",
)  # fmt: skip
PRIVATE = (
    "/v1/account/accounts", "/v1/order/openOrders", "/v2/reference/transact-fee-rate", "/v2/user/uid", "/v5/account/balance",
    "/v5/trade/order/opens", "/v5/market/risk/limit", "/v5/market/multi_assets_margin", "/api/v1/contract_sub_auth_list",
    "/api/v1/contract_api_trading_status", "/swap-api/v1/swap_api_trading_status", "/linear-swap-api/v1/swap_sub_auth_list",
    "/linear-swap-api/v3/unified_account_info", "/api/v6/copyTrading/trader/statistics",
)  # fmt: skip


def test_the_public_paths_of_htx() -> None:
    protocol = HtxProtocol()
    assert [path for path in PUBLIC if protocol.is_signed("GET", path)] == []
    assert [path for path in PRIVATE if not protocol.is_signed("GET", path)] == []
    assert [path for path in PUBLIC if not protocol.is_signed("POST", path)] == []


def error_of(protocol: RawProtocol, status: int, body: bytes) -> FmzError:
    with pytest.raises(FmzError) as caught:
        protocol.payload(Reply(status, Headers(()), body, "POST /order"), lambda: 0.0)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "status", "body", "expected"),
    [
        # bitfinexcom/bitfinex-api-py, issue 168: a refused order has the status 500
        (BitfinexProtocol, 500, b'["error",10001,"Invalid order: not enough exchange balance for 1 ETHBTC at 2"]', VenueRejected),
        (BitfinexProtocol, 500, b'["error",10000,"unknown error"]', VenueUnavailable),
        (BitfinexProtocol, 500, b"<html>Internal Server Error</html>", VenueUnavailable),
        (BitfinexProtocol, 200, b'{"code":503,"error":"temporarily_unavailable","error_description":"Sorry"}', VenueUnavailable),
        (HtxProtocol, 200, b'{"status":"error","err-code":"gateway-internal-error","err-msg":"System is busy"}', VenueUnavailable),
        (HtxProtocol, 200, b'{"status":"error","err_code":1000,"err_msg":"System busy. Please try again later."}', VenueUnavailable),
        (HtxProtocol, 200, b'{"status":"error","err_code":1030,"err_msg":"Abnormal input"}', VenueRejected),
        (HtxProtocol, 200, b'{"status":"error","err-code":"order-accountbalance-error","err-msg":"no"}', VenueRejected),
    ],
)  # fmt: skip
def test_which_errors_leave_open_what_was_done(kind: Any, status: int, body: bytes, expected: type[FmzError]) -> None:
    protocol = kind()
    protocol.name = (Bitfinex if kind is BitfinexProtocol else HTX).name
    assert type(error_of(protocol, status, body)) is expected
