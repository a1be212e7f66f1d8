"""OKX's public, business and private channels, login and orders by websocket, as a client sees them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.dialects.okx.streams.public_channels import checksum
from fmzthreads.simulator.engine.events import BookEvent
from fmzthreads.simulator.transport.stream_settings import StreamSettings
from fmzthreads.streams import Dial
from tests.helpers.simulators import OkxCaller, free_session, simulator
from tests.helpers.ws_clients import (
    PATIENCE_S,
    ConnectionClosed,
    DeltaBook,
    InvalidStatus,
    LoopTime,
    Socket,
    buy,
    open_socket,
    top_levels,
    wait_until,
)

PUBLIC, PRIVATE, BUSINESS = "/ws/v5/public", "/ws/v5/private", "/ws/v5/business"
BTC = "BTC-USDT"


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("okx") as running:
        yield running


@pytest.fixture
def caller(server: SimulatorServer) -> Iterator[OkxCaller]:
    with free_session() as session:
        yield OkxCaller(server, session)


def login_arg(server: SimulatorServer, **changes: Any) -> dict[str, Any]:
    """The argument of a login; ``changes`` replaces single fields."""
    stamp = str(changes.get("timestamp", server.exchange.server_time_ms() // 1000))
    digest = hmac.new(server.secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
    arg = {
        "apiKey": server.key,
        "passphrase": server.passphrase,
        "timestamp": stamp,
        "sign": base64.b64encode(digest).decode(),
    }
    return {**arg, **changes}


def log_in(client: Socket, server: SimulatorServer) -> None:
    client.send({"op": "login", "args": [login_arg(server)]})
    answer = client.read()
    assert (answer["event"], answer["code"], answer["msg"]) == ("login", "0", "")
    assert answer["connId"]


def subscribe(client: Socket, **arg: str) -> dict[str, Any]:
    """Subscribes and gives the acknowledgement."""
    client.send({"op": "subscribe", "args": [arg]})
    answer: dict[str, Any] = client.read()
    return answer


# --- control messages ---


def test_the_published_login_signature_is_the_one_that_is_checked() -> None:
    """A check value computed by hand from OKX's rule for the login."""
    digest = hmac.new(b"22582BD0CFF14C41EDBF1AB98506286D", b"1704876947GET/users/self/verify", hashlib.sha256).digest()
    assert base64.b64encode(digest).decode() == "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU="


@pytest.mark.parametrize("path", [PUBLIC, PRIVATE, BUSINESS, PUBLIC + "?brokerId=9999"])
def test_a_text_ping_is_answered_everywhere(server: SimulatorServer, path: str) -> None:
    with open_socket(server, path) as client:
        client.send("ping")
        assert client.text() == "pong"
        assert client.connection.ping().wait(PATIENCE_S)  # and one of the protocol's own


def test_other_paths_are_refused(server: SimulatorServer) -> None:
    with pytest.raises(InvalidStatus) as caught, open_socket(server, "/ws/v5/secret"):
        pass
    assert caught.value.response.status_code == 404


@pytest.mark.parametrize("path", [PUBLIC, PRIVATE, BUSINESS])
def test_a_login_is_good_everywhere_and_only_once(server: SimulatorServer, path: str) -> None:
    with open_socket(server, path) as client:
        log_in(client, server)
        client.send({"op": "login", "args": [login_arg(server)]})
        assert client.read()["code"] == "60031"
        client.send("ping")
        assert client.text() == "pong"


def test_a_login_with_the_time_as_a_number(server: SimulatorServer) -> None:
    with open_socket(server, PRIVATE) as client:
        now = server.exchange.server_time_ms() // 1000
        client.send({"op": "login", "args": [login_arg(server, timestamp=now)]})
        assert client.read()["event"] == "login"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"apiKey": "unknown"}, "60005"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "AAAA"}, "60007"),
        ({"timestamp": "soon"}, "60004"),
        ({"timestamp": "1000000000"}, "60006"),
        ({"sign": ""}, "60027"),
    ],
)
def test_a_wrong_login_is_told_and_shown_out(server: SimulatorServer, changes: dict[str, Any], code: str) -> None:
    with open_socket(server, PRIVATE) as client:
        client.send({"op": "login", "args": [login_arg(server, **changes)]})
        answer = client.read()
        assert (answer["event"], answer["code"]) == ("error", code)
        assert server.secret not in json.dumps(answer)
        with pytest.raises(ConnectionClosed) as caught:
            client.read()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "Login Failed")


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [
        (PUBLIC, "{", "60012"),
        (PUBLIC, "[1]", "60012"),
        (PUBLIC, '{"op":"subscribe","args":[{"channel":"\\ud800"}]}', "60012"),
        (PUBLIC, {"args": []}, "60012"),
        (PUBLIC, {"op": ["subscribe"], "args": []}, "60012"),
        (PUBLIC, {"op": "dance", "args": [{}]}, "60019"),
        (PUBLIC, {"op": "subscribe"}, "60013"),
        (PUBLIC, {"op": "subscribe", "args": []}, "60013"),
        (PUBLIC, {"op": "subscribe", "args": ["tickers"]}, "60013"),
        (PUBLIC, {"op": "subscribe", "args": [{"instId": BTC}]}, "60027"),
        (PUBLIC, {"op": "subscribe", "args": [{"channel": "tickers", "instId": "NO-NE"}]}, "60018"),
        (PUBLIC, {"op": "subscribe", "args": [{"channel": "tickers", "instId": ["x"]}]}, "60018"),
        (PUBLIC, {"op": "subscribe", "args": [{"channel": "candle1m", "instId": BTC}]}, "60018"),
        (PUBLIC, {"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]}, "60018"),
        (PUBLIC, {"op": "subscribe", "args": [{"channel": "books-l2-tbt", "instId": BTC}]}, "60011"),
        (BUSINESS, {"op": "subscribe", "args": [{"channel": "tickers", "instId": BTC}]}, "60018"),
        (BUSINESS, {"op": "subscribe", "args": [{"channel": "candle7m", "instId": BTC}]}, "60018"),
        (PRIVATE, {"op": "subscribe", "args": [{"channel": "account"}]}, "60011"),
        (PRIVATE, {"op": "order", "args": [{}]}, "60011"),
        (PUBLIC, {"op": "order", "args": [{}]}, "60028"),
        (PUBLIC, {"id": "no-good", "op": "subscribe", "args": [{"channel": "tickers", "instId": BTC}]}, "60033"),
    ],
)
def test_refusals(server: SimulatorServer, path: str, message: Any, code: str) -> None:
    with open_socket(server, path) as client:
        client.send(message)
        answer = client.read()
        assert (answer["event"], answer["code"]) == ("error", code)
        assert answer["msg"]
        assert answer["connId"]
        client.send("ping")
        assert client.text() == "pong"


def test_each_argument_is_answered_for_itself_and_echoed_with_the_id(server: SimulatorServer) -> None:
    with open_socket(server, PUBLIC) as client:
        args = [
            {"channel": "trades", "instId": BTC},
            {"channel": "nothing", "instId": BTC},
            {"channel": "trades", "instId": "ETH-USDT"},
        ]
        client.send({"id": "a1", "op": "subscribe", "args": args})
        one, two, three = client.read(), client.read(), client.read()
        assert (one["event"], one["arg"], one["id"]) == ("subscribe", args[0], "a1")
        assert (two["event"], two["code"], two["id"]) == ("error", "60018", "a1")
        assert (three["event"], three["arg"]) == ("subscribe", args[2])
        client.send({"op": "unsubscribe", "args": args[:1]})
        gone = client.read()
        assert (gone["event"], gone["arg"]) == ("unsubscribe", args[0])
        assert "id" not in gone
        buy(server)
        assert client.silent()


def test_a_request_that_is_too_long_ends_the_connection(server: SimulatorServer) -> None:
    with open_socket(server, PUBLIC) as client:
        client.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as caught:
            client.read()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_too_many_requests_are_refused() -> None:
    settings = StreamSettings(requests_per_h=3)
    with simulator("okx", rate_scale=1, streams=settings) as server, open_socket(server, PUBLIC) as client:
        for _ in range(3):
            assert subscribe(client, channel="instruments", instType="SPOT")["event"] == "subscribe"
        assert subscribe(client, channel="instruments", instType="SPOT")["code"] == "60014"


def test_too_many_connections_in_a_second_are_refused() -> None:
    clock = ManualClock(start=1_700_000_000.0)
    with simulator("okx", rate_scale=1, clock=clock) as server:
        for _ in range(3):
            with open_socket(server, PUBLIC):
                pass
        with pytest.raises(InvalidStatus) as caught, open_socket(server, PUBLIC):
            pass
        assert caught.value.response.status_code == 429
        clock.advance(1)
        with open_socket(server, PUBLIC):
            pass


def test_a_connection_on_which_nothing_passes_is_closed() -> None:
    with simulator("okx", streams=StreamSettings(idle_s=30)) as server:
        loop_time = LoopTime(server)
        with open_socket(server, PUBLIC) as quiet, open_socket(server, PUBLIC) as lively:
            for _ in range(3):
                lively.send("ping")
                assert lively.text() == "pong"
                loop_time.advance(16)
            with pytest.raises(ConnectionClosed) as caught:
                quiet.read()
            lively.send("ping")
            assert lively.text() == "pong"
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4004, "No data received in 30s")


def test_a_stop_is_announced() -> None:
    with simulator("okx") as server, open_socket(server, PUBLIC) as client:
        client.send("ping")
        assert client.text() == "pong"
        server.stop()
        notice = client.read()
        assert (notice["event"], notice["code"]) == ("notice", "64008")


# --- public channels ---


def test_tickers_say_what_rest_says_at_once_and_on_change(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PUBLIC) as client:
        assert subscribe(client, channel="tickers", instId=BTC)["event"] == "subscribe"
        first = client.read()
        assert first["arg"] == {"channel": "tickers", "instId": BTC}
        rest = caller.public("market/ticker", instId=BTC).json()["data"][0]
        assert {**first["data"][0], "ts": ""} == {**rest, "ts": ""}
        buy(server)
        changed = client.until(lambda message: message["data"][0]["lastSz"] == "0.001")
        assert Decimal(changed["data"][0]["vol24h"]) == Decimal(rest["vol24h"]) + Decimal("0.001")


def test_trades_of_one_taker_at_one_price_are_one_message(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PUBLIC) as client:
        subscribe(client, channel="trades", instId=BTC)
        before = server.exchange.trades("BTC_USDT", 1)[-1].trade_id
        buy(server, "3")
        trades = server.exchange.trades("BTC_USDT", 500, from_id=before + 1)
        told: list[dict[str, Any]] = []
        while sum(int(row["count"]) for row in told) < len(trades):
            told += client.read()["data"]
    assert sum(Decimal(row["sz"]) for row in told) == 3
    assert told[-1]["tradeId"] == str(trades[-1].trade_id)
    assert {row["side"] for row in told} == {"buy"}
    assert [Decimal(row["px"]) for row in told] == sorted(Decimal(row["px"]) for row in told)
    assert all(isinstance(row["seqId"], int) for row in told)


def test_every_trade_by_itself_on_business(server: SimulatorServer) -> None:
    with open_socket(server, BUSINESS) as client:
        subscribe(client, channel="trades-all", instId=BTC)
        before = server.exchange.trades("BTC_USDT", 1)[-1].trade_id
        buy(server, "3")
        trades = server.exchange.trades("BTC_USDT", 500, from_id=before + 1)
        told = [client.read()["data"][0] for _ in trades]
    assert [row["tradeId"] for row in told] == [str(trade.trade_id) for trade in trades]


def test_bars(server: SimulatorServer, caller: OkxCaller) -> None:
    clock = ManualClock(start=1_700_000_000.0)
    with simulator("okx", clock=clock) as server, open_socket(server, BUSINESS) as client:
        assert subscribe(client, channel="candle1s", instId=BTC)["event"] == "subscribe"
        first = client.read()["data"][0]
        assert (first[0], first[-1], len(first)) == ("1700000000000", "0", 9)
        buy(server)
        traded = client.until(lambda message: message["data"][0][5] != first[5])["data"][0]
        clock.advance(1)
        closed = client.until(lambda message: message["data"][0][-1] == "1")["data"][0]
        assert closed[:8] == traded[:8]
        assert client.read()["data"][0][0] == "1700000001000"


def has_sequence(version: int, message: Any) -> bool:
    return bool(message["data"][0]["seqId"] == version)


@pytest.mark.parametrize(("channel", "levels"), [("books5", 5), ("bbo-tbt", 1)])
def test_the_top_of_the_book(server: SimulatorServer, channel: str, levels: int) -> None:
    with open_socket(server, PUBLIC) as client:
        subscribe(client, channel=channel, instId=BTC)
        for _ in range(3):
            depth = server.exchange.depth("BTC_USDT", levels)
            row = client.until(partial(has_sequence, depth.version))["data"][0]
            for side, own in ((row["bids"], depth.bids), (row["asks"], depth.asks)):
                assert [(Decimal(px), Decimal(sz), int(count)) for px, sz, _, count in side] == list(own)
            assert ("instId" in row) == (channel == "books5")
            assert "checksum" not in row
            server.driver.step()


def apply_books(client: Socket, book: DeltaBook, last: int) -> tuple[int, dict[str, Any]]:
    message = client.read()
    assert message["action"] == "update"
    row = message["data"][0]
    assert row["prevSeqId"] == last
    for side, falling in ((row["bids"], True), (row["asks"], False)):
        prices = [Decimal(level[0]) for level in side]
        assert prices == sorted(prices, reverse=falling)
    book.apply(row["bids"], row["asks"])
    return row["seqId"], row


@pytest.mark.parametrize("checksums", [False, True])
def test_a_book_from_snapshot_and_updates_is_the_exchanges_book(checksums: bool) -> None:
    with simulator("okx", streams=StreamSettings(checksums=checksums)) as server, open_socket(server, PUBLIC) as client:
        subscribe(client, channel="books", instId=BTC)
        first = client.read()
        row = first["data"][0]
        assert (first["action"], row["prevSeqId"]) == ("snapshot", -1)
        book, last = DeltaBook(row["bids"], row["asks"]), row["seqId"]
        for _ in range(5):
            server.driver.step()
            version, levels = top_levels(server, "BTC_USDT", 400)
            while last < version:
                last, row = apply_books(client, book, last)
            assert book.levels() == levels
            assert (row["checksum"] != 0) == checksums
            if checksums:
                assert row["checksum"] == crc(book)


def crc(book: DeltaBook) -> int:
    """OKX's rule, written down a second time: levels alternate, 25 of each side, numbers as they are sent."""
    bids, asks = ([f"{p.normalize():f}:{q.normalize():f}" for p, q in side[:25]] for side in book.levels())
    parts = [part for pair in zip(bids, asks, strict=True) for part in pair]
    value = zlib.crc32(":".join(parts).encode())
    return value - 2**32 if value >= 2**31 else value


def test_the_published_checksums() -> None:
    """Values computed from the example in OKX's API guide."""
    bids = [("3366.1", "7", "1"), ("3366", "6", "1")]
    asks = [("3366.8", "9", "1"), ("3368", "8", "1")]
    assert checksum(bids, asks) == -1881014294
    assert checksum(bids[:1], [*asks, ("3372", "8", "1")]) == 831078360


def test_connections_share_one_chain_of_sequence_numbers(server: SimulatorServer) -> None:
    with open_socket(server, PUBLIC) as one, open_socket(server, PUBLIC) as two:
        subscribe(one, channel="books", instId=BTC)
        row = one.read()["data"][0]
        book, last = DeltaBook(row["bids"], row["asks"]), row["seqId"]
        server.driver.step()
        subscribe(two, channel="books", instId=BTC)
        row = two.read()["data"][0]
        other, start = DeltaBook(row["bids"], row["asks"]), row["seqId"]
        last, _ = apply_books(one, book, last)
        while last < start:
            last, _ = apply_books(one, book, last)
        assert (last, book.levels()) == (start, other.levels())
        server.driver.step()
        assert apply_books(one, book, last)[0] == apply_books(two, other, start)[0]
        assert book.levels() == other.levels()
        assert len(server.site.topics) == 1
    wait_until(lambda: not len(server.site.topics))
    assert not server.exchange._engine.events.wants(BookEvent)


def test_a_resubscription_gives_a_new_snapshot(server: SimulatorServer) -> None:
    with open_socket(server, PUBLIC) as client:
        for _ in range(2):
            subscribe(client, channel="books", instId=BTC)
            assert client.read()["action"] == "snapshot"
            client.send({"op": "unsubscribe", "args": [{"channel": "books", "instId": BTC}]})
            assert client.read()["event"] == "unsubscribe"


def test_our_own_client_keeps_the_same_book(server: SimulatorServer) -> None:
    payload = json.dumps({"op": "subscribe", "args": [{"channel": "books", "instId": BTC}]})
    client = Dial(server.stream_url + PUBLIC, payload=payload, errors="raise")
    assert client is not None

    def read() -> Any:
        text = client.read(int(PATIENCE_S * 1000))
        assert isinstance(text, str)
        return json.loads(text)

    with client:
        assert read()["event"] == "subscribe"
        row = read()["data"][0]
        book, last = DeltaBook(row["bids"], row["asks"]), row["seqId"]
        for _ in range(3):
            server.driver.step()
            version, levels = top_levels(server, "BTC_USDT", 400)
            while last < version:
                row = read()["data"][0]
                assert row["prevSeqId"] == last
                book.apply(row["bids"], row["asks"])
                last = row["seqId"]
            assert book.levels() == levels


# --- private channels ---


def test_orders_from_birth_to_cancel(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        assert subscribe(client, channel="orders", instType="ANY")["event"] == "subscribe"
        count = client.read()
        assert (count["event"], count["channel"], count["connCount"]) == ("channel-conn-count", "orders", "1")
        made = caller.order(sz="0.01", px="59000", clOrdId="mine").json()["data"][0]
        born = client.read()
        assert born["arg"] == {"channel": "orders", "instType": "ANY", "uid": str(server.account.uid)}
        row = born["data"][0]
        assert (row["state"], row["ordId"], row["clOrdId"], row["px"], row["sz"]) == (
            "live",
            made["ordId"],
            "mine",
            "59000",
            "0.01",
        )
        assert (row["avgPx"], row["fillSz"], row["tradeId"], row["code"], row["accFillSz"]) == ("0", "0", "", "0", "0")
        caller.signed("POST", "trade/cancel-order", {"instId": BTC, "ordId": made["ordId"]})
        gone = client.read()["data"][0]
        assert (gone["state"], gone["cancelSource"]) == ("canceled", "1")


def test_fills_of_an_order_add_up(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        subscribe(client, channel="orders", instType="SPOT", instId=BTC)
        client.read()
        made = caller.order(ordType="market", sz="3", tgtCcy="base_ccy").json()["data"][0]
        rows = [client.read()["data"][0]]
        while rows[-1]["state"] != "filled":
            rows.append(client.read()["data"][0])
    assert rows[0]["state"] == "live"
    fills = rows[1:]
    assert len(fills) > 1
    assert {row["state"] for row in fills[:-1]} == {"partially_filled"}
    assert sum(Decimal(row["fillSz"]) for row in fills) == Decimal(fills[-1]["accFillSz"]) == 3
    assert sum(Decimal(row["fillFee"]) for row in fills) == Decimal(fills[-1]["fee"])
    cost = sum((Decimal(row["fillSz"]) * Decimal(row["fillPx"]) for row in fills), Decimal(0))
    assert abs(cost / 3 - Decimal(fills[-1]["avgPx"])) < Decimal("1e-9")
    known = caller.signed("GET", "trade/fills", ordId=made["ordId"]).json()["data"]
    assert [row["tradeId"] for row in fills] == [row["tradeId"] for row in reversed(known)]
    assert {row["execType"] for row in fills} == {"T"}


def test_a_post_only_order_that_would_trade_is_cancelled_alone(server: SimulatorServer, caller: OkxCaller) -> None:
    ask = server.exchange.depth("BTC_USDT", 1).asks[0][0]
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        subscribe(client, channel="orders", instType="ANY")
        client.read()
        caller.order(ordType="post_only", sz="0.01", px=str(ask))
        row = client.read()["data"][0]
        assert (row["state"], row["cancelSource"]) == ("canceled", "31")
        caller.order(ordType="post_only", sz="0.01", px="59000")
        assert client.read()["data"][0]["state"] == "live"
        assert client.silent()


def test_orders_of_other_instruments_and_kinds_stay_away(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        for arg in ({"instType": "SPOT", "instId": "ETH-USDT"}, {"instType": "SWAP"}):
            subscribe(client, channel="orders", **arg)
            client.read()
        caller.order(sz="0.01", px="59000")
        assert client.silent()
        caller.order(instId="ETH-USDT", sz="0.1", px="2950")
        assert client.read()["arg"]["instId"] == "ETH-USDT"


def test_balances_snapshot_and_changes(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        subscribe(client, channel="account", extraParams='{"updateInterval": "0"}')
        client.read()
        first = client.read()
        assert (first["eventType"], first["curPage"], first["lastPage"]) == ("snapshot", 1, True)
        held = {row["ccy"]: row["cashBal"] for row in first["data"][0]["details"]}
        assert set(held) == {"USDT", "BTC", "ETH"}
        caller.order(sz="0.01", px="59000")
        change = client.read()
        assert change["eventType"] == "event_update"
        assert "curPage" not in change
        details = {row["ccy"]: row for row in change["data"][0]["details"]}
        assert set(details) == {"BTC", "USDT"}
        assert (details["USDT"]["frozenBal"], details["USDT"]["cashBal"]) == ("590", held["USDT"])


def test_a_currency_that_was_sold_out_is_told_as_zero(caller: OkxCaller) -> None:
    with simulator("okx", balances={"BTC": Decimal("0.01")}) as server, free_session() as session:
        caller = OkxCaller(server, session)
        with open_socket(server, PRIVATE) as client:
            log_in(client, server)
            subscribe(client, channel="account", ccy="BTC")
            client.read()
            assert client.read()["data"][0]["details"][0]["cashBal"] == "0.01"
            caller.order(ordType="market", side="sell", sz="0.01")
            details = client.read()["data"][0]["details"]
            assert [(row["ccy"], row["cashBal"]) for row in details] == [("BTC", "0")]


def test_balances_and_positions(server: SimulatorServer, caller: OkxCaller) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        subscribe(client, channel="positions", instType="ANY")
        client.read()
        empty = client.read()
        assert (empty["eventType"], empty["data"]) == ("snapshot", [])
        subscribe(client, channel="balance_and_position")
        client.read()
        first = client.read()["data"][0]
        assert (first["eventType"], first["posData"], first["trades"]) == ("snapshot", [], [])
        assert {row["ccy"] for row in first["balData"]} == {"USDT", "BTC", "ETH"}
        caller.order(sz="0.01", px="59000")  # freezes, moves nothing
        caller.order(ordType="market", sz="0.01", tgtCcy="base_ccy")
        change = client.read()["data"][0]
        assert change["eventType"] == "filled"
        assert {row["ccy"] for row in change["balData"]} == {"USDT", "BTC"}
        assert change["trades"][-1]["tradeId"] == str(server.exchange.trades("BTC_USDT", 1)[-1].trade_id)


def test_the_thirty_first_connection_to_a_private_channel_is_dead(server: SimulatorServer, caller: OkxCaller) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(open_socket(server, PRIVATE)) for _ in range(31)]
        for number, client in enumerate(clients[:30], 1):
            log_in(client, server)
            subscribe(client, channel="orders", instType="ANY")
            assert client.read()["connCount"] == str(number)
        log_in(clients[30], server)
        assert subscribe(clients[30], channel="orders", instType="ANY")["event"] == "subscribe"
        assert clients[30].read()["event"] == "channel-conn-count-error"
        caller.order(sz="0.01", px="59000")
        assert clients[0].read()["data"][0]["state"] == "live"
        assert clients[30].silent()


# --- orders by websocket ---


def test_orders_are_placed_and_cancelled_by_code(server: SimulatorServer) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        arg = {"instIdCode": 3, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "59000", "sz": "0.01"}
        placed = client.ask({"id": "7", "op": "order", "args": [arg]})
        assert (placed["op"], placed["code"], placed["data"][0]["sCode"]) == ("order", "0", "0")
        assert int(placed["inTime"]) <= int(placed["outTime"])
        order_id = placed["data"][0]["ordId"]
        batch = client.ask({"id": "8", "op": "batch-orders", "args": [arg, {**arg, "sz": "99999"}]})
        assert (batch["code"], batch["data"][1]["sCode"]) == ("2", "51008")
        nameless = {**arg, "instId": BTC}
        del nameless["instIdCode"]
        refused = client.ask({"id": "9", "op": "order", "args": [nameless]})
        assert (refused["code"], refused["data"][0]["sCode"]) == ("1", "50014")
        assert "instIdCode" in refused["data"][0]["sMsg"]
        gone = client.ask({"id": "10", "op": "cancel-order", "args": [{"instIdCode": 3, "ordId": order_id}]})
        assert gone["data"][0]["sCode"] == "0"
        late = client.ask({"id": "11", "op": "order", "args": [arg], "expTime": "1000"})
        assert (late["code"], late["data"]) == ("50036", [])
        assert client.ask({"id": "12", "op": "order", "args": [arg, arg]})["code"] == "60013"
        assert client.ask({"id": "13", "op": "batch-orders", "args": "all"})["code"] == "60013"
    assert len(server.exchange.open_orders(server.account)) == 1
