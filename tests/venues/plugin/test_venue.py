"""The strategy's side of the general protocol: what is sent, what is read, and what becomes of errors and of peers that lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import Exchange, constants, errors
from fmzthreads.clock import ManualClock
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.venue import OrderIntent, Venue
from fmzthreads.http.client import HttpOptions, RetryPolicy
from fmzthreads.venues.plugin.venue import PluginVenue
from tests.helpers.plugin_peers import Peer, http, peer

KEYS = Credentials(access_key="the-access-key", secret_key="the-secret-key")
QUICK = HttpOptions(retry=RetryPolicy(retries=0))
SYMBOL = "BTC_USDT"
ORDER = {
    "id": 881,
    "amount": "0.5",
    "price": 42000.5,
    "deal_amount": "0.2",
    "status": "open",
    "type": "buy",
    "avg_price": 0,
}


def venue_at(url: str, **options: Any) -> PluginVenue:
    venue = PluginVenue(credentials=KEYS, base=url, options=options.pop("options", QUICK), **options)
    _made.append(venue)
    return venue


_made: list[PluginVenue] = []


@pytest.fixture(autouse=True)
def _close_what_was_made() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def data(value: Any, **more: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda _: http({"data": value, **more})


def intent(**changes: Any) -> OrderIntent:
    fields: dict[str, Any] = {
        "symbol": SYMBOL, "side": "buy", "price": Decimal("42000.5"), "amount": Decimal("0.00000001"), "client_order_id": "fz" + "a" * 20,
    }  # fmt: skip
    return OrderIntent(**{**fields, **changes})


CALLS: dict[str, Callable[[PluginVenue], Any]] = {
    "ticker": lambda venue: venue.ticker(SYMBOL),
    "depth": lambda venue: venue.depth(SYMBOL),
    "trades": lambda venue: venue.trades(SYMBOL),
    "records": lambda venue: venue.records(SYMBOL, 300),
    "accounts": lambda venue: venue.account(SYMBOL),
    "order": lambda venue: venue.order("BTC_USDT,881"),
    "orders": lambda venue: venue.orders(SYMBOL),
}


def test_a_call_is_one_post_to_the_service_address_with_keys_and_a_nonce_in_nanoseconds() -> None:
    with peer(data({"last": 1})) as other:
        venue = venue_at(other.url + "/", clock=None)
        venue.ticker("btc-perp")
        venue.ticker("btc-perp")
        (line, first), (_, second) = other.seen
        assert line == "POST /exchange HTTP/1.1"
        assert first == {
            "access_key": "the-access-key", "secret_key": "the-secret-key", "nonce": first["nonce"], "method": "ticker",
            "params": {"symbol": "btc-perp"},
        }  # fmt: skip
        assert len(str(first["nonce"])) == 19
        assert second["nonce"] > first["nonce"]
        assert isinstance(venue, Venue)
        venue.close()


def test_the_nonce_grows_while_the_clock_stands() -> None:
    with peer(data({"last": 1})) as other:
        venue = venue_at(other.url, clock=ManualClock(start=1_700_000_000.0))
        for _ in range(3):
            venue.ticker(SYMBOL)
        assert [body["nonce"] - 1_700_000_000 * 10**9 for _, body in other.seen] == [0, 1, 2]
        venue.close()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"time": 1_700_000_000_000, "buy": "1", "sell": 2, "last": "1.5", "high": 3, "low": 0.5, "vol": "7"},
            {
                "Buy": 1.0,
                "Sell": 2.0,
                "Last": 1.5,
                "High": 3.0,
                "Low": 0.5,
                "Open": 1.5,
                "Volume": 7.0,
                "Time": 1_700_000_000_000,
            },
        ),
        (
            {"time": 1_700_000_000, "buy": 1, "sell": 2, "last": 1.5},
            {"High": 2.0, "Low": 1.0, "Open": 1.5, "Volume": 0.0, "Time": 1_700_000_000_000},
        ),
        ({"last": 5}, {"Buy": 5.0, "Sell": 5.0, "High": 5.0, "Low": 5.0}),
    ],
)
def test_a_ticker_is_read_from_numbers_or_text_in_seconds_or_milliseconds(said: Any, expected: dict[str, Any]) -> None:
    with peer(data(said)) as other:
        venue = venue_at(other.url)
        ticker = venue.ticker(SYMBOL)
        assert {name: ticker[name] for name in expected} == expected
        assert ticker.Info == said
        venue.close()


def test_the_raw_reply_is_the_info() -> None:
    with peer(data({"last": 5}, raw={"theirs": {"x": 1}})) as other:
        venue = venue_at(other.url)
        assert venue.ticker(SYMBOL).Info.theirs.x == 1
        assert "theirs" in (venue.last_reply() or pytest.fail("no reply")).text
        venue.close()


def test_books_and_bars_are_sorted_and_cut() -> None:
    replies = {
        "depth": {"asks": [["3", "1"], [2, 1], [4, 0]], "bids": [[0.5, 2], ["1", "2"]]},
        "records": [[1_700_000_300, 1, 2, 1, 2, 5], [1_700_000_000_000, "1", "3", "1", "2", "4"]],
        "trades": [{"id": 2, "time": 1_700_000_001, "price": 1, "amount": 1, "type": "sell"}, {"id": "a", "time": 1_700_000_000, "price": "2", "amount": "1", "type": "buy"}],
    }  # fmt: skip
    with peer(lambda body: http({"data": replies[body["method"]]})) as other:
        venue = venue_at(other.url)
        depth = venue.depth(SYMBOL)
        assert [level.Price for level in depth.Asks] == [2.0, 3.0]
        assert [level.Price for level in depth.Bids] == [1.0, 0.5]
        assert len(venue.depth(SYMBOL, 1).Asks) == 1
        assert [bar.Time for bar in venue.records(SYMBOL, 300)] == [1_700_000_000_000, 1_700_000_300_000]
        assert venue.records(SYMBOL, 300, 1)[0].Time == 1_700_000_300_000
        assert other.calls("records")[0]["params"] == {"symbol": SYMBOL, "period": "5"}
        assert [(trade.Id, trade.Type) for trade in venue.trades(SYMBOL)] == [("a", 0), ("2", 1)]
        venue.close()


def test_the_wallet_is_read_without_regard_to_capitals() -> None:
    wallet = [
        {"currency": "btc", "free": "1", "frozen": 2},
        {"currency": "usdt", "free": 3},
        {"currency": "eth", "free": 0, "frozen": 0},
    ]
    with peer(data(wallet)) as other:
        venue = venue_at(other.url)
        account = venue.account(SYMBOL)
        assert (account.Stocks, account.FrozenStocks, account.Balance, account.FrozenBalance) == (1.0, 2.0, 3.0, 0.0)
        assert [asset.Currency for asset in venue.assets()] == ["BTC", "USDT"]
        assert other.seen[0][1]["params"] == {}
        venue.close()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("open", constants.ORDER_STATE_PENDING), ("pending", constants.ORDER_STATE_PENDING), ("closed", constants.ORDER_STATE_CLOSED),
        ("cancelled", constants.ORDER_STATE_CANCELED), ("CANCELED", constants.ORDER_STATE_CANCELED), ("odd", constants.ORDER_STATE_UNKNOWN),
        (5, constants.ORDER_STATE_UNKNOWN), (None, constants.ORDER_STATE_UNKNOWN),
    ],
)  # fmt: skip
def test_the_words_of_an_order_s_state(word: Any, state: int) -> None:
    with peer(data({**ORDER, "status": word})) as other:
        venue = venue_at(other.url)
        order = venue.order("BTC_USDT,881")
        assert (order.Status, order.Id, order.Amount, order.DealAmount, order.Type) == (
            state,
            "BTC_USDT,881",
            0.5,
            0.2,
            0,
        )
        venue.close()


@pytest.mark.parametrize("number", [881, "881", "a-b,c d"])
def test_an_order_is_sent_as_text_and_its_id_may_have_any_form(number: Any) -> None:
    with peer(lambda body: http({"data": True if body["method"] == "cancel" else {"id": number}})) as other:
        venue = venue_at(other.url)
        placed = venue.place(intent())
        venue.place(intent(price=None, side="sell"))
        venue.cancel(placed)
        limit, market = other.calls("trade")
        assert limit["params"] == {"symbol": SYMBOL, "type": "buy", "price": "42000.5", "amount": "0.00000001"}
        assert (market["params"]["price"], market["params"]["type"]) == ("-1", "sell")
        assert other.calls("cancel")[0]["params"] == {"symbol": SYMBOL, "id": str(number)}
        venue.close()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"side": "closebuy"}, errors.NotSupported),
        ({"options": {"a": "b"}}, errors.InputError),
        ({"time_in_force": "IOC"}, errors.InputError),
        ({"client_order_id": "mine"}, errors.InputError),
    ],
)
def test_what_the_protocol_cannot_say_is_refused_unsent(changes: dict[str, Any], error: type[Exception]) -> None:
    with peer(data({"id": 1})) as other:
        venue = venue_at(other.url)
        with pytest.raises(error, match="nothing was sent"):
            venue.place(intent(**changes))
        with pytest.raises(errors.NotSupported, match="one symbol"):
            venue.orders(None)
        with pytest.raises(errors.NotSupported, match="no client order ids"):
            venue.order_by_client_id(SYMBOL, "x")
        with pytest.raises(errors.NotSupported):
            venue.markets()
        with pytest.raises(errors.InputError, match="no raw body"):
            venue.request("POST", "/x", "", "{}")
        with pytest.raises(errors.InputError, match="cannot repeat"):
            venue.request("POST", "/x?a=1", "a=2")
        assert other.seen == []
        venue.close()


@pytest.mark.parametrize(
    ("reply", "known", "unknown"),
    [
        ({"error": "insufficient balance"}, errors.VenueRejected, False),
        ({"error": {"code": 5}}, errors.VenueRejected, False),
        ({"error": "no", "kind": "InsufficientFunds"}, errors.InsufficientFunds, False),
        ({"error": "the connection was cut", "kind": "VenueUnavailable"}, errors.VenueUnavailable, False),
        ({"error": "slow down", "kind": "RateLimited", "retry_after_s": 0.001}, errors.RateLimited, False),
        ({"error": "no", "kind": "StopRequested"}, errors.VenueRejected, False),
        ({"error": "x", "kind": "OutcomeUnknown"}, errors.OutcomeUnknown, True),
        ({"error": "Post https://x: context deadline exceeded"}, errors.VenueUnavailable, True),
        ({"error": "read: connection reset by peer"}, errors.VenueUnavailable, True),
        ({"error": "unexpected EOF"}, errors.VenueUnavailable, True),
        ({"error": "request timed out"}, errors.VenueUnavailable, True),
        ({"error": "HTTP 502 Bad Gateway"}, errors.VenueUnavailable, True),
    ],
)
def test_an_error_reply_is_a_refusal_unless_it_leaves_the_outcome_open(
    reply: Any, known: type[errors.FmzError], unknown: bool
) -> None:
    with peer(lambda _: http(reply)) as other:
        venue = venue_at(other.url)
        with pytest.raises(known, match="the plugin replied"):
            venue.ticker(SYMBOL)
        with pytest.raises(errors.OutcomeUnknown if unknown else known):
            venue.place(intent())
        assert len(other.calls("trade")) == 1
        venue.close()


NASTY: dict[str, bytes | None] = {
    "html": http("<html><body>502 the-secret-key</body></html>", "500 Internal Server Error"),
    "html 200": http("<html>"),
    "empty": http(""),
    "list": http("[]"),
    "null": http("null"),
    "no data": http("{}"),
    "error null": http('{"error":null}'),
    "data null": http('{"data":null}'),
    "text": http('{"data":"x"}'),
    "number": http('{"data":1}'),
    "nested": http("[" * 100_000),
    "huge": http('{"data":{"id":1e999,"last":1e999,"asks":[[1e999,1]],"bids":[]}}'),
    "long number": http('{"data":{"id":' + "9" * 5000 + ',"last":' + "9" * 5000 + "}}"),
    "nan": http('{"data":{"id":NaN,"last":NaN}}'),
    "wrong types": http('{"data":{"id":true,"last":[],"asks":{},"bids":"x","time":"x","amount":"x"}}'),
    "negative": http('{"data":{"id":-1,"last":-1,"asks":[[-1,1]],"bids":[],"amount":-1,"type":"buy"}}'),
    "far time": http('{"data":{"last":1,"time":1e15,"asks":[],"bids":[],"id":{}}}'),
    "rows": http('{"data":[1,null,"x",{},[1,2]]}'),
    "bad bars": http('{"data":[[1700000000,1,"x",1,1,1]]}'),
    "not utf-8": http(b'{"data":{"id":"\xff\xfe"}}'),
    "cut": http('{"data":{"id":1', length=500),
    "not http": b"hello\r\n\r\n",
    "closed": b"",
    "error page": http({"detail": "x"}, "503 Service Unavailable"),
}  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_a_plugin_that_lies_causes_only_documented_errors(name: str) -> None:
    with peer(lambda _: NASTY[name]) as other:
        venue = venue_at(other.url)
        for call, work in CALLS.items():
            if (call, name) in {("order", "data null"), ("depth", "far time")}:
                continue
            with pytest.raises(errors.OperationFailed) as failed:
                work(venue)
            assert "the-secret-key" not in str(failed.value)
        with pytest.raises(errors.OutcomeUnknown) as caught:
            venue.place(intent())
        assert "the-secret-key" not in str(caught.value)
        with pytest.raises(errors.OutcomeUnknown):
            venue.cancel("BTC_USDT,1")
        assert len(other.calls("trade")) == len(other.calls("cancel")) == 1
        venue.close()


def test_a_plugin_that_hangs_costs_one_deadline_and_no_second_order() -> None:
    with peer(lambda _: None) as other:
        venue = venue_at(other.url, options=HttpOptions(timeout_ms=300))
        with pytest.raises(errors.OutcomeUnknown, match="outcome is unknown"):
            venue.place(intent())
        with pytest.raises(errors.TimedOut):
            venue.ticker(SYMBOL)
        assert len(other.calls("trade")) == 1
        venue.close()


def test_no_plugin_at_the_address_means_that_nothing_was_sent() -> None:
    with peer(data(1)) as other:
        pass
    venue = venue_at(other.url)
    with pytest.raises(errors.ConnectFailed):
        venue.place(intent())
    venue.close()


def test_a_path_without_a_plugin_refuses_an_order() -> None:
    with peer(lambda _: http("not found", "404 Not Found")) as other:
        venue = venue_at(other.url)
        with pytest.raises(errors.VenueRejected, match="HTTP status 404"):
            venue.place(intent())
        venue.close()


def test_a_read_is_repeated_and_a_raw_call_is_not() -> None:
    with peer(lambda _: http("busy", "503 Service Unavailable")) as other:
        venue = venue_at(other.url, options=HttpOptions(retry=RetryPolicy(retries=2, first_delay_s=0)))
        with pytest.raises(errors.VenueUnavailable):
            venue.ticker(SYMBOL)
        assert len(other.calls("ticker")) == 3
        with pytest.raises(errors.OutcomeUnknown):
            venue.request("POST", "/order_new", "a=1&b='2'")
        with pytest.raises(errors.VenueUnavailable):
            venue.request("GET", "order_list?c=3")
        assert [body["params"] for body in other.calls("__api_/order_new")] == [{"a": "1", "b": "2"}]
        assert [body["params"] for body in other.calls("__api_order_list")] == [{"c": "3"}]
        venue.close()


def test_false_to_a_cancel_is_a_refusal() -> None:
    with peer(data(False)) as other:
        venue = venue_at(other.url)
        with pytest.raises(errors.VenueRejected, match="did not cancel"):
            venue.cancel("BTC_USDT,1")
        venue.close()


def test_an_order_that_is_not_there_or_another_one() -> None:
    with peer(data(None)) as none, peer(data({**ORDER, "id": 882})) as other:
        with pytest.raises(errors.OrderNotFound):
            venue_at(none.url).order("BTC_USDT,881")
        with pytest.raises(errors.BadReply, match="another order"):
            venue_at(other.url).order("BTC_USDT,881")
        with pytest.raises(errors.InputError, match="must have the form"):
            venue_at(none.url).order("881")


@pytest.mark.parametrize("allowed", [False, True])
def test_keys_go_to_another_machine_in_clear_only_if_allowed(allowed: bool) -> None:
    if allowed:
        venue_at("http://plugin.example/x", allow_plain_http=True).close()
        return
    with pytest.raises(errors.InputError, match="not encrypted"):
        venue_at("http://plugin.example/x")
    PluginVenue(base="http://plugin.example/x").close()
    with pytest.raises(errors.InputError, match="no passphrase"):
        PluginVenue(credentials=Credentials(access_key="a", secret_key="b", passphrase="c"))


def _strategy(other: Peer, **options: Any) -> Any:
    return Exchange(
        "Exchange", SYMBOL, base=other.url, access_key="the-access-key", secret_key="the-secret-key", **options
    )


def test_a_service_address_is_never_cut_and_orders_without_a_symbol_are_the_current_pair_s() -> None:
    with peer(lambda body: http({"data": [ORDER] if body["method"] == "orders" else {"last": 1}})) as other:
        other.url = other.url.replace("/exchange", "/api/v3")
        with _strategy(other) as exchange:
            assert exchange.GetBase().endswith("/api/v3")
            assert exchange.GetOrders()[0].Id == "BTC_USDT,881"
            exchange.SetBase(other.url + "/api")
            exchange.GetTicker()
        assert [line for line, _ in other.seen] == ["POST /api/v3 HTTP/1.1", "POST /api/v3/api HTTP/1.1"]
        assert other.calls("orders")[0]["params"] == {"symbol": SYMBOL}


def test_an_order_without_a_reply_stays_unknown_and_says_what_can_be_asked() -> None:
    with (
        peer(lambda body: b"" if body["method"] == "trade" else http({"data": []})) as other,
        _strategy(other, errors="raise") as exchange,
    ):
        with pytest.raises(errors.OutcomeUnknown, match=r"compare GetOrders\(\) and the balances") as caught:
            exchange.Buy(5, 1)
        assert "queried" not in str(caught.value)
        (record,) = exchange.UnknownOrders()
        assert record.fate == "unknown"
        (again,) = exchange.Reconcile()
        assert again.fate == "unknown"
        assert len(other.calls("trade")) == 1


def test_numbers_are_finite() -> None:
    with peer(lambda _: http('{"data":{"last":"Infinity"}}')) as other, pytest.raises(errors.BadReply):
        assert math.isfinite(venue_at(other.url).ticker(SYMBOL).Last)
