from __future__ import annotations

import inspect
import json
from decimal import Decimal

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.constants import (
    LOG_TYPE_BUY,
    LOG_TYPE_CANCEL,
    LOG_TYPE_SELL,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from fmzthreads.errors import (
    AuthenticationFailed,
    BadReply,
    ConnectFailed,
    InputError,
    InsufficientFunds,
    NotSupported,
    OutcomeUnknown,
    RateLimited,
    StopRequested,
    TimedOut,
    UnknownName,
    VenueUnavailable,
)
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.host import QuietHost
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.venue import Venue
from fmzthreads.structures import Funding, Info, MarketOrder, Position, Trade
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import JumpClock, Line, MemoryHost, make

# Each FMZ method, arguments that fit, the port's call beneath, and what it gives when that fails.
READS = [
    ("GetTicker", (), "ticker", None),
    ("GetTickers", (), "tickers", None),
    ("GetDepth", (), "depth", None),
    ("GetTrades", (), "trades", None),
    ("GetRecords", (), "records", None),
    ("GetRecords", (7,), "trades", None),
    ("GetMarkets", (), "markets", None),
    ("GetAccount", (), "account", None),
    ("GetAssets", (), "assets", None),
    ("GetOrder", ("BTCUSDT,1",), "order", None),
    ("GetOrders", (), "orders", None),
    ("GetHistoryOrders", (), "history_orders", None),
    ("Buy", (100, 1), "place", None),
    ("Sell", (100, 1), "place", None),
    ("CreateOrder", ("", "buy", 100, 1), "place", None),
    ("CancelOrder", ("BTCUSDT,1",), "cancel", False),
    ("IO", ("api", "GET", "/x"), "request", None),
]


@pytest.fixture
def parts():
    return make(clock=JumpClock())


class TestFailure:
    @pytest.mark.parametrize(("method", "args", "call", "value"), READS)
    @pytest.mark.parametrize(
        "error",
        [
            ConnectFailed("refused", request="GET http://x/y"),
            VenueUnavailable("maintenance", status=503),
            RateLimited("slow down"),
            AuthenticationFailed("bad key"),
            NotSupported("Fake cannot"),
            InsufficientFunds("poor", code="-2010"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_a_value_one_line_and_the_last_error(self, parts, method, args, call, value, error):
        exchange, venue, host = parts
        venue.fail(call, error)
        result = getattr(exchange, method)(*args)
        assert result is value
        assert host.errors == [f"{method}: {error}"]
        assert host.lines == []
        assert exchange.GetLastError() == f"{method}: {error}"
        assert exchange.GetLastError() == ""

    @pytest.mark.parametrize(("method", "args", "call", "value"), READS)
    def test_in_the_background_too(self, parts, method, args, call, value):
        exchange, venue, host = parts
        error = ConnectFailed("refused")
        venue.fail(call, error)
        handle = exchange.Go(method, *args)
        assert handle.wait() == (value, True)
        assert handle.error is error
        assert host.errors == [f"{method}: refused"]
        exchange.close()

    @pytest.mark.parametrize(("method", "args", "call", "value"), READS)
    def test_raised_when_asked_for(self, method, args, call, value):
        exchange, venue, host = make(errors="raise", clock=JumpClock())
        venue.fail(call, ConnectFailed("refused"), ConnectFailed("refused"))
        with pytest.raises(ConnectFailed):
            getattr(exchange, method)(*args)
        handle = exchange.Go(method, *args)
        with pytest.raises(ConnectFailed):
            handle.wait()
        assert host.errors == [f"{method}: refused"] * 2
        exchange.close()

    @pytest.mark.parametrize(("method", "args", "call", "value"), READS)
    def test_a_stop_passes_and_leaves_no_line(self, parts, method, args, call, value):
        exchange, venue, host = parts
        venue.fail(call, StopRequested("stop"))
        venue.exact_outcomes = True  # so that a stop says that no order was made
        with pytest.raises(StopRequested):
            getattr(exchange, method)(*args)
        assert host.errors == []
        assert exchange.UnknownOrders() == []

    @pytest.mark.parametrize("error", [StopRequested("stop"), KeyboardInterrupt(), SystemExit()])
    def test_an_order_that_is_interrupted_leaves_a_line(self, parts, error):
        exchange, venue, host = parts

        def interrupted(intent):
            raise error

        venue.place = interrupted
        with pytest.raises(type(error)):
            exchange.Buy(100, 1)
        (unknown,) = exchange.UnknownOrders()
        (line,) = host.errors
        assert line.startswith(
            f"Buy: interrupted ({type(error).__name__}); the order may have been sent and its outcome is unknown"
        )
        assert unknown.intent.client_order_id in line
        assert exchange.GetLastError() == line

    @pytest.mark.parametrize(("method", "args", "call", "value"), READS)
    def test_a_fault_in_an_adapter_is_raised_and_written_down(self, parts, method, args, call, value):
        exchange, venue, host = parts

        def broken(*_args, **_options):
            raise ZeroDivisionError("a fault")

        setattr(venue, call, broken)
        with pytest.raises(ZeroDivisionError):
            getattr(exchange, method)(*args)
        assert host.errors == [f"{method}: ZeroDivisionError: a fault"]

    def test_there_is_nothing_is_an_empty_list(self, parts):
        exchange, _, host = parts
        for found in (exchange.GetOrders(), exchange.GetTrades(), exchange.GetRecords(), exchange.GetHistoryOrders()):
            assert found == []
            assert isinstance(found, list)
        assert host.errors == []

    def test_what_a_spot_venue_cannot_do(self, parts):
        exchange, _, host = parts
        assert exchange.GetPositions() is None
        assert exchange.GetPosition() is None
        assert exchange.GetFundings() is None
        assert all("does not support" in line for line in host.errors)
        assert len(host.errors) == 3

    @pytest.mark.parametrize(
        "method", ["GetTicker", "GetDepth", "GetTrades", "GetRecords", "GetOrders", "GetHistoryOrders"]
    )
    @pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC_", "_USDT", "BTC_USDT_X", "BTC USDT", "B TC_USDT", 5.5j])
    def test_what_is_no_symbol(self, parts, method, symbol):
        exchange, venue, host = parts
        assert getattr(exchange, method)(symbol) is None
        assert sum(venue.calls.values()) == 0
        assert len(host.errors) == 1
        assert repr(symbol) in host.errors[0]

    def test_an_unknown_symbol_is_named_with_the_nearest(self, parts):
        exchange, venue, host = parts
        assert exchange.CreateOrder("BTC_USDX", "buy", 100, 1) is None
        assert "'BTC_USDX'" in host.errors[0]
        assert "did you mean 'BTC_USDT'" in host.errors[0]
        assert venue.calls["place"] == 0


class TestUnknownNames:
    @pytest.mark.parametrize("name", ["GetTickr", "getTicker", "GetDeptth"])
    def test_a_method(self, parts, name):
        with pytest.raises(UnknownName, match=r"no method .*did you mean .*Get(Ticker|Depth)"):
            getattr(parts[0], name)
        with pytest.raises(AttributeError):
            getattr(parts[0], name)
        assert not hasattr(parts[0], name)

    @pytest.mark.parametrize("name", ["GetTickr", "SetCurrency", "close", "_call", "Go", None])
    def test_a_method_in_the_background(self, parts, name):
        with pytest.raises(UnknownName, match="for background calls"):
            parts[0].Go(name)

    @pytest.mark.parametrize(
        ("method", "args"),
        [("GetTicker", ("a", "b")), ("Buy", (1,)), ("Buy", ()), ("CancelOrder", ()), ("GetMarkets", (1,))],
    )
    def test_arguments_that_do_not_fit(self, parts, method, args):
        with pytest.raises(TypeError):
            parts[0].Go(method, *args)
        with pytest.raises(TypeError):
            getattr(parts[0], method)(*args)

    def test_an_exchange(self):
        with pytest.raises(UnknownName, match="no exchange 'Binanse'; did you mean 'Binance'"):
            Exchange("Binanse", "BTC_USDT")

    def test_a_way_of_failing(self):
        with pytest.raises(UnknownName, match="raise"):
            Exchange("Fake", "BTC_USDT", venue=FakeVenue(), errors="rise")  # type: ignore[arg-type]

    def test_a_command(self, parts):
        exchange, _, host = parts
        assert exchange.IO("bse", "x") is None
        assert "'bse'" in host.errors[0]
        assert "'base'" in host.errors[0]

    def test_a_side(self, parts):
        exchange, venue, host = parts
        assert exchange.CreateOrder("", "byu", 100, 1) is None
        assert "did you mean 'buy'" in host.errors[0]
        assert venue.calls["place"] == 0


class TestOrders:
    def test_buy_and_sell(self, parts):
        exchange, venue, host = parts
        bought = exchange.Buy(100.129, 1.00019, "why", {"a": 1})
        sold = exchange.Sell(-1, 2)
        assert [(i.side, i.price, i.amount) for i in venue.placed] == [
            ("buy", Decimal("100.12"), Decimal("1.0001")),
            ("sell", None, Decimal(2)),
        ]
        assert host.lines == [
            Line(LOG_TYPE_BUY, "Fake", "BTC_USDT", 100.12, 1.0001, bought, ("why", {"a": 1})),
            Line(LOG_TYPE_SELL, "Fake", "BTC_USDT", -1.0, 2.0, sold, ()),
        ]
        assert host.errors == []

    def test_create_order_of_another_symbol(self, parts):
        exchange, venue, host = parts
        order_id = exchange.CreateOrder("ETH_USDT", "sell;timeInForce=IOC&x=1", 100, 1, "tail")
        assert (venue.placed[0].symbol, venue.placed[0].time_in_force, dict(venue.placed[0].options)) == (
            "ETH_USDT",
            "IOC",
            {"x": "1"},
        )
        assert host.lines[0].symbol == "ETH_USDT"
        assert exchange.GetOrder(order_id).Type == ORDER_TYPE_SELL

    def test_the_life_of_an_order(self, parts):
        exchange, venue, host = parts
        order_id = exchange.Buy(100, 2)
        assert exchange.GetOrder(order_id).Type == ORDER_TYPE_BUY
        assert [order.Id for order in exchange.GetOrders()] == [order_id]
        venue.fill(order_id, 0.5)
        order = exchange.GetOrder(order_id)
        assert (order.DealAmount, order.AvgPrice) == (0.5, 100)
        assert exchange.CancelOrder(order_id, "changed my mind") is True
        assert host.lines[-1] == Line(LOG_TYPE_CANCEL, "Fake", "", 0.0, 0.0, order_id, ("changed my mind",))
        assert exchange.GetOrder(order_id).Status == ORDER_STATE_CANCELED
        assert exchange.GetOrders() == []
        assert exchange.CancelOrder(order_id) is False

    def test_orders_of_one_symbol_or_of_all(self, parts):
        exchange, _, _ = parts
        first, second = exchange.Buy(100, 1), exchange.CreateOrder("ETH_USDT", "buy", 100, 1)
        assert {o.Id for o in exchange.GetOrders()} == {first, second}
        assert [o.Id for o in exchange.GetOrders("ETH_USDT")] == [second]
        assert [o.Id for o in exchange.GetOrders("eth_usdt")] == [second]

    @pytest.mark.parametrize(
        ("args", "asked"),
        [
            ((), ("BTC_USDT", 0, 0)),
            (("ETH_USDT",), ("ETH_USDT", 0, 0)),
            (("ETH_USDT", 5), ("ETH_USDT", 5, 0)),
            (("ETH_USDT", 5, 6), ("ETH_USDT", 5, 6)),
            (("", 5, 6), ("BTC_USDT", 5, 6)),
            ((1_600_000_000_000,), ("BTC_USDT", 1_600_000_000_000, 0)),
            ((5, 6), ("BTC_USDT", 5, 6)),
        ],
    )
    def test_forms_of_history_orders(self, parts, args, asked):
        exchange, venue, _ = parts
        seen = []
        venue.history_orders = lambda *given: seen.append(given) or []
        assert exchange.GetHistoryOrders(*args) == []
        assert seen == [asked]

    @pytest.mark.parametrize("args", [(-1,), ("BTC_USDT", "5"), (1, 2, 3), ("", 1, 2, 3), (True,), ("", 1.5)])
    def test_bad_forms_of_history_orders(self, parts, args):
        exchange, venue, host = parts
        assert exchange.GetHistoryOrders(*args) is None
        assert venue.calls["history_orders"] == 0
        assert len(host.errors) == 1

    @pytest.mark.parametrize("price", ["100", None, float("nan"), float("inf"), -2, 0, True, 0.001])
    def test_bad_prices_send_nothing(self, parts, price):
        exchange, venue, host = parts
        assert exchange.Buy(price, 1) is None
        assert exchange.Sell(price, 1) is None
        assert exchange.CreateOrder("", "buy", price, 1) is None
        assert (venue.calls["place"], len(host.errors)) == (0, 3)

    @pytest.mark.parametrize("amount", ["1", None, float("nan"), float("inf"), -1, 0, False, 0.00001])
    def test_bad_amounts_send_nothing(self, parts, amount):
        exchange, venue, host = parts
        assert exchange.Buy(100, amount) is None
        assert exchange.Sell(-1, amount) is None
        assert (venue.calls["place"], len(host.errors)) == (0, 2)

    @pytest.mark.parametrize("order_id", ["", None, 5, b"x"])
    def test_bad_ids_send_nothing(self, parts, order_id):
        exchange, venue, host = parts
        assert exchange.CancelOrder(order_id) is False
        assert exchange.GetOrder(order_id) is None
        assert (sum(venue.calls.values()), len(host.errors)) == (0, 2)

    def test_rules_are_fetched_once(self, parts):
        exchange, venue, _ = parts
        for _ in range(5):
            exchange.Buy(100, 1)
        assert venue.calls["rules"] == 1

    def test_rules_that_cannot_be_fetched_send_nothing(self, parts):
        exchange, venue, host = parts
        venue.fail("rules", TimedOut("late"))
        assert exchange.Buy(100, 1) is None
        assert (venue.calls["place"], host.errors) == (0, ["Buy: late"])
        assert exchange.Buy(100, 1)

    def test_a_venue_without_rules_takes_the_strategy_s_digits(self, parts):
        exchange, venue, _ = parts
        venue.fail("rules", NotSupported("none"), always=True)
        exchange.SetPrecision(1, 3)
        assert exchange.Buy(100.19, 1.23456)
        assert (str(venue.placed[0].price), str(venue.placed[0].amount)) == ("100.1", "1.234")

    def test_get_markets_renews_the_rules(self, parts):
        exchange, venue, _ = parts
        exchange.Buy(100, 1)
        venue.market_rules["BTC_USDT"]["TickSize"] = 0.5
        assert exchange.GetMarkets()["BTC_USDT"].TickSize == 0.5
        exchange.Buy(100.9, 1)
        assert str(venue.placed[-1].price) == "100.5"

    def test_precision(self, parts):
        exchange, venue, host = parts
        assert exchange.SetPrecision(1, 0) is None
        exchange.Sell(100.99, 2.9)
        assert (float(venue.placed[0].price), float(venue.placed[0].amount)) == (100.9, 2)
        for bad in ((-1, 2), (1.5, 2), ("1", 2), (True, 1), (10**9, 2)):
            exchange.SetPrecision(*bad)
        assert len(host.errors) == 5
        exchange.Sell(100.99, 2.9)
        assert float(venue.placed[1].price) == 100.9

    def test_the_least_that_can_be_had(self, parts):
        exchange, venue, host = parts
        assert (exchange.GetMinStock(), exchange.GetMinPrice()) == (0.0001, 0.01)
        venue.list_pair("X_USDT", MinQty=0)
        exchange.GetMarkets()
        exchange.SetCurrency("X_USDT")
        assert exchange.GetMinStock() is None
        assert "does not say" in host.errors[0]


class TestUnknownOutcome:
    def test_its_own_line_and_it_is_kept(self, parts):
        exchange, venue, host = parts
        venue.lose_reply()
        venue.fail("order_by_client_id", TimedOut("late"), always=True)
        assert exchange.Buy(100, 1) is None
        assert len(host.errors) == 1
        assert "outcome is unknown" in host.errors[0]
        (record,) = exchange.UnknownOrders()
        assert record.intent == venue.placed[0]
        assert record.intent.client_order_id in host.errors[0]
        assert exchange.stats["unknown_orders"] == 1

    def test_raised_with_the_id(self):
        exchange, venue, _ = make(errors="raise", clock=JumpClock())
        venue.lose_reply()
        venue.fail("order_by_client_id", TimedOut("late"), always=True)
        with pytest.raises(OutcomeUnknown) as caught:
            exchange.Buy(100, 1)
        assert caught.value.client_order_id == venue.placed[0].client_order_id

    def test_reconcile_finds_it_later(self, parts):
        exchange, venue, _ = parts
        venue.lose_reply()
        venue.fail("order_by_client_id", TimedOut("late"), always=True)
        exchange.Buy(100, 1)
        (still,) = exchange.Reconcile()
        assert (still.fate, still.detail) == ("unknown", "late")
        venue.heal()
        (found,) = exchange.Reconcile()
        assert found.fate == "placed"
        assert exchange.GetOrder(found.order_id).Info.clientOrderId == venue.placed[0].client_order_id
        assert exchange.UnknownOrders() == []
        assert exchange.Reconcile() == []

    def test_reconcile_learns_that_there_is_none(self, parts):
        exchange, venue, _ = parts
        venue.fail("place", OutcomeUnknown("no reply"))
        venue.fail("order_by_client_id", TimedOut("late"), always=True)
        exchange.Buy(100, 1)
        venue.heal()
        (found,) = exchange.Reconcile()
        assert (found.fate, found.order_id) == ("absent", "")

    def test_reconcile_does_not_believe_too_early(self):
        clock = JumpClock()
        exchange, venue, host = make(clock=clock, lookup=None)
        venue.settling_s = 10.0
        core = exchange._core

        def broken(intent):
            raise ZeroDivisionError

        venue.place = broken
        with pytest.raises(ZeroDivisionError):
            exchange.Buy(100, 1)
        assert [one.fate for one in exchange.Reconcile()] == ["unknown"]
        clock.advance(10.0)
        assert [one.fate for one in exchange.Reconcile()] == ["absent"]
        assert core.intents.unknown() == []
        assert len(host.errors) == 1

    def test_reconcile_counts_from_when_the_order_left(self):
        clock = JumpClock()
        exchange, venue, _ = make(clock=clock, lookup=None)
        venue.settling_s = 10.0

        def slow(intent):
            clock.advance(9.0)  # opening the connection, say
            raise KeyboardInterrupt

        venue.place = slow
        with pytest.raises(KeyboardInterrupt):
            exchange.Buy(100, 1)
        clock.advance(5.0)
        assert [one.fate for one in exchange.Reconcile()] == ["unknown"]
        assert [one.fate for one in exchange.Reconcile()] == ["unknown"]
        clock.advance(5.0)
        assert [one.fate for one in exchange.Reconcile()] == ["absent"]

    def test_a_found_order_is_logged_like_any(self, parts):
        exchange, venue, host = parts
        venue.lose_reply()
        order_id = exchange.Buy(100, 1, "tail")
        assert order_id
        assert [line.order_id for line in host.lines] == [order_id]
        assert host.errors == []


class TestRate:
    def test_every_price_is_multiplied(self, parts):
        exchange, venue, _ = parts
        venue.public_trades["BTC_USDT"] = [Trade(Id="1", Time=1, Price=100.1, Amount=2.0, Type=0)]
        venue.positions = lambda symbol: [Position(Symbol="x", Price=0.1, Amount=3.0)]
        venue.fundings = lambda symbol: [Funding(Symbol="x", Rate=0.1)]
        assert exchange.SetRate(7) == 7.0
        assert exchange.GetRate() == 7.0
        assert exchange.GetTicker().Sell == 700.07
        assert exchange.GetTicker().Volume == 1.0
        assert exchange.GetTickers()[0].Buy == 699.93
        assert exchange.GetDepth().Asks[0] == MarketOrder(Price=700.07, Amount=1.0)
        assert exchange.GetTrades()[0].Price == 700.7
        assert exchange.GetPositions()[0].Price == 0.7  # not 0.7000000000000001
        assert exchange.GetFundings()[0].Rate == 0.1
        assert exchange.GetAccount().Balance == 1_000_000

    def test_order_prices_go_both_ways(self, parts):
        exchange, venue, host = parts
        exchange.SetRate(7)
        order_id = exchange.Buy(700.07, 1)
        assert str(venue.placed[0].price) == "100.01"
        venue.fill(order_id)
        order = exchange.GetOrder(order_id)
        assert (order.Price, order.AvgPrice, order.Status) == (700.07, 700.07, ORDER_STATE_CLOSED)
        assert host.lines[0].price == 700.07
        market = exchange.Sell(-1, 1)
        assert exchange.GetOrder(market).Price == -1

    def test_one_is_off(self, parts):
        exchange, _, host = parts
        exchange.SetRate(7)
        assert exchange.SetRate() == 1.0
        assert exchange.GetTicker().Sell == 100.01
        for bad in (0, -1, "7", None, float("nan")):
            assert exchange.SetRate(bad) is None
        assert len(host.errors) == 5
        assert exchange.GetRate() == 1.0


class TestSettings:
    def test_names(self):
        exchange, _, _ = make(label="my account")
        assert (exchange.GetName(), exchange.GetLabel()) == ("Fake", "my account")
        assert (exchange.GetCurrency(), exchange.GetBaseCurrency(), exchange.GetQuoteCurrency()) == (
            "BTC_USDT",
            "BTC",
            "USDT",
        )
        assert "my account" in repr(exchange)

    def test_switching_the_pair(self, parts):
        exchange, _, host = parts
        assert exchange.SetCurrency("eth_usdt") is True
        assert exchange.GetCurrency() == "ETH_USDT"
        assert exchange.GetTicker().Symbol == "ETH_USDT"
        assert exchange.IO("currency", "BTC_USDT") is True
        assert exchange.GetCurrency() == "BTC_USDT"
        for bad in ("BTC", "", None, 5, "A_B_C"):
            assert exchange.SetCurrency(bad) is None
        assert exchange.GetCurrency() == "BTC_USDT"
        assert len(host.errors) == 5

    def test_base(self, parts):
        exchange, venue, host = parts
        assert exchange.SetBase("http://127.0.0.1:8080") == "http://127.0.0.1:8080"
        assert (exchange.GetBase(), venue.base()) == ("http://127.0.0.1:8080",) * 2
        assert exchange.IO("base", "https://x.example") == "https://x.example"
        for bad in ("ftp://x", "x", "", None):
            assert exchange.SetBase(bad) is None
        assert exchange.GetBase() == "https://x.example"
        assert len(host.errors) == 4
        for bad in ("ftp://me:hunter2@x", "me:hunter2@x", "x?key=hunter2"):
            assert exchange.SetBase(bad) is None
            assert exchange.IO("api", "", bad) is None
        assert "hunter2" not in "".join(host.errors)

    def test_a_base_of_market_data(self, parts):
        exchange, venue, host = parts
        exchange.GetRecords(60)
        exchange.Buy(100, 1)
        assert exchange.IO("mbase", "https://data.example/api/v3") == "https://data.example"
        assert (exchange.GetBase(), venue.market_base()) == ("memory://fake", "https://data.example")
        assert len(host.warnings) == 1
        exchange.GetRecords(60)
        assert venue.calls["records"] == 2, "bars of another base were kept"
        exchange.Buy(100, 1)
        assert venue.calls["rules"] == 1, "rules come from where orders go"
        for bad in ("ftp://x", "x", None):
            assert exchange.IO("mbase", bad) is None
        assert venue.market_base() == "https://data.example"
        assert exchange.IO("mbase", "") == "memory://fake"

    def test_another_base_has_other_rules(self, parts):
        exchange, venue, _ = parts
        exchange.Buy(100, 1)
        exchange.SetBase("http://127.0.0.1:8080")
        exchange.Buy(100, 1)
        assert venue.calls["rules"] == 2

    def test_timeout_and_proxy(self, parts):
        exchange, venue, host = parts
        assert exchange.SetTimeout(1500) is True
        assert exchange.SetProxy("socks5://127.0.0.1:9") is True
        assert (venue.timeout_ms, venue.proxy) == (1500, "socks5://127.0.0.1:9")
        for bad in (0, -1, "5", None, float("inf")):
            assert exchange.SetTimeout(bad) is None
        assert exchange.SetProxy(None) is None
        assert len(host.errors) == 6

    def test_bad_arguments_of_an_exchange(self):
        for options in ({"period": 0}, {"period": "60"}, {"max_workers": 0}):
            with pytest.raises(InputError):
                Exchange("Fake", "BTC_USDT", venue=FakeVenue(), **options)
        with pytest.raises(InputError, match="symbol"):
            Exchange("Fake", "BTCUSDT", venue=FakeVenue())
        for options in ({"secret_key": "x"}, {"base": "http://x"}, {"recv_window_ms": 5}):
            with pytest.raises(InputError, match="are the venue's"):
                Exchange("Fake", "BTC_USDT", venue=FakeVenue(), **options)

    def test_keys_reach_the_venue_and_the_host_that_hides_them(self, monkeypatch):
        made = {}

        class Own(Exchange):
            @staticmethod
            def venue_factory(name, **options):
                made.update(options, name=name)
                return FakeVenue(name)

        monkeypatch.setenv("FMZ_FAKE_PASSPHRASE", "the phrase")
        host = MemoryHost()
        exchange = Own(
            "Fake", "BTC_USDT", access_key="ak", secret_key="the secret", base="http://b", host=host, extra=1
        )
        credentials = made["credentials"]
        assert isinstance(credentials, Credentials)
        assert (credentials.access_key, credentials.secret_key, credentials.passphrase) == (
            "ak",
            "the secret",
            "the phrase",
        )
        assert (made["base"], made["clock"], made["extra"]) == ("http://b", host.clock, 1)
        assert set(host.secrets) == {"ak", "the secret", "the phrase"}
        assert "secret" not in repr(exchange)

    @pytest.mark.parametrize(("given", "used"), [("", "http://127.0.0.1:7"), ("http://own", "http://own")])
    def test_the_base_comes_from_the_environment_when_none_is_given(self, monkeypatch, given, used):
        bases = []

        class Own(Exchange):
            @staticmethod
            def venue_factory(name, **options):
                bases.append(options["base"])
                return FakeVenue(name)

        monkeypatch.setenv("FMZ_FAKE_BASE", "http://127.0.0.1:7")
        Own("Fake", "BTC_USDT", base=given)
        assert bases == [used]

    def test_a_quiet_host(self):
        exchange = Exchange("Fake", "BTC_USDT", venue=FakeVenue(), host=QuietHost())
        assert exchange.CancelOrder("x,1") is False
        assert "no open order" in exchange.GetLastError()
        assert exchange.Go("GetTicker").wait().ok

    def test_the_host_learns_of_the_exchange_and_its_background_calls(self):
        host = MemoryHost()
        exchanges = [Exchange("Fake", "BTC_USDT", venue=FakeVenue(), host=host) for _ in range(2)]
        assert host.exchanges == exchanges
        exchanges[1].Go("GetTicker").wait()
        assert host.announced == [("Exchange_GetTicker", 1)]

    def test_closing(self):
        exchange, venue, _ = make()
        with exchange as same:
            assert same is exchange
            exchange.Go("GetTicker").wait()
        assert venue.closed
        with pytest.raises(StopRequested):
            exchange.Go("GetTicker")


class TestIO:
    def test_api(self, parts):
        exchange, venue, _ = parts
        venue.replies["POST", "/v5/order"] = Info(ok=1)
        assert exchange.IO("api", "post", "/v5/order", "amount='1'", '{"a":1}').ok == 1
        assert exchange.IO("api", "GET", "/v5/none") == {}
        assert venue.requests == [("POST", "/v5/order", "amount='1'", '{"a":1}'), ("GET", "/v5/none", "", "")]

    @pytest.mark.parametrize(
        "args",
        [
            ("api",),
            ("api", "GET"),
            ("api", "GET", "/x", "", "", ""),
            ("api", "GET", "/x", {"a": 1}),
            ("api", 5, "/x"),
            ("api", "", "/x"),
            ("api", "GET", ""),
            ("currency",),
            ("currency", "A_B", "C_D"),
            ("base",),
            ("rate", "GetTicker", 1, "1s", "delay", 5),
            ("rate", "GetTickr", 1, "1s"),
            ("rate", "GetTicker", 1),
            (None,),
            ("simulate", True),
        ],
    )
    def test_bad_commands(self, parts, args):
        exchange, venue, host = parts
        assert exchange.IO(*args) is None
        assert len(host.errors) == 1
        assert sum(venue.calls.values()) == 0

    def test_a_venue_s_own_command(self, parts):
        exchange, venue, _ = parts
        venue.io = lambda command, *args: (command, args)
        assert exchange.IO("simulate", True) == ("simulate", (True,))

    def test_rates_hold_for_plain_and_background_calls(self, parts):
        exchange, venue, host = parts
        assert exchange.IO("rate", "GetTicker", 2, "1m") is True
        assert exchange.GetTicker() is not None
        assert exchange.Go("GetTicker").wait().value is not None
        assert exchange.GetTicker() is None
        assert exchange.Go("GetTicker").wait() == (None, True)
        assert host.errors == ["GetTicker: rate limit exceeded: GetTicker 2/1m"] * 2
        assert venue.calls["ticker"] == 2
        exchange.close()

    def test_orders_share_the_rule_of_create_order(self, parts):
        exchange, venue, _ = parts
        exchange.IO("quota", "CreateOrder", 2, "1d")
        assert exchange.Buy(100, 1)
        assert exchange.CreateOrder("", "sell", 100, 1)
        assert exchange.Sell(100, 1) is None
        assert venue.calls["place"] == 2

    def test_a_call_that_is_refused_is_not_counted(self, parts):
        exchange, _, _ = parts
        exchange.IO("rate", "Buy", 1, "1m")
        assert exchange.Buy("x", 1) is None
        assert exchange.Buy(100, 1)

    def test_raw_calls_have_their_rule(self, parts):
        exchange, _, _ = parts
        exchange.IO("rate", "IO/api", 1, "1m")
        assert exchange.IO("api", "GET", "/x") == {}
        assert exchange.IO("api", "GET", "/x") is None
        assert exchange.IO("currency", "ETH_USDT") is True

    def test_delay(self, parts):
        exchange, _, host = parts
        exchange.IO("rate", "*", 1, "1s", "delay")
        for _ in range(3):
            assert exchange.GetTicker() is not None
        assert sum(host.clock.slept) == pytest.approx(2.0)
        assert exchange.IO("rate", "", 0, "") is True
        exchange.GetTicker()
        assert sum(host.clock.slept) == pytest.approx(2.0)


class TestLog:
    def test_lines_without_orders(self, parts):
        exchange, venue, host = parts
        assert exchange.Log(LOG_TYPE_BUY, 99, 1, "a") is None
        exchange.Log(LOG_TYPE_SELL, -1, 2)
        exchange.Log(LOG_TYPE_CANCEL, "BTCUSDT,5")
        assert host.lines == [
            Line(LOG_TYPE_BUY, "Fake", "BTC_USDT", 99.0, 1.0, "", ("a",)),
            Line(LOG_TYPE_SELL, "Fake", "BTC_USDT", -1.0, 2.0, "", ()),
            Line(LOG_TYPE_CANCEL, "Fake", "", 0.0, 0.0, "BTCUSDT,5", ()),
        ]
        assert sum(venue.calls.values()) == 0

    @pytest.mark.parametrize("args", [(9, 1, 1), ("buy", 1, 1), (LOG_TYPE_BUY, "x", 1), (True, 1, 1)])
    def test_bad_lines(self, parts, args):
        exchange, _, host = parts
        exchange.Log(*args)
        assert (len(host.errors), host.lines) == (1, [])


def test_results_are_plain_json(parts):
    exchange, _, _ = parts
    for result in (exchange.GetTicker(), exchange.GetDepth(), exchange.GetAccount(), exchange.GetMarkets()):
        assert json.loads(json.dumps(result)) == result


def test_depth_with_a_limit(parts):
    assert len(parts[0].GetDepth("", 2).Asks) == 2
    assert parts[0].GetDepth("", 0) is None
    assert parts[0].GetDepth("", "2") is None


def test_warm():
    exchange, venue, host = make(clock=WallClock())
    assert exchange.warm(4) is True
    assert venue.warmed == 4
    assert venue.calls["rules"] == 1
    exchange.Buy(100, 1)
    assert venue.calls["rules"] == 1

    def broken(connections):
        raise ConnectFailed("refused")

    venue.warm = broken
    assert exchange.warm(2) is False
    assert host.errors == ["warm: refused"]
    exchange.close()


def test_contracts_are_part_of_the_symbol():
    exchange, venue, _ = make(currency="BTC_USDT.swap")
    venue.list_pair("BTC_USDT.swap")
    asked = []
    venue.positions = lambda symbol: asked.append(symbol) or []
    assert exchange.GetCurrency() == "BTC_USDT"
    assert exchange.GetTicker().Symbol == "BTC_USDT.swap"
    assert exchange.CreateOrder("", "closebuy", 100, 1)
    assert venue.placed[0].side == "closebuy"
    exchange.GetPositions()
    exchange.GetPositions("USDT.swap")
    assert asked == ["BTC_USDT.swap", "USDT.swap"]
    exchange.SetCurrency("BTC_USDT")
    assert exchange.GetTicker().Symbol == "BTC_USDT"


def test_the_fake_venue_fills_the_port():
    assert isinstance(FakeVenue(), Venue)
    for name, member in inspect.getmembers(Venue, inspect.isfunction):
        if not name.startswith("_"):
            expected = list(inspect.signature(member).parameters)
            assert list(inspect.signature(getattr(FakeVenue, name)).parameters) == expected, name


def test_a_bad_reply_shows_its_beginning(parts):
    exchange, venue, host = parts
    venue.fail("ticker", BadReply("not JSON: <html>", request="GET http://x/ticker"))
    assert exchange.GetTicker() is None
    assert host.errors == ["GetTicker: not JSON: <html> [GET http://x/ticker]"]
