"""Orders of ``Futures_*`` over ccxt, as ccxt's own code writes them for each venue: both modes, and closing that cannot open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.clock import WallClock
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.order_log import new_client_order_id
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.venues.registry import create_venue
from tests.helpers.ccxt_sites import ORDER_PATHS, SITES, bybit, bybit_position
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.scripted_site import ScriptedSite

pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")

SIDES = ("buy", "sell", "closebuy", "closesell")
# For each venue and mode, what tells its four sides apart: opening long, opening short, closing long, closing short.
# By the venues' documents on new orders: MEXC's sides are 1 open long, 2 close short, 3 open short, 4 close long; in hedge mode
# Bitget names the position's side, Bybit has 1 for the long position and 2 for the short one.
WRITTEN: dict[tuple[str, bool], tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
    ("bybit", False): (("side", "reduceOnly", "positionIdx"), [("Buy", None, None), ("Sell", None, None), ("Sell", True, None), ("Buy", True, None)]),
    ("bybit", True): (("side", "positionIdx"), [("Buy", 1), ("Sell", 2), ("Sell", 1), ("Buy", 2)]),
    ("gate", False): (("size", "reduce_only"), [(3, None), (-3, None), (-3, True), (3, True)]),
    ("gate", True): (("size", "reduce_only"), [(3, None), (-3, None), (-3, True), (3, True)]),
    ("bitget", False): (("side", "reduceOnly", "tradeSide"), [("buy", None, None), ("sell", None, None), ("sell", "YES", None), ("buy", "YES", None)]),
    ("bitget", True): (("side", "tradeSide"), [("buy", "Open"), ("sell", "Open"), ("buy", "Close"), ("sell", "Close")]),
    ("kucoinfutures", False): (("side", "reduceOnly", "positionSide"), [("buy", None, None), ("sell", None, None), ("sell", True, None), ("buy", True, None)]),
    ("kucoinfutures", True): (("side", "positionSide"), [("buy", "LONG"), ("sell", "SHORT"), ("sell", "LONG"), ("buy", "SHORT")]),
    ("mexc", False): (("side", "positionMode"), [(1, None), (3, None), (4, None), (2, None)]),
    ("mexc", True): (("side", "positionMode"), [(1, 1), (3, 1), (4, 1), (2, 1)]),
}  # fmt: skip


def order(side: Any, **changes: Any) -> OrderIntent:
    given: dict[str, Any] = {
        "symbol": "BTC_USDT.swap", "side": side, "price": Decimal(50_000), "amount": Decimal(3),
        "client_order_id": new_client_order_id(), **changes,
    }  # fmt: skip
    return OrderIntent(**given)


@contextmanager
def venue_at(exchange_id: str, site: ScriptedSite, **options: Any) -> Iterator[Any]:
    keys = Credentials(access_key="k" * 10, secret_key="s" * 10, passphrase="p" * 8)
    venue = create_venue(
        f"Futures_ccxt:{exchange_id}", credentials=keys, base=site.base_url, clock=WallClock(), paced=False, **options
    )
    yield venue
    venue.close()


@pytest.mark.parametrize(("exchange_id", "hedge"), sorted(WRITTEN))
def test_what_is_written_of_each_side(exchange_id: str, hedge: bool) -> None:
    names, expected = WRITTEN[exchange_id, hedge]
    with ScriptedSite(SITES[exchange_id](hedge)) as site, venue_at(exchange_id, site) as venue:
        for side in SIDES:
            assert venue.place(order(side)) == "BTC/USDT:USDT,5"
        assert venue.position_mode() == ("hedge" if hedge else "one_way")
        sent = site.of(ORDER_PATHS[exchange_id])
        modes = [one for one in site.asked if "mode" in one.path.lower() and one.method != "GET"]
    assert [tuple(fields.get(name) for name in names) for fields in sent] == expected
    assert len({str(fields) for fields in sent}) == 4  # each with its own client order id
    assert modes == []  # the mode is read, never set


@contextmanager
def bybit_exchange(site: ScriptedSite, **options: Any) -> Iterator[tuple[Any, MemoryHost]]:
    host = MemoryHost(WallClock())
    exchange = Exchange(
        "Futures_Bybit", "BTC_USDT", access_key="k" * 10, secret_key="s" * 10, base=site.base_url, host=host, errors="raise", paced=False,
        **options,
    )  # fmt: skip
    yield exchange, host
    exchange.close()


def test_closing_is_capped_by_the_position() -> None:
    with ScriptedSite(bybit(True)) as site, bybit_exchange(site) as (exchange, _):
        exchange.SetDirection("closebuy")
        with pytest.raises(errors.InputError, match="direction is closebuy, invalid order type Buy"):
            exchange.Buy(50_000, 1)
        exchange.Sell(50_000, 1)
        with pytest.raises(errors.InputError, match="no short position"):
            exchange.CreateOrder("", "closesell", -1, 1)
        sent = site.of(ORDER_PATHS["bybit"])
    assert [(one["qty"], one["positionIdx"]) for one in sent] == [("0.01", 1)]


@pytest.mark.parametrize(
    "option", ["reduceOnly=false", "positionIdx=2", "amount=9", "hedged=false", "side=Buy", "qty=9"]
)
def test_no_option_makes_a_closing_order_open(option: str) -> None:
    with ScriptedSite(bybit(True)) as site, bybit_exchange(site) as (exchange, _):
        with pytest.raises(
            errors.InputError, match="could make a closebuy open a position; leave it out; nothing was sent"
        ):
            exchange.CreateOrder("", f"closebuy;{option}", 50_000, 0.01)
        assert site.of(ORDER_PATHS["bybit"]) == []


def test_account_positions_and_leverage() -> None:
    with ScriptedSite(bybit(False)) as site, bybit_exchange(site) as (exchange, _):
        account = exchange.GetAccount()
        assert (account.Balance, account.FrozenBalance, account.UPnL) == (930, 70, 12.5)
        assert account.Equity == 1012.5  # ccxt's total is the wallet here
        (held,) = exchange.GetPositions()
        assert (held.Symbol, held.Amount, held.MarginLevel, held.Profit) == ("BTC_USDT.swap", 0.01, 7, 12.5)
        assert exchange.SetMarginLevel(7)
        with pytest.raises(errors.InvalidOrder, match="was to be 8, and the venue has 7"):
            exchange.SetMarginLevel(8)
        sent = len(site.of("/v5/position/set-leverage"))
        with pytest.raises(errors.InputError, match="at most 100"):
            exchange.SetMarginLevel(101)
        assert len(site.of("/v5/position/set-leverage")) == sent
        site.routes["/v5/position/set-leverage"] = {"retCode": 110043, "retMsg": "leverage not modified", "result": {}}
        assert exchange.SetMarginLevel(7)  # refused since it is so already
        site.routes["/v5/position/set-leverage"] = {"retCode": 110013, "retMsg": "cannot set leverage", "result": {}}
        with pytest.raises(errors.VenueRejected, match="cannot set leverage"):
            exchange.SetMarginLevel(9)


def test_two_sides_of_different_leverage_are_not_what_was_asked() -> None:
    with ScriptedSite(bybit(False)) as site, venue_at("bybit", site) as venue:
        venue._objects._class.fetch_leverage = lambda *_: {"longLeverage": 5, "shortLeverage": 7}
        assert venue.set_margin_level("BTC_USDT.swap", 5) == 7
        venue._objects._class.fetch_leverage = lambda *_: {"longLeverage": None, "shortLeverage": None}
        with pytest.raises(errors.NotSupported, match="does not tell the leverage"):
            venue.set_margin_level("BTC_USDT.swap", 5)


def test_the_leverage_goes_with_each_order_at_kucoin() -> None:
    with ScriptedSite(SITES["kucoinfutures"](False)) as site, venue_at("kucoinfutures", site) as venue:
        venue.place(order("buy"))
        assert venue.set_margin_level("BTC_USDT.swap", 7) == 7
        venue.place(order("buy"))
        venue.place(order("buy", options={"leverage": "3"}))
        assert [str(one["leverage"]) for one in site.of("/api/v1/orders")] == ["1", "7", "3"]


def test_a_refused_order_has_the_mode_read_again() -> None:
    with ScriptedSite(bybit(False)) as site, bybit_exchange(site) as (exchange, _):
        exchange.CreateOrder("", "buy", 50_000, 1)
        read = len(site.of("/v5/position/list"))
        exchange.CreateOrder("", "buy", 50_000, 1)
        assert len(site.of("/v5/position/list")) == read  # known
        site.routes["/v5/order/create"] = {
            "retCode": 10001,
            "retMsg": "position idx not match position mode",
            "result": {},
        }
        with pytest.raises(errors.VenueRejected, match="position idx not match"):
            exchange.CreateOrder("", "buy", 50_000, 1)
        site.routes.update(bybit(True))
        exchange.CreateOrder("", "buy", 50_000, 1)
        assert site.of("/v5/order/create")[-1]["positionIdx"] == 1


def test_a_mode_that_cannot_be_read_is_asked_for() -> None:
    with ScriptedSite(bybit(True)) as site:
        site.routes["/v5/position/list"] = bybit(True)["/v5/position/list"]
        mixed = [bybit_position(0, "", "0"), bybit_position(1, "", "0")]
        site.routes["/v5/position/list"] = {"retCode": 0, "result": {"list": mixed, "category": "linear"}}
        with venue_at("bybit", site) as venue, pytest.raises(errors.BadReply, match="neither hedge nor one-way"):
            venue.place(order("buy"))
        with venue_at("bybit", site, position_mode="hedge") as venue:
            venue.place(order("buy"))
        assert [one["positionIdx"] for one in site.of("/v5/order/create")] == [1]
        with (
            pytest.raises(errors.UnknownName, match="no position mode 'both'; valid: one_way, hedge"),
            venue_at("bybit", site, position_mode="both"),
        ):
            pass


def test_codes_of_deliveries_and_the_venue_s_own_names() -> None:
    today = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    friday = today + timedelta(days=(4 - today.weekday()) % 7 or 7)
    name = f"BTCUSDT-{friday:%d%b%y}".upper()
    with (
        ScriptedSite(bybit(False, deliveries={name: int(friday.timestamp() * 1000)})) as site,
        bybit_exchange(site) as (exchange, _),
    ):
        assert exchange.SetContractType("this_week").InstrumentID == name
        assert exchange.CreateOrder("", "buy", 50_000, 1).startswith("BTC/USDT:USDT-")
        assert site.of("/v5/order/create")[-1]["symbol"] == name
        assert exchange.SetContractType(name).InstrumentID == name
        assert exchange.SetContractType(f"{friday:%y%m%d}").InstrumentID == name
        for code in ("next_week", "sometime"):
            with pytest.raises(errors.UnknownSymbol, match=rf"does not list 'BTC_USDT.{code}'; it has \d+, swap"):
                exchange.SetContractType(code)
        with pytest.raises(errors.UnknownSymbol, match="lists contracts such as"):
            exchange.venue.ticker("BTC_USDT")
    with ScriptedSite(bybit(False)) as site, bybit_exchange(site) as (exchange, _):
        with pytest.raises(errors.NotSupported, match="does not support the contract code 'quarter'"):
            exchange.SetContractType("quarter")
        assert exchange.GetContractType() == "swap"


def test_an_order_is_in_the_log_before_it_is_sent_and_a_lost_reply_stays_unknown() -> None:
    with ScriptedSite(bybit(False)) as site, bybit_exchange(site) as (exchange, _):
        site.routes["/v5/order/create"] = None  # 404 is a reply that ccxt cannot read; the order may be there
        site.routes["/v5/order/realtime"] = site.routes["/v5/order/history"] = {
            "retCode": 0, "result": {"list": [], "category": "linear", "nextPageCursor": ""},
        }  # fmt: skip
        with pytest.raises(errors.FmzError):
            exchange.CreateOrder("", "buy", 50_000, 1)
        assert len(site.of("/v5/order/create")) == 1


def test_guards_hold_over_ccxt() -> None:
    with ScriptedSite(bybit(False)) as site, bybit_exchange(site, guards={"max_order_value": 1000}) as (exchange, _):
        with pytest.raises(errors.FmzError, match="max_order_value"):
            exchange.CreateOrder("", "buy", 50_000, 1)
        exchange.CreateOrder("", "buy", 50_000, 0.01)
        assert len(site.of("/v5/order/create")) == 1
