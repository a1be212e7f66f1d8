"""The adapters, and ccxt behind the same port, against the simulated exchanges, over real sockets: every method of the port, and what goes wrong on the way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.constants import (
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.exchange.market_rules import MarketRules
from fmzthreads.exchange.order_log import new_client_order_id
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.http.client import HttpOptions, RetryPolicy
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.ccxt.venue import CcxtVenue
from fmzthreads.venues.okx.venue import OKX

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.simulator import SimulatorServer
from tests.helpers.last_reply import last_text

NAMES = ("binance", "okx", "ccxt:binance", "ccxt:okx")
USUAL = HttpOptions(timeout_ms=60_000, connect_timeout_ms=30_000)
ONCE = HttpOptions(timeout_ms=60_000, retry=RetryPolicy(retries=0))


class Pair:
    """A simulated exchange and the adapter that speaks to it."""

    def __init__(self, name: str, *, http: HttpOptions = USUAL, **options: Any) -> None:
        self.http = http
        self.name = name.removeprefix("ccxt:")
        self.by_ccxt = name != self.name
        self.server = SimulatorServer(self.name, seed=11, moving=False, **options)

    def __enter__(self) -> Pair:
        self.server.start()
        server = self.server
        keys = Credentials(access_key=server.key, secret_key=server.secret, passphrase=server.passphrase)
        self.venue: Any = self.make(credentials=keys, base=server.base_url, options=self.http)
        return self

    def make(self, **options: Any) -> Any:
        if self.by_ccxt:
            pytest.importorskip("ccxt", reason="needs the extra 'ccxt'")
            return CcxtVenue(self.name, paced=False, **options)
        return (Binance if self.name == "binance" else OKX)(**options)

    def __exit__(self, *_: object) -> None:
        self.venue.close()
        self.server.stop()

    def intent(self, side: Any = "buy", away: float = 0.5, amount: str = "0.01", **changes: Any) -> OrderIntent:
        """A limit order, ``away`` times the best price of its own side (below 1 for a buy: it rests)."""
        book = self.venue.depth("BTC_USDT", 5)
        best = book.Bids[0].Price if side == "buy" else book.Asks[0].Price
        rules = MarketRules.of("BTC_USDT", self.venue.markets()["BTC_USDT"])
        given: dict[str, Any] = {
            "symbol": "BTC_USDT",
            "side": side,
            "price": rules.cut_price(Decimal(repr(best * away))),
            "amount": Decimal(amount),
            "client_order_id": new_client_order_id(),
        }
        return OrderIntent(**{**given, **changes})


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with Pair(request.param, rate_scale=0.0) as made:
        yield made


def test_market_data(pair: Pair) -> None:
    venue = pair.venue
    market = venue.markets()["BTC_USDT"]
    assert (market.BaseAsset, market.QuoteAsset) == ("BTC", "USDT")
    assert market.TickSize > 0
    assert market.AmountSize > 0
    ticker = venue.ticker("BTC_USDT")
    assert ticker.Buy < ticker.Sell
    assert ticker.Low <= ticker.Last <= ticker.High
    assert {t.Symbol for t in venue.tickers()} == {"BTC_USDT", "ETH_USDT"}
    book = venue.depth("BTC_USDT", 5)
    assert (len(book.Asks), len(book.Bids)) == (5, 5)
    assert (book.Asks[0].Price, book.Bids[0].Price) == (ticker.Sell, ticker.Buy)
    assert [level.Price for level in book.Asks] == sorted(level.Price for level in book.Asks)
    assert [level.Price for level in book.Bids] == sorted((level.Price for level in book.Bids), reverse=True)
    now_ms = time.time() * 1000
    assert abs(book.Time - now_ms) < 60_000
    trades = venue.trades("BTC_USDT", 10)
    assert trades
    assert [t.Time for t in trades] == sorted(t.Time for t in trades)
    assert {t.Type for t in trades} <= {ORDER_TYPE_BUY, ORDER_TYPE_SELL}


def test_bars_of_every_period_are_aligned_to_utc(pair: Pair) -> None:
    for period_s in pair.venue.periods_s():
        bars = pair.venue.records("BTC_USDT", period_s, 3)
        assert len(bars) <= 3
        # A week begins on a Monday; the epoch was a Thursday. Spans of two or three days are counted from the epoch.
        shift = 4 * 86_400_000 if period_s == 604_800 else 0
        assert all((t - shift) % (period_s * 1000) == 0 for t in bars.Time), period_s
        assert list(bars.Time) == sorted(bars.Time)
    bars = pair.venue.records("BTC_USDT", 60, 3)
    assert len(bars) == 3
    assert all(bar.Low <= min(bar.Open, bar.Close) <= max(bar.Open, bar.Close) <= bar.High for bar in bars)


def test_more_bars_than_fit_in_one_request(pair: Pair) -> None:
    bars = pair.venue.records("BTC_USDT", 60, 1200)
    times = list(bars.Time)
    assert times == sorted(set(times))
    assert len(times) > 300
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {60_000}


def test_a_limit_order_from_its_placing_to_its_cancelling(pair: Pair) -> None:
    venue = pair.venue
    before = venue.account("BTC_USDT")
    intent = pair.intent(away=0.7)
    order_id = venue.place(intent)
    assert intent.price is not None
    order = venue.order(order_id)
    assert (order.Id, order.Symbol, order.Status, order.Type) == (
        order_id,
        "BTC_USDT",
        ORDER_STATE_PENDING,
        ORDER_TYPE_BUY,
    )
    assert (order.Price, order.Amount, order.DealAmount, order.AvgPrice) == (float(intent.price), 0.01, 0.0, 0.0)
    assert venue.order_by_client_id("BTC_USDT", intent.client_order_id).Id == order_id
    assert [o.Id for o in venue.orders("BTC_USDT")] == [order_id]
    assert [(o.Id, o.Symbol) for o in venue.orders()] == [(order_id, "BTC_USDT")]
    assert venue.orders("ETH_USDT") == []
    frozen = venue.account("BTC_USDT")
    cost = float(intent.price * intent.amount)
    assert frozen.FrozenBalance == pytest.approx(cost)
    assert frozen.Balance == pytest.approx(before.Balance - cost)
    venue.cancel(order_id)
    assert venue.order(order_id).Status == ORDER_STATE_CANCELED
    assert venue.orders() == []
    after = venue.account("BTC_USDT")
    assert (after.Balance, after.FrozenBalance) == (before.Balance, 0.0)
    with pytest.raises(errors.OrderNotFound):
        venue.cancel(order_id)


def test_a_fill_moves_the_money(pair: Pair) -> None:
    venue = pair.venue
    before = venue.account("BTC_USDT")
    order_id = venue.place(pair.intent(side="sell", away=0.99, amount="0.02", time_in_force="IOC"))
    order = venue.order(order_id)
    assert (order.Status, order.DealAmount, order.Type) == (ORDER_STATE_CLOSED, 0.02, ORDER_TYPE_SELL)
    after = venue.account("BTC_USDT")
    assert after.Stocks == pytest.approx(before.Stocks - 0.02)
    # What came in is the average price times the amount, less a fee of well under one percent.
    earned = after.Balance - before.Balance
    assert 0.99 * order.AvgPrice * 0.02 < earned <= order.AvgPrice * 0.02
    assert order_id in [o.Id for o in venue.history_orders("BTC_USDT")]
    assert order_id in [o.Id for o in venue.history_orders("BTC_USDT", since_ms=order.Time)]
    assert venue.history_orders("BTC_USDT", since_ms=order.Time + 3_600_000) == []
    resting = venue.place(pair.intent(away=0.7))
    assert [o.Id for o in venue.history_orders("BTC_USDT")] == [order_id, resting]
    venue.cancel(resting)
    assert [o.Id for o in venue.history_orders("BTC_USDT", since_ms=order.Time)] == [order_id, resting]


def test_market_orders(pair: Pair) -> None:
    venue = pair.venue
    before = venue.account("BTC_USDT")
    bought = venue.order(venue.place(pair.intent(price=None, amount="500")))
    assert bought.Status in {ORDER_STATE_CLOSED, ORDER_STATE_CANCELED}  # a remainder too small for a step is let go
    spent = before.Balance - venue.account("BTC_USDT").Balance
    assert 490 < spent <= 500.01
    assert bought.DealAmount * bought.AvgPrice == pytest.approx(spent, rel=0.01)
    sold = venue.order(venue.place(pair.intent(side="sell", price=None, amount="0.01")))
    assert (sold.Status, sold.DealAmount) == (ORDER_STATE_CLOSED, 0.01)


def test_post_only_ioc_and_fok(pair: Pair) -> None:
    venue = pair.venue
    resting = venue.place(pair.intent(away=0.8, time_in_force="GTX"))
    assert venue.order(resting).Status == ORDER_STATE_PENDING
    venue.cancel(resting)
    if pair.name == "binance":
        with pytest.raises(errors.WouldTake):
            venue.place(pair.intent(away=1.05, time_in_force="GTX"))
    else:
        taken = venue.place(pair.intent(away=1.05, time_in_force="GTX"))
        assert (venue.order(taken).Status, venue.order(taken).DealAmount) == (ORDER_STATE_CANCELED, 0.0)
    for time_in_force in ("IOC", "FOK"):
        missed = venue.order(venue.place(pair.intent(away=0.8, time_in_force=time_in_force)))
        assert (missed.Status, missed.DealAmount) == (ORDER_STATE_CANCELED, 0.0)


def test_refusals(pair: Pair) -> None:
    venue = pair.venue
    with pytest.raises(errors.InsufficientFunds):
        venue.place(pair.intent(side="sell", away=1.2, amount="11"))
    with pytest.raises((errors.InvalidOrder, errors.InputError)):  # ccxt may refuse it itself
        venue.place(pair.intent(away=0.9, amount="0.000001"))
    resting = pair.intent(away=0.7)
    order_id = venue.place(resting)
    with pytest.raises(errors.DuplicateOrder):
        venue.place(resting)
    venue.cancel(order_id)
    with pytest.raises(errors.OrderNotFound):
        venue.order(order_id.split(",")[0] + ",987654321")
    with pytest.raises(errors.OrderNotFound):
        venue.order_by_client_id("BTC_USDT", "nosuchorder")
    with pytest.raises(errors.UnknownSymbol, match="BTC_USDT"):
        venue.depth("BTC_USTD")
    server = pair.server
    for keys in (
        Credentials(access_key=server.key, secret_key="wrong" * 8, passphrase=server.passphrase or "x"),
        Credentials(access_key="wrong" * 8, secret_key=server.secret, passphrase=server.passphrase or "x"),
    ):
        other = pair.make(credentials=keys, base=server.base_url)
        with pytest.raises(errors.AuthenticationFailed):
            other.assets()
        other.close()


def test_assets(pair: Pair) -> None:
    held = {a.Currency: (a.Amount, a.FrozenAmount) for a in pair.venue.assets()}
    assert held == {"USDT": (1_000_000.0, 0.0), "BTC": (10.0, 0.0), "ETH": (200.0, 0.0)}


def test_raw_calls(pair: Pair) -> None:
    venue = pair.venue
    if pair.name == "binance":
        assert venue.request("GET", "/api/v3/ticker/price", "symbol=BTCUSDT").symbol == "BTCUSDT"
        assert venue.request("GET", "/api/v3/account", "omitZeroBalances='true'").accountType == "SPOT"
        placed = venue.request(
            "POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity='0.01'&price='45000'"
        )
        venue.request("DELETE", "/api/v3/order", f"symbol=BTCUSDT&orderId={placed.orderId}")
        with pytest.raises(errors.UnknownSymbol):
            venue.request("GET", "/api/v3/depth", "symbol=NOPE")
    else:
        assert venue.request("GET", "/api/v5/market/ticker", "instId=BTC-USDT").data[0].instId == "BTC-USDT"
        assert venue.request("GET", "/api/v5/account/balance", "ccy=BTC,USDT").data[0].details[0].ccy
        wanted = "instId=BTC-USDT&tdMode=cash&side=buy&ordType=limit&sz='0.01'&px='45000'"
        placed = venue.request("POST", "/api/v5/trade/order", wanted)
        venue.request("POST", "/api/v5/trade/cancel-order", f"instId=BTC-USDT&ordId='{placed.data[0].ordId}'")
        placed = (
            venue.request("POST", "/api/v5/trade/order", wanted)
            if pair.by_ccxt
            else venue.request(
                "POST",
                "/api/v5/trade/order",
                raw='{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","sz":"0.01","px":"45000"}',
            )
        )
        venue.request("POST", "/api/v5/trade/cancel-order", f"instId=BTC-USDT&ordId='{placed.data[0].ordId}'")
        with pytest.raises(errors.UnknownSymbol):
            venue.request("GET", "/api/v5/market/ticker", "instId=NO-PE")
    assert venue.orders() == []
    assert last_text(venue)


def test_the_last_reply_of_this_thread(pair: Pair) -> None:
    pair.venue.depth("BTC_USDT", 5)
    assert "bids" in last_text(pair.venue)


@pytest.mark.parametrize("offset_ms", [-45_000, 7_000, 3_600_000])
def test_a_venue_whose_clock_is_off(pair: Pair, offset_ms: int) -> None:
    pair.server.faults.set(clock_offset_ms=offset_ms)
    order_id = pair.venue.place(pair.intent(away=0.7))
    pair.venue.cancel(order_id)


def test_a_clock_that_jumps(pair: Pair) -> None:
    venue = pair.venue
    venue.assets()
    pair.server.faults.set(clock_offset_ms=120_000)
    assert venue.assets()  # the read measures the clock again and is repeated
    pair.server.faults.set(clock_offset_ms=-120_000)
    with pytest.raises(errors.ClockSkew):
        venue.place(pair.intent(away=0.7))
    venue.cancel(venue.place(pair.intent(away=0.7)))
    assert venue.orders() == []


def order_path(pair: Pair) -> str:
    if pair.name == "binance":
        return "/api/v3/order"
    return "/api/v5/trade/batch-orders" if pair.by_ccxt else "/api/v5/trade/order"


def test_an_order_whose_reply_is_lost_is_found_by_its_client_id(pair: Pair) -> None:
    venue = pair.venue
    for fault in ({"lose_order_reply": 1}, {"cut_reply": 1}):
        intent = pair.intent(away=0.7)
        venue.assets()
        pair.server.faults.set(order_path(pair), **fault)
        with pytest.raises(errors.OutcomeUnknown) as caught:
            venue.place(intent)
        assert caught.value.client_order_id == intent.client_order_id
        found = venue.order_by_client_id("BTC_USDT", intent.client_order_id)
        assert found.Status == ORDER_STATE_PENDING
        assert [o.Id for o in venue.orders()] == [found.Id]
        venue.cancel(found.Id)


def test_an_order_that_never_arrived_and_the_venue_has_none(pair: Pair) -> None:
    venue = pair.venue
    # Binance's documents call any 5xx unknown; OKX's do not say of code 50001 (503) that nothing was done.
    for fault in ({"error_5xx": 1}, {"refuse": 1}):
        intent = pair.intent(away=0.7)
        pair.server.faults.set(order_path(pair), **fault)
        with pytest.raises(errors.OutcomeUnknown):
            venue.place(intent)
        with pytest.raises(errors.OrderNotFound):
            venue.order_by_client_id("BTC_USDT", intent.client_order_id)


def test_reads_are_repeated_and_orders_are_not(pair: Pair) -> None:
    venue = pair.venue
    venue.depth("BTC_USDT", 5)
    for fault in ({"error_5xx": 2}, {"refuse": 1}, {"cut_reply": 1}):
        pair.server.faults.set("*", **fault)
        assert venue.depth("BTC_USDT", 5).Asks


def test_nothing_is_sent_when_nobody_listens(pair: Pair) -> None:
    intent = pair.intent(away=0.7)
    pair.venue.assets()
    pair.server.refuse_connections()
    with pytest.raises(errors.ConnectFailed):
        pair.venue.place(intent)
    pair.server.refuse_connections(False)
    assert pair.venue.orders() == []


def test_a_refusal_for_too_many_requests_is_waited_out_by_a_read(pair: Pair) -> None:
    venue = pair.venue
    venue.depth("BTC_USDT", 5)
    pair.server.faults.set("*", rate_limit_429=1)
    assert venue.depth("BTC_USDT", 5).Asks


def test_a_ban_is_not_knocked_at() -> None:
    with Pair("binance", rate_scale=0.0) as pair:
        venue = pair.venue
        venue.depth("BTC_USDT", 5)
        pair.server.faults.set("*", ban_418_s=60)
        with pytest.raises(errors.Banned) as caught:
            venue.depth("BTC_USDT", 5)
        assert caught.value.retry_after_s is not None
        assert 50 < caught.value.retry_after_s <= 61
        pair.server.faults.clear()  # the venue would answer again, but we keep to what it said
        with pytest.raises(errors.Banned, match="nothing was sent"):
            venue.place(
                OrderIntent(symbol="BTC_USDT", side="buy", price=Decimal(1), amount=Decimal(1), client_order_id="x")
            )


def test_the_weight_is_held_below_the_venues_limit() -> None:
    with Pair("binance", rate_scale=0.02, http=HttpOptions(timeout_ms=10_000)) as pair:
        pair.venue.rules("BTC_USDT")  # says the limit too
        served = 0
        with pytest.raises(errors.RateLimited, match="nothing was sent"):
            for _ in range(60):
                pair.venue.depth("BTC_USDT", 5)
                served += 1
        # exchangeInfo weighs 20, each book 5, and 95 % of 120 may be used (twice that when a new minute began meanwhile).
        assert 18 <= served <= 42


def test_the_calls_of_an_endpoint_keep_to_its_limit() -> None:
    with Pair("okx", rate_scale=1.0, http=ONCE) as pair:
        for _ in range(25):
            assert pair.venue.ticker("BTC_USDT").Last > 0  # the venue serves 20 in 2 s
        for _ in range(25):
            pair.venue.request("GET", "/api/v5/market/ticker", "instId=BTC-USDT")  # raw calls count too


def test_orders_side_by_side_from_many_threads(pair: Pair) -> None:
    from concurrent.futures import ThreadPoolExecutor

    intents = [pair.intent(away=0.6 + n / 100, amount="0.001") for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(pair.venue.place, intents))
        assert len(set(ids)) == 16
        assert {o.Id for o in pair.venue.orders("BTC_USDT")} == set(ids)
        list(pool.map(pair.venue.cancel, ids))
    assert pair.venue.orders() == []
    pair.venue.close()
