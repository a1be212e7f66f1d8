"""Replies that belong to another request, as after a mix-up of connections: never believed."""

from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.exchange.venue import Venue
from tests.helpers.venue_replies import intent, make_binance, make_okx, reply_of
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
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        binance.cancel("BTCUSDT,6")
    binance.cancel("BTCUSDT,5")
    okx, _, _ = make_okx({"POST /api/v5/trade/cancel-order": placed_at_okx("")})
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        okx.cancel("BTC-USDT,6")
    okx.cancel("BTC-USDT,5")


def test_a_cancelled_list_holds_the_order() -> None:
    reply = {"orderListId": 1, "orders": [{"orderId": 5}, {"orderId": 6}]}
    venue, _, _ = make_binance({f"DELETE {BINANCE}": reply})
    venue.cancel("BTCUSDT,6")
    with pytest.raises(errors.OutcomeUnknown, match="order 7 is not in it"):
        venue.cancel("BTCUSDT,7")


# -- refusals

FUNDS, ENDED = ("51008", "Order failed. Insufficient USDT balance in account"), ("51400", "Cancellation failed")
CANCEL = "/api/v5/trade/cancel-order"
AMEND = "/api/v5/trade/amend-order"


def refused_at_okx(of: tuple[str, str], **ids: Any) -> dict[str, Any]:
    """A refusal as OKX sends it: the code and the ids of the order are in its row."""
    return {"code": "1", "msg": "All operations failed", "data": [{**ids, "sCode": of[0], "sMsg": of[1]}]}


@pytest.mark.parametrize("said", ["", "of-another", "fzab", "FZABC"])
def test_the_refusal_of_another_order_leaves_a_placement_unknown(said: str) -> None:
    venue, http, _ = make_okx({f"POST {OKX}": refused_at_okx(FUNDS, ordId="", clOrdId=said)})
    with pytest.raises(
        errors.OutcomeUnknown, match=r"about another order: clOrdId .*Insufficient USDT balance"
    ) as caught:
        venue.place(intent())
    assert caught.value.client_order_id == "fzabc"
    assert http.paths().count(f"POST {OKX}") == 1


@pytest.mark.parametrize("ids", [{"clOrdId": "fzabc", "ordId": ""}, {"ordId": ""}, {}])
def test_a_refusal_of_this_order_is_believed(ids: dict[str, Any]) -> None:
    with pytest.raises(errors.InsufficientFunds, match="51008"):
        make_okx({f"POST {OKX}": refused_at_okx(FUNDS, **ids)})[0].place(intent())


@pytest.mark.parametrize(
    "reply",
    [
        {"code": "51603", "msg": "Order does not exist", "data": []},
        {"code": "50014", "msg": "Parameter sz can not be empty", "data": {}},
        {"code": "50014", "msg": "Parameter sz can not be empty"},
        reply_of({"code": "51000", "msg": "Parameter sz error", "data": ["x"]}, 400),
        reply_of("<html>", 403),
        reply_of("", 403),
        reply_of("[]", 403),
    ],
)
def test_a_refusal_that_names_no_order_is_believed(reply: Any) -> None:
    with pytest.raises(errors.VenueRejected):
        make_okx({f"POST {OKX}": reply})[0].place(intent())


def test_a_refused_cancel_of_another_order_leaves_a_cancel_unknown() -> None:
    venue, _, _ = make_okx({f"POST {CANCEL}": refused_at_okx(ENDED, ordId="7", clOrdId="")})
    with pytest.raises(errors.OutcomeUnknown, match="about another order: ordId is '7', sent was '5'"):
        venue.cancel("BTC-USDT,5")
    for ids in ({"ordId": "5"}, {"ordId": ""}, {}):
        with pytest.raises(errors.OrderNotFound):
            make_okx({f"POST {CANCEL}": refused_at_okx(ENDED, clOrdId="", **ids)})[0].cancel("BTC-USDT,5")


def test_a_refusal_of_another_order_does_not_end_a_look_up() -> None:
    missing = ("51603", "Order does not exist")
    venue, _, _ = make_okx({f"GET {OKX}": refused_at_okx(missing, ordId="", clOrdId="of-another")})
    with pytest.raises(errors.BadReply, match="about another order"):
        venue.order_by_client_id("BTC_USDT", "fzabc")


def test_a_rate_limit_that_another_order_met_is_kept_all_the_same() -> None:
    venue, http, _ = make_okx({f"POST {OKX}": refused_at_okx(("50061", "Too many orders"), clOrdId="of-another")})
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        venue.place(intent())
    with pytest.raises(errors.RateLimited):
        venue.place(intent(client_order_id="fznext"))
    assert http.paths().count(f"POST {OKX}") == 1


def test_binance_s_refusals_name_no_order() -> None:
    """Its error payload has a code and a text; an id, should one come, is checked like that of an accepted order."""
    refusal = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    with pytest.raises(errors.InsufficientFunds):
        make_binance({f"POST {BINANCE}": reply_of(refusal, 400)})[0].place(intent())
    with pytest.raises(errors.InsufficientFunds):
        make_binance({f"POST {BINANCE}": reply_of({**refusal, "clientOrderId": "fzabc"}, 400)})[0].place(intent())
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        make_binance({f"POST {BINANCE}": reply_of({**refusal, "clientOrderId": "other"}, 400)})[0].place(intent())
    with pytest.raises(errors.OutcomeUnknown, match="about another order"):
        make_binance({f"DELETE {BINANCE}": reply_of({"code": -2011, "msg": "Unknown order sent.", "orderId": 7}, 400)})[
            0
        ].cancel("BTCUSDT,5")


@pytest.mark.parametrize("path", [CANCEL, AMEND])
def test_raw_calls_about_one_order(path: str) -> None:
    by_number, by_own_id = "instId=BTC-USDT&ordId=5&clOrdId=mine", "instId=BTC-USDT&clOrdId=mine"
    for reply in (ok({"ordId": "6", "sCode": "0"}), refused_at_okx(ENDED, ordId="6", clOrdId="mine")):
        with pytest.raises(errors.OutcomeUnknown, match="about another order: ordId"):
            make_okx({f"POST {path}": reply})[0].request("POST", path, by_number)
    for reply in (ok({"ordId": "6", "clOrdId": "other", "sCode": "0"}), refused_at_okx(ENDED, clOrdId="other")):
        with pytest.raises(errors.OutcomeUnknown, match="about another order: clOrdId"):
            make_okx({f"POST {path}": reply})[0].request("POST", path, by_own_id)
    own = ok({"ordId": "5", "clOrdId": "mine", "sCode": "0"})
    for params in (by_number, by_own_id):
        assert make_okx({f"POST {path}": own})[0].request("POST", path, params)["code"] == "0"


def test_a_raw_algo_order_whose_reply_leaves_its_id_empty() -> None:
    """OKX's page "Place algo order": the reply repeats ``algoClOrdId``; ``clOrdId`` is empty there."""
    path = "/api/v5/trade/order-algo"
    reply = ok({"algoId": "9", "clOrdId": "", "algoClOrdId": "", "sCode": "0", "sMsg": ""})
    venue, _, _ = make_okx({f"POST {path}": reply})
    assert venue.request("POST", path, "instId=BTC-USDT&clOrdId=mine")["data"][0]["algoId"] == "9"
