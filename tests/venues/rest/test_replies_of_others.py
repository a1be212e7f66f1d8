"""Replies that belong to another request, as after a mix-up of connections: never believed."""

from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.exchange.venue import Venue
from tests.helpers.venue_replies import intent, make_binance, make_okx
from tests.venues.binance.test_dialect import ORDER as BINANCE_ORDER
from tests.venues.okx.test_dialect import ORDER as OKX_ORDER

BINANCE = "/api/v3/order"
OKX = "/api/v5/trade/order"


def ok(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


def placed_at_okx(client_order_id: str) -> dict[str, Any]:
    return ok({"ordId": "5", "clOrdId": client_order_id, "sCode": "0", "sMsg": ""})


def placing(venue: str, client_order_id: str) -> Venue:
    if venue == "OKX":
        return make_okx({f"POST {OKX}": placed_at_okx(client_order_id)})[0]
    return make_binance({f"POST {BINANCE}": {"symbol": "BTCUSDT", "orderId": 5, "clientOrderId": client_order_id}})[0]


@pytest.mark.parametrize("venue", ["Binance", "OKX"])
@pytest.mark.parametrize("said", ["", "of-another", "fzab", "FZABC"])
def test_a_placement_that_repeats_another_id_has_an_unknown_outcome(venue: str, said: str) -> None:
    with pytest.raises(errors.OutcomeUnknown, match="about another order") as caught:
        placing(venue, said).place(intent())
    assert caught.value.client_order_id == "fzabc"
    assert placing(venue, "fzabc").place(intent()).endswith(",5")


@pytest.mark.parametrize("said", ["of-another", ""])
def test_a_raw_placement_that_repeats_another_id_has_an_unknown_outcome(said: str) -> None:
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        placing("Binance", said).request("POST", BINANCE, "symbol=BTCUSDT&newClientOrderId=mine")
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        placing("OKX", said).request("POST", OKX, "instId=BTC-USDT&clOrdId=mine")
    assert placing("Binance", "mine").request("POST", BINANCE, "symbol=BTCUSDT&newClientOrderId=mine")["orderId"] == 5


@pytest.mark.parametrize(
    ("venue", "order_id"),
    [
        (make_binance({f"GET {BINANCE}": BINANCE_ORDER})[0], "BTCUSDT,78"),
        (make_okx({f"GET {OKX}": ok(OKX_ORDER)})[0], "BTC-USDT,900002"),
    ],
)
def test_an_order_that_was_not_asked_for_is_no_answer(venue: Venue, order_id: str) -> None:
    with pytest.raises(errors.BadReply, match="about another order"):
        venue.order(order_id)
    with pytest.raises(errors.BadReply, match="about another order"):
        venue.order_by_client_id("BTC_USDT", "cid2")
    assert venue.order_by_client_id("BTC_USDT", "cid1").Amount == 0.5


def test_a_cancellation_of_another_order_is_no_answer() -> None:
    binance, _, _ = make_binance({f"DELETE {BINANCE}": {"symbol": "BTCUSDT", "orderId": 5}})
    with pytest.raises(errors.BadReply, match="about another order"):
        binance.cancel("BTCUSDT,6")
    binance.cancel("BTCUSDT,5")
    okx, _, _ = make_okx({"POST /api/v5/trade/cancel-order": placed_at_okx("")})
    with pytest.raises(errors.BadReply, match="about another order"):
        okx.cancel("BTC-USDT,6")
    okx.cancel("BTC-USDT,5")


def test_a_cancelled_list_holds_the_order() -> None:
    reply = {"orderListId": 1, "orders": [{"orderId": 5}, {"orderId": 6}]}
    venue, _, _ = make_binance({f"DELETE {BINANCE}": reply})
    venue.cancel("BTCUSDT,6")
    with pytest.raises(errors.BadReply, match="order 7 is not in it"):
        venue.cancel("BTCUSDT,7")
