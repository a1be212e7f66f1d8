"""``Subscribe("orders")`` and ``Subscribe("positions")`` on an exchange object: what is answered by the stream, and when REST is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.constants import ORDER_STATE_CANCELED
from fmzthreads.errors import InputError, NotSupported, UnknownName
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.live_account import behind
from fmzthreads.testing import FakeContractVenue
from tests.helpers.account_streams import PATIENCE_S, ScriptedAccount, order, position, tell
from tests.helpers.exchange_room import MemoryHost, make
from tests.helpers.ws_server import WsServer


@contextmanager
def subscribed(*channels: str) -> Iterator[tuple[Any, FakeContractVenue, MemoryHost, ScriptedAccount, WsServer]]:
    with WsServer() as server:
        host = MemoryHost(WallClock())
        venue = FakeContractVenue(clock=host.clock)
        source = ScriptedAccount(server)
        venue.account_source = lambda symbol: source  # type: ignore[method-assign]
        exchange: Any = Exchange("Futures_Fake", "BTC_USDT", venue=venue, host=host, errors="raise")
        try:
            for channel in channels:
                assert exchange.Subscribe(channel, wait_ms=PATIENCE_S * 1000)
            yield exchange, venue, host, source, server
        finally:
            source.may_answer.set()
            exchange.close()


def _wait(exchange: Any, holds: Any) -> None:
    (feed,) = exchange.account_feeds
    while not holds():
        feed.clock.sleep(0.005)


def test_positions_are_answered_by_the_stream_while_it_is_live() -> None:
    with subscribed("positions") as (exchange, venue, host, source, server):
        peer = server.peer()
        tell(peer, 9, position=position(4, MarginLevel=5.0, Margin=80.0))
        _wait(exchange, lambda: exchange.GetPositions())
        assert [one.Amount for one in exchange.GetPositions()] == [4]
        assert [one.Amount for one in exchange.GetPositions("BTC_USDT.swap")] == [4]
        assert venue.calls["positions"] == 0
        exchange.GetOrders()  # not subscribed to
        assert venue.calls["orders"] == 1
        exchange.CreateOrder("", "closebuy", -1, 9)  # cut to the live position
        assert venue.placed[0].amount == 4
        assert venue.calls["positions"] == 0
        source.may_answer.clear()
        peer.reset()
        _wait(exchange, lambda: not exchange.account_feeds[0].live.is_set())
        assert exchange.GetPositions() == []
        assert venue.calls["positions"] == 1
        assert [(watched[1], watched[2]) for watched in host.watched] == [("Subscribe", 0)]


def test_closing_needs_the_amount_of_a_position_alone() -> None:
    """Binance's stream tells neither leverage nor margin; the venue need not be asked before a closing order."""
    with subscribed("positions") as (exchange, venue, _host, _source, server):
        tell(server.peer(), 9, position=position(4))
        _wait(exchange, lambda: exchange._core.accounts.positions("BTC_USDT.swap", amounts_only=True))
        exchange.CreateOrder("", "closebuy", -1, 9)
        assert venue.placed[0].amount == 4
        assert venue.calls["positions"] == 0
        exchange.GetPositions()  # of which leverage and margin are asked
        assert venue.calls["positions"] == 1


def test_an_own_order_is_asked_of_the_venue_until_the_stream_tells_of_it() -> None:
    with subscribed("orders") as (exchange, venue, _host, _source, server):
        peer = server.peer()
        order_id = exchange.Buy(99, 1)
        assert [one.Id for one in exchange.GetOrders()] == [order_id]
        assert venue.calls["orders"] == 1
        tell(peer, 9, order=order(1, Id=order_id))
        _wait(exchange, lambda: exchange._core.accounts.orders("BTC_USDT.swap") is not None)
        assert [one.Id for one in exchange.GetOrders()] == [order_id]
        assert venue.calls["orders"] == 1
        exchange.CancelOrder(order_id)
        assert exchange.GetOrders() == []  # not the open one that the stream knows
        assert venue.calls["orders"] == 2
        tell(peer, 10, order=order(1, Id=order_id, status=ORDER_STATE_CANCELED))
        _wait(exchange, lambda: exchange._core.accounts.orders("BTC_USDT.swap") == [])
        assert exchange.GetOrders() == []
        assert venue.calls["orders"] == 2


def test_positions_are_asked_of_the_venue_until_an_order_at_market_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "_PATIENCE_S", 1000.0)  # however slow the machine is
    with subscribed("positions") as (exchange, venue, _host, _source, server):
        peer = server.peer()
        for price, options, asked in ((-1, "", 2), (99, "IOC", 2), (99, "GTC", 1)):
            order_id = exchange.CreateOrder("", f"buy;timeInForce={options}" if options else "buy", price, 1)
            before = venue.calls["positions"]
            exchange.GetPositions()
            tell(peer, 9, order=order(1, Id=order_id))
            _wait(exchange, lambda found=order_id: exchange.account_feeds[0].view.knows(found))
            exchange.GetPositions()
            assert venue.calls["positions"] - before == asked
            tell(peer, 10, order=order(1, Id=order_id, status=ORDER_STATE_CANCELED))
            _wait(exchange, lambda: exchange._core.accounts.positions("BTC_USDT.swap") is not None)


def test_updates_are_taken_once_with_their_marks_and_orders_of_the_venue_are_told() -> None:
    with subscribed("orders", "positions") as (exchange, _venue, host, _source, server):
        peer = server.peer()
        assert [update.Kind for update in exchange.GetUpdates()] == ["gap", "live"]
        assert exchange.GetUpdates() == []
        tell(peer, 9, order=order(5, MadeBy="liquidation"), fill={"Id": "7"})
        tell(peer, 10, alarm="margin call of BTCUSDT: liquidation is near")
        _wait(exchange, lambda: len(host.errors) == 2)
        assert host.errors == [
            "orders: the venue made an order of its own (liquidation): BTCUSDT,5 of BTC_USDT.swap",
            "orders: margin call of BTCUSDT: liquidation is near",
        ]
        fill, change = exchange.GetUpdates()
        assert (fill.Kind, fill.Fill.Id, change.Kind, change.Order.MadeBy) == ("fill", "7", "order", "liquidation")
        assert [(row["Channel"], row["State"]) for row in exchange.Subscriptions()] == [
            ("orders", "live"),
            ("positions", "live"),
        ]


def test_the_stream_ends_with_its_last_channel() -> None:
    with subscribed("orders", "positions") as (exchange, venue, _host, source, _server):
        (feed,) = exchange.account_feeds
        assert source.connects == 1  # one stream for both
        assert exchange.Unsubscribe("orders") is True
        assert exchange.Unsubscribe("orders") is False
        exchange.GetOrders()
        assert venue.calls["orders"] == 1
        exchange.GetPositions()
        assert venue.calls["positions"] == 0
        assert exchange.Unsubscribe("positions") is True
        assert feed.clock.wait((feed.ended,), PATIENCE_S)
        assert exchange.account_feeds == []
        with pytest.raises(InputError, match="GetUpdates needs Subscribe"):
            exchange.GetUpdates()
        assert exchange.Subscribe("positions", wait_ms=PATIENCE_S * 1000)
        assert source.connects == 2


def test_a_venue_without_user_streams_says_so() -> None:
    exchange, _, _ = make(errors="raise")
    with pytest.raises(NotSupported, match=r"Fake does not support Subscribe\('orders'\)"):
        exchange.Subscribe("orders")
    with pytest.raises(UnknownName, match=r"no channel 'order'.*did you mean 'orders'"):
        exchange.Subscribe("order")
