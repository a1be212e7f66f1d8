from __future__ import annotations

import threading
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError
from fmzthreads.simulator.engine.accounts import TradingAccount
from fmzthreads.simulator.engine.book import SelfTrade
from fmzthreads.simulator.engine.events import AccountEvent, BookEvent, OrderEvent, TickerEvent, TradeEvent
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import Instrument, binance_spot
from fmzthreads.simulator.engine.orders import Finish, NewOrder, State, TimeInForce
from fmzthreads.simulator.engine.reasons import Reason, Rejected

PAIR = "BTC_USDT"
FUNDS = {"BTC": D(10), "USDT": D(100_000)}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000)


@pytest.fixture
def exchange(clock: ManualClock) -> SimulatedExchange:
    return SimulatedExchange(clock=clock)


@pytest.fixture
def ann(exchange: SimulatedExchange) -> TradingAccount:
    return exchange.create_account("ann", "ann-key", "ann-secret", "ann-pass", FUNDS)


@pytest.fixture
def bob(exchange: SimulatedExchange) -> TradingAccount:
    return exchange.create_account("bob", "bob-key", balances=FUNDS)


def limit(side: str, price: str, quantity: str, **more: Any) -> NewOrder:
    return NewOrder(instrument=PAIR, side=side, price=D(price), quantity=D(quantity), **more)  # type: ignore[arg-type]


def market(side: str, **more: Any) -> NewOrder:
    return NewOrder(instrument=PAIR, side=side, type="market", **more)  # type: ignore[arg-type]


def refused(exchange: SimulatedExchange, account: TradingAccount, order: NewOrder) -> Reason:
    before = dict(exchange.balances(account)), exchange.depth(PAIR), exchange.open_orders(account)
    with pytest.raises(Rejected) as caught:
        exchange.place(account, order)
    assert (dict(exchange.balances(account)), exchange.depth(PAIR), exchange.open_orders(account)) == before
    return caught.value.reason


def test_a_resting_order_freezes_and_a_cancel_gives_back(exchange: SimulatedExchange, ann: TradingAccount) -> None:
    order = exchange.place(ann, limit("buy", "20000", "0.5", client_id="one"))
    assert (order.state, order.finish, order.filled, order.average_price) == (State.NEW, Finish.OPEN, 0, None)
    assert exchange.balances(ann)["USDT"] == ann.balance("USDT")
    assert (ann.balance("USDT").free, ann.balance("USDT").frozen, ann.balance("USDT").total) == (
        90_000,
        10_000,
        100_000,
    )
    assert exchange.depth(PAIR).bids == ((D("20000.00"), D("0.50000"), 1),)
    gone = exchange.cancel(ann, PAIR, client_id="one")
    assert (gone.order_id, gone.state, gone.finish) == (order.order_id, State.CANCELED, Finish.USER)
    assert ann.balance("USDT").free == 100_000
    assert exchange.depth(PAIR).bids == ()


def test_the_average_price_is_money_by_amount_to_sixteen_digits(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))
    exchange.place(ann, limit("sell", "20001", "0.2"))
    taken = exchange.place(bob, limit("buy", "20100", "0.4"))
    assert taken.filled_quote == D("6000.2")
    assert str(taken.average_price) == "20000.66666666667"  # not the mean of the prices, not the limit price
    assert str(exchange.order(bob, PAIR, taken.order_id).average_price) == "20000.66666666667"


def test_both_sides_pay_their_fee_in_what_they_receive(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    exchange.place(ann, limit("sell", "20000", "0.5"))
    taken = exchange.place(bob, limit("buy", "20100", "0.2"))
    assert (taken.state, taken.filled, taken.filled_quote, taken.average_price) == (State.FILLED, D("0.2"), 4000, 20000)
    fill = taken.fills[0]
    assert (fill.price, fill.quantity, fill.fee, fill.fee_asset, fill.is_maker) == (
        20000,
        D("0.2"),
        D("0.0002"),
        "BTC",
        False,
    )
    assert (bob.balance("BTC").free, bob.balance("USDT").free) == (
        D("10.1998"),
        D(96_000),
    )  # price improvement returned
    assert bob.balance("USDT").frozen == 0
    other = exchange.fills(ann)[0]
    assert (other.trade_id, other.fee, other.fee_asset, other.is_maker, other.side) == (
        fill.trade_id,
        4,
        "USDT",
        True,
        "sell",
    )
    assert (ann.balance("USDT").free, ann.balance("BTC").frozen) == (D(103_996), D("0.3"))
    assert exchange.balances("house")["USDT"].free == 4
    assert exchange.balances("house")["BTC"].free == D("0.0002")
    assert exchange.supply() == {"BTC": 20, "USDT": 200_000}


def test_an_account_may_have_rates_of_its_own(exchange: SimulatedExchange, bob: TradingAccount) -> None:
    vip = exchange.create_account("vip", balances=FUNDS, maker_fee=D(0), taker_fee=D("0.0005"))
    exchange.place(bob, limit("sell", "20000", "1"))
    assert exchange.place(vip, market("buy", quantity=D(1))).fills[0].fee == D("0.0005")
    exchange.place(vip, limit("buy", "20000", "1"))
    exchange.place(bob, market("sell", quantity=D(1)))
    assert exchange.fills(vip)[-1].fee == 0


def test_immediate_or_cancel_keeps_what_it_got(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))
    order = exchange.place(bob, limit("buy", "20000", "0.3", time_in_force=TimeInForce.IOC))
    assert (order.state, order.finish, order.filled) == (State.EXPIRED, Finish.IOC, D("0.1"))
    assert bob.balance("USDT").frozen == 0
    assert exchange.depth(PAIR).bids == ()


def test_fill_or_kill_is_all_or_nothing(exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))
    exchange.place(ann, limit("sell", "20001", "0.1"))
    killed = exchange.place(bob, limit("buy", "20000", "0.2", time_in_force=TimeInForce.FOK))
    assert (killed.state, killed.finish, killed.filled) == (State.EXPIRED, Finish.FOK, 0)
    assert exchange.balances(bob)["USDT"].free == 100_000
    filled = exchange.place(bob, limit("buy", "20001", "0.2", time_in_force=TimeInForce.FOK))
    assert (filled.state, len(filled.fills)) == (State.FILLED, 2)


def test_post_only_is_refused_or_canceled_and_never_takes(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))
    taking = limit("buy", "20000", "0.1", time_in_force=TimeInForce.POST_ONLY)
    assert refused(exchange, bob, taking) is Reason.WOULD_TAKE
    canceled = exchange.place(
        bob, limit("buy", "20000", "0.1", time_in_force=TimeInForce.POST_ONLY, post_only_cancels=True)
    )
    assert (canceled.state, canceled.finish, canceled.filled) == (State.CANCELED, Finish.POST_ONLY, 0)
    assert exchange.place(bob, limit("buy", "19999.99", "0.1", time_in_force=TimeInForce.POST_ONLY)).state is State.NEW
    assert (
        refused(exchange, ann, limit("sell", "19999.99", "0.1", time_in_force=TimeInForce.POST_ONLY))
        is Reason.WOULD_TAKE
    )


def test_market_orders_by_base_and_by_quote(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))
    exchange.place(ann, limit("sell", "20010", "1"))
    bought = exchange.place(bob, market("buy", quantity=D("0.2")))
    assert (bought.state, bought.filled_quote, bought.price) == (State.FILLED, D("4001"), None)
    spent = exchange.place(bob, market("buy", quote_quantity=D(1000)))
    assert (spent.state, spent.filled, spent.quantity, spent.quote_quantity) == (State.FILLED, D("0.04997"), None, 1000)
    assert bob.balance("USDT").free == 100_000 - 4001 - spent.filled_quote
    exchange.place(ann, limit("buy", "19000", "1"))
    sold = exchange.place(bob, market("sell", quote_quantity=D(500)))
    assert sold.state is State.FILLED
    assert sold.filled == D("0.02631")  # 500 / 19000, whole lots, not above
    assert bob.balance("BTC").frozen == 0


def test_a_market_order_that_empties_the_book_expires_with_what_it_got(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    nothing = exchange.place(bob, market("buy", quantity=D(1)))
    assert (nothing.state, nothing.finish, nothing.filled) == (State.EXPIRED, Finish.NO_LIQUIDITY, 0)
    exchange.place(ann, limit("sell", "20000", "0.1"))
    part = exchange.place(bob, market("buy", quote_quantity=D(5000)))
    assert (part.state, part.finish, part.filled) == (State.EXPIRED, Finish.NO_LIQUIDITY, D("0.1"))
    exchange.place(ann, limit("sell", "20000", "0.1"))
    exact = exchange.place(bob, market("buy", quote_quantity=D("2000.1")))  # 0.1 is less than a lot's price
    assert (exact.state, exact.filled) == (State.FILLED, D("0.1"))
    assert bob.balance("USDT").frozen == 0


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        (SelfTrade.EXPIRE_TAKER, Finish.SELF_TRADE, Finish.OPEN),
        (SelfTrade.EXPIRE_MAKER, Finish.OPEN, Finish.SELF_TRADE),
        (SelfTrade.EXPIRE_BOTH, Finish.SELF_TRADE, Finish.SELF_TRADE),
        (SelfTrade.NONE, Finish.FILLED, Finish.FILLED),
    ],
)
def test_self_trades(
    exchange: SimulatedExchange, ann: TradingAccount, mode: SelfTrade, taker: Finish, maker: Finish
) -> None:
    mine = exchange.place(ann, limit("sell", "20000", "0.1"))
    order = exchange.place(ann, limit("buy", "20000", "0.1", self_trade=mode))
    assert (order.finish, exchange.order(ann, PAIR, mine.order_id).finish) == (taker, maker)
    exchange.cancel_all(ann)
    assert ann.balance("USDT").frozen == ann.balance("BTC").frozen == 0
    assert exchange.supply() == {"BTC": 10, "USDT": 100_000}


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (limit("buy", "20000.001", "1"), Reason.PRICE_TICK),
        (limit("buy", "20000", "0.000011"), Reason.QUANTITY_STEP),
        (limit("buy", "20000", "0.0001"), Reason.NOTIONAL_TOO_SMALL),
        (limit("buy", "20000", "6"), Reason.INSUFFICIENT_FUNDS),
        (limit("sell", "20000", "11"), Reason.INSUFFICIENT_FUNDS),
        (market("buy", quantity=D("0.00002")), Reason.NOTIONAL_TOO_SMALL),
        (market("buy", quote_quantity=D(1)), Reason.NOTIONAL_TOO_SMALL),
        (market("buy", quote_quantity=D("NaN")), Reason.BAD_QUANTITY),
        (market("buy", quote_quantity=D(-5)), Reason.BAD_QUANTITY),
        (market("buy", quantity=D(5)), Reason.INSUFFICIENT_FUNDS),
        (market("buy", quote_quantity=D(100_001)), Reason.INSUFFICIENT_FUNDS),
        (market("sell", quantity=D(11)), Reason.INSUFFICIENT_FUNDS),
        (market("buy"), Reason.BAD_COMBINATION),
        (market("buy", quantity=D(1), quote_quantity=D(1)), Reason.BAD_COMBINATION),
        (market("buy", quantity=D(1), price=D(1)), Reason.BAD_COMBINATION),
        (market("buy", quantity=D(1), time_in_force=TimeInForce.POST_ONLY), Reason.BAD_COMBINATION),
        (NewOrder(instrument=PAIR, side="buy", quantity=D(1)), Reason.BAD_COMBINATION),
        (NewOrder(instrument=PAIR, side="hold", quantity=D(1)), Reason.BAD_COMBINATION),  # type: ignore[arg-type]
        (NewOrder(instrument="BTC_USD", side="buy", price=D(1), quantity=D(1)), Reason.UNKNOWN_INSTRUMENT),
    ],
)
def test_refusals_change_nothing(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount, order: NewOrder, reason: Reason
) -> None:
    exchange.place(bob, limit("sell", "30000", "5"))
    assert refused(exchange, ann, order) is reason


def test_client_ids_are_unique_while_open(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    first = exchange.place(ann, limit("buy", "20000", "0.1", client_id="x"))
    assert refused(exchange, ann, limit("buy", "20000", "0.1", client_id="x")) is Reason.DUPLICATE_CLIENT_ID
    exchange.place(bob, limit("buy", "20000", "0.1", client_id="x"))  # another account's ids are its own
    exchange.cancel(ann, PAIR, first.order_id)
    again = exchange.place(ann, limit("buy", "20000", "0.1", client_id="x"))
    assert exchange.order(ann, PAIR, client_id="x").order_id == again.order_id


def test_too_many_open_orders(clock: ManualClock) -> None:
    import attrs

    exchange = SimulatedExchange([attrs.evolve(binance_spot()[0], max_open_orders=2)], clock=clock)
    ann = exchange.create_account("ann", balances=FUNDS)
    first = exchange.place(ann, limit("buy", "20000", "0.1"))
    exchange.place(ann, limit("buy", "20000", "0.1"))
    assert refused(exchange, ann, limit("buy", "20000", "0.1")) is Reason.TOO_MANY_ORDERS
    exchange.cancel(ann, PAIR, first.order_id)
    exchange.place(ann, limit("buy", "20000", "0.1"))


def test_orders_of_others_and_ended_ones_cannot_be_canceled(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    order = exchange.place(ann, limit("buy", "20000", "0.1", client_id="mine"))
    for wrong in ({"order_id": order.order_id}, {"client_id": "mine"}, {}):
        with pytest.raises(Rejected) as caught:
            exchange.cancel(bob, PAIR, **wrong)  # type: ignore[arg-type]
        assert caught.value.reason is Reason.UNKNOWN_ORDER
    with pytest.raises(Rejected) as caught:
        exchange.cancel(ann, "ETH_USDT", order.order_id)
    assert caught.value.reason is Reason.UNKNOWN_ORDER
    with pytest.raises(Rejected) as caught:
        exchange.cancel(ann, PAIR, order.order_id, client_id="other")
    assert caught.value.reason is Reason.UNKNOWN_ORDER
    exchange.cancel(ann, PAIR, order.order_id, client_id="mine")
    with pytest.raises(Rejected) as caught:
        exchange.cancel(ann, PAIR, order.order_id)
    assert caught.value.reason is Reason.ORDER_CLOSED


def test_history_is_paged_and_bounded(clock: ManualClock) -> None:
    exchange = SimulatedExchange(clock=clock, order_history=3, trade_history=2)
    ann = exchange.create_account("ann", balances=FUNDS)
    ids = []
    for number in range(6):
        ids.append(exchange.place(ann, limit("sell", "20000", "0.01", client_id=f"c{number}")).order_id)
        exchange.place(ann, limit("buy", "20000", "0.01"))
        clock.advance(1)
    open_order = exchange.place(ann, limit("buy", "10000", "0.01")).order_id
    known = exchange.order_history(ann)
    assert [order.order_id for order in known] == [
        ids[4],
        ids[5],
        ids[5] + 1,
        open_order,
    ]  # the taker ends before the maker
    assert [order.order_id for order in exchange.order_history(ann, include_open=False, limit=2)] == [
        ids[5],
        ids[5] + 1,
    ]
    assert [order.order_id for order in exchange.order_history(ann, from_id=ids[5], limit=1)] == [ids[5]]
    assert [order.order_id for order in exchange.order_history(ann, "ETH_USDT")] == []
    with pytest.raises(Rejected):
        exchange.order(ann, PAIR, client_id="c0")
    assert len(exchange.fills(ann)) == 3
    trades = exchange.trades(PAIR)
    assert [trade.trade_id for trade in trades] == [3, 4, 5, 6], "at least two, at most twice as many"
    assert [trade.trade_id for trade in exchange.trades(PAIR, limit=1)] == [6]
    assert [trade.trade_id for trade in exchange.trades(PAIR, limit=1, from_id=5)] == [5]
    assert [trade.trade_id for trade in exchange.trades(PAIR, start_ms=trades[2].time_ms)] == [5, 6]
    assert [trade.trade_id for trade in exchange.trades(PAIR, end_ms=trades[1].time_ms)] == [3, 4]


def test_a_market_order_by_quote_cannot_pass_the_largest_quantity(
    exchange: SimulatedExchange, ann: TradingAccount
) -> None:
    whale = exchange.create_account("whale", balances={"BTC": D(500), "USDT": D(10**8)})
    exchange.place(whale, limit("sell", "20000", "200"))
    exchange.place(whale, limit("buy", "19000", "200"))
    assert refused(exchange, whale, market("buy", quote_quantity=D(2_000_300))) is Reason.QUANTITY_TOO_LARGE
    assert refused(exchange, whale, market("sell", quote_quantity=D(1_900_300))) is Reason.QUANTITY_TOO_LARGE
    assert exchange.place(whale, market("buy", quote_quantity=D(2_000_000))).filled == 100


def test_bars_and_the_day_follow_the_trades(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount, clock: ManualClock
) -> None:
    assert exchange.bars(PAIR, 60) == []
    clock.advance(40)  # 22:14:00
    for price in ("20000", "20010", "19990", "20005"):
        exchange.place(ann, limit("sell", price, "0.1"))
        exchange.place(bob, limit("buy", price, "0.1"))
        clock.advance(10)
    clock.advance(140)
    bars = exchange.bars(PAIR, 60, limit=4)
    assert [(bar.open, bar.high, bar.low, bar.close, bar.trades) for bar in bars] == [
        (20000, 20010, 19990, 20005, 4), (20005, 20005, 20005, 20005, 0), (20005, 20005, 20005, 20005, 0), (20005, 20005, 20005, 20005, 0),
    ]  # fmt: skip
    assert [bar.closed for bar in bars] == [True, True, True, False]
    assert bars[0].open_ms == 1_700_000_040_000
    assert bars[0].close_ms == bars[1].open_ms - 1
    assert (bars[0].volume, bars[0].quote_volume, bars[0].taker_buy_volume) == (D("0.4"), D("8000.5"), D("0.4"))
    assert [bar.open for bar in exchange.bars(PAIR, 1, limit=2, start_ms=1_700_000_050_000)] == [20010, 20010]
    assert len(exchange.bars(PAIR, 60, end_ms=bars[1].open_ms)) == 2
    day = exchange.stats_24h(PAIR)
    assert (day.open, day.high, day.low, day.last, day.trades, day.first_id, day.last_id) == (
        20000,
        20010,
        19990,
        20005,
        4,
        1,
        4,
    )
    exchange.place(ann, limit("sell", "20020", "0.1"))
    assert exchange.stats_24h(PAIR).ask == 20020
    clock.advance(86_400)
    assert (exchange.stats_24h(PAIR).trades, exchange.stats_24h(PAIR).last_id) == (0, -1)
    assert exchange.bars(PAIR, 60, limit=1, start_ms=0)[0].open_ms <= 1_700_000_040_000, "the oldest there are"
    with pytest.raises(InputError, match="multiple of 60"):
        exchange.bars(PAIR, 61)


def test_weeks_begin_on_monday_and_months_on_the_first(exchange: SimulatedExchange, ann: TradingAccount) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))  # Tuesday, 2023-11-14 22:13:20 UTC
    exchange.place(ann, limit("buy", "20000", "0.1"))
    assert exchange.bars(PAIR, 604_800)[0].open_ms == 1_699_833_600_000  # Monday, 2023-11-13
    month = exchange.bars(PAIR, 2_592_000)[0]
    assert (month.open_ms, month.close_ms + 1) == (1_698_796_800_000, 1_701_388_800_000)  # November 2023
    assert exchange.bars(PAIR, 86_400, offset_s=28_800)[0].open_ms == 1_699_977_600_000  # 16:00 UTC
    assert exchange.bars(PAIR, 3 * 2_592_000)[0].open_ms == 1_696_118_400_000  # the quarter from October


def test_events_tell_the_whole_story_in_order(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    events: list[Any] = []
    stop = exchange.subscribe(events.append)
    exchange.place(ann, limit("sell", "20000", "0.1"))
    exchange.place(bob, limit("buy", "20000", "0.3"))
    exchange.cancel_all(bob)
    orders = [(e.account, e.order.state, e.fill is not None) for e in events if isinstance(e, OrderEvent)]
    assert orders == [
        ("ann", State.NEW, False), ("bob", State.NEW, False), ("bob", State.PARTIALLY_FILLED, True), ("ann", State.FILLED, True),
        ("bob", State.CANCELED, False),
    ]  # fmt: skip
    books = [e for e in events if isinstance(e, BookEvent)]
    assert [e.first_version for e in books] == [1] + [e.last_version + 1 for e in books[:-1]]
    assert books[-1].last_version == exchange.depth(PAIR).version
    assert books[1].asks == ((20000, 0),)
    assert books[1].bids == ((20000, D("0.2")),)
    assert [e.trade.trade_id for e in events if isinstance(e, TradeEvent)] == [1]
    assert [(e.bid, e.ask, e.last) for e in events if isinstance(e, TickerEvent)] == [
        (0, 20000, 0),
        (20000, 0, 20000),
        (0, 0, 20000),
    ]
    last = [e for e in events if isinstance(e, AccountEvent)][-1]
    assert last.balances["USDT"] == exchange.balances(bob)["USDT"]
    count = len(events)
    stop()
    stop()
    exchange.place(ann, limit("sell", "20000", "0.1"))
    assert len(events) == count


def test_the_last_fill_of_a_taker_tells_that_it_is_filled(
    exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount
) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))
    exchange.place(ann, limit("sell", "20001", "0.1"))
    events: list[Any] = []
    exchange.subscribe(events.append, [OrderEvent])
    exchange.place(bob, limit("buy", "20001", "0.2"))
    assert [e.order.state for e in events if e.account == "bob"] == [State.NEW, State.PARTIALLY_FILLED, State.FILLED]


def test_deltas_rebuild_the_book(exchange: SimulatedExchange, ann: TradingAccount, bob: TradingAccount) -> None:
    exchange.place(ann, limit("sell", "20000", "0.1"))  # before anybody listens
    start = exchange.depth(PAIR)
    sides: tuple[dict[D, D], dict[D, D]] = ({p: q for p, q, _ in start.bids}, {p: q for p, q, _ in start.asks})

    def apply(event: Any) -> None:
        for side, changes in zip(sides, (event.bids, event.asks), strict=True):
            for price, quantity in changes:
                side[price] = quantity

    exchange.subscribe(apply, [BookEvent])
    for number in range(20):
        exchange.place(ann, limit("sell", str(20000 + number % 5), "0.05"))
        exchange.place(bob, limit("buy", str(19998 + number % 4), "0.04"))
    end = exchange.depth(PAIR)
    assert {p: q for p, q in sides[0].items() if q} == {p: q for p, q, _ in end.bids}
    assert {p: q for p, q in sides[1].items() if q} == {p: q for p, q, _ in end.asks}


def test_a_listener_that_raises_is_dropped_and_trading_goes_on(
    exchange: SimulatedExchange, ann: TradingAccount, caplog: Any
) -> None:
    seen: list[Any] = []

    def broken(event: Any) -> None:
        raise RuntimeError("listener")

    exchange.subscribe(broken)
    exchange.subscribe(seen.append, [OrderEvent])
    exchange.place(ann, limit("buy", "20000", "0.1"))
    exchange.place(ann, limit("buy", "20000", "0.1"))
    assert len(seen) == 2
    assert caplog.text.count("was removed") == 1
    with pytest.raises(InputError, match="unknown event"):
        exchange.subscribe(seen.append, [int])


def test_accounts_are_found_by_name_and_key(exchange: SimulatedExchange, ann: TradingAccount) -> None:
    assert exchange.account_by_key("ann-key") is ann
    assert exchange.account_by_key("") is None
    assert exchange.account_by_key("nobody") is None
    with pytest.raises(InputError, match="'ann'"):
        exchange.account("anna")
    for wrong in ({"name": "ann"}, {"name": "new", "key": "ann-key"}, {"name": "new", "balances": {"BTC": D(-1)}}):
        with pytest.raises(InputError):
            exchange.create_account(**wrong)  # type: ignore[arg-type]
    exchange.deposit(ann, "BTC", D(1))
    assert ann.balance("BTC").free == 11


def test_instruments_need_ids_of_their_own(clock: ManualClock) -> None:
    for wrong in ([], [binance_spot()[0]] * 2):
        with pytest.raises(InputError):
            SimulatedExchange(wrong, clock=clock)


def test_a_check_places_nothing(exchange: SimulatedExchange, ann: TradingAccount) -> None:
    exchange.check(ann, limit("buy", "20000", "0.1"))
    assert exchange.open_orders(ann) == []
    with pytest.raises(Rejected):
        exchange.check(ann, limit("buy", "20000.001", "0.1"))


SMALL = Instrument(
    id=PAIR, base="BTC", quote="USDT", tick=D("0.01"), step=D("0.00001"), min_quantity=D("0.00001"), max_open_orders=6,
    maker_fee=D("0.00075"), taker_fee=D("0.001"),
)  # fmt: skip

command = st.one_of(
    st.fixed_dictionaries(
        {
            "do": st.just("limit"), "who": st.integers(0, 2), "side": st.sampled_from(["buy", "sell"]), "price": st.integers(1990, 2010),
            "quantity": st.integers(1, 400_000), "tif": st.sampled_from(list(TimeInForce)), "stp": st.sampled_from(list(SelfTrade)),
            "cancels": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "do": st.just("market"), "who": st.integers(0, 2), "side": st.sampled_from(["buy", "sell"]), "quantity": st.integers(1, 900_000),
            "by_quote": st.booleans(), "stp": st.sampled_from(list(SelfTrade)),
        }
    ),
    st.fixed_dictionaries({"do": st.just("cancel"), "who": st.integers(0, 2), "which": st.integers(0, 5)}),
    st.fixed_dictionaries({"do": st.just("sweep"), "side": st.booleans(), "lots": st.integers(1, 500_000)}),
)  # fmt: skip


def obey(
    exchange: SimulatedExchange, traders: list[TradingAccount], crowd: TradingAccount, what: dict[str, Any]
) -> None:
    if what["do"] == "sweep":
        exchange.sweep(PAIR, crowd, what["side"], what["lots"])
        return
    account = traders[what["who"]]
    if what["do"] == "cancel":
        orders = exchange.open_orders(account)
        if orders:
            exchange.cancel(account, PAIR, orders[what["which"] % len(orders)].order_id)
        return
    if what["do"] == "limit":
        order = NewOrder(
            instrument=PAIR, side=what["side"], price=D(what["price"]) / 100, quantity=D(what["quantity"]) / 100_000,
            time_in_force=what["tif"], self_trade=what["stp"], post_only_cancels=what["cancels"],
        )  # fmt: skip
    else:
        amount = D(what["quantity"]) / 100_000
        unit = {"quote_quantity": amount * 20} if what["by_quote"] else {"quantity": amount}
        order = NewOrder(instrument=PAIR, side=what["side"], type="market", self_trade=what["stp"], **unit)
    try:
        exchange.place(account, order)
    except Rejected:
        pass


def check_books(exchange: SimulatedExchange, accounts: list[TradingAccount], supply: dict[str, D]) -> None:
    assert exchange.supply() == supply
    depth = exchange.depth(PAIR, 1000)
    if depth.bids and depth.asks:
        assert depth.bids[0][0] < depth.asks[0][0]
    rest: dict[str, dict[D, D]] = {"buy": {}, "sell": {}}
    for account in accounts:
        frozen = {"BTC": D(0), "USDT": D(0)}
        for order in exchange.open_orders(account):
            left = order.quantity - order.filled
            assert left > 0
            assert not order.state.final
            frozen["USDT" if order.side == "buy" else "BTC"] += left * (order.price if order.side == "buy" else 1)
            rest[order.side][order.price] = rest[order.side].get(order.price, D(0)) + left
        for asset, balance in exchange.balances(account).items():
            assert balance.free >= 0
            assert balance.frozen == frozen[asset], "exactly what the open orders may still spend is frozen"
    assert rest == {"buy": {p: q for p, q, _ in depth.bids}, "sell": {p: q for p, q, _ in depth.asks}}


@given(st.lists(command, max_size=40))
@settings(max_examples=150, deadline=None)
def test_money_is_conserved_whatever_happens(stream: list[dict[str, Any]]) -> None:
    exchange = SimulatedExchange([SMALL], clock=ManualClock(1_700_000_000))
    start = {"BTC": D(10), "USDT": D(200)}
    traders = [exchange.create_account(f"t{number}", balances=start) for number in range(3)]
    crowd = exchange.create_account("crowd", balances=start, house=True)
    supply = exchange.supply()
    for what in stream:
        obey(exchange, traders, crowd, what)
        check_books(exchange, traders, supply)
    for account in traders:
        for asset, balance in exchange.balances(account).items():
            gained = D(0)
            for fill in exchange.fills(account):
                sign = 1 if fill.side == "buy" else -1
                gained += sign * fill.quantity if asset == "BTC" else -sign * fill.quote_quantity
                gained -= fill.fee if fill.fee_asset == asset else 0
            assert balance.total == start[asset] + gained, "the account's fills explain its balance to the last digit"


@pytest.mark.parametrize("repeat", range(3))
def test_many_threads_at_once_lose_nothing(repeat: int) -> None:
    exchange = SimulatedExchange([SMALL], clock=ManualClock(1_700_000_000))
    traders = [exchange.create_account(f"t{number}", balances={"BTC": D(10), "USDT": D(200)}) for number in range(4)]
    supply, together, failures = exchange.supply(), threading.Barrier(len(traders)), []

    def trade(account: TradingAccount, seed: int) -> None:
        try:
            together.wait(60)
            for number in range(150):
                side = "buy" if (number + seed) % 2 else "sell"
                price = D(1995 + (number * 7 + seed) % 11) / 100
                try:
                    exchange.place(account, NewOrder(instrument=PAIR, side=side, price=price, quantity=D("0.3")))  # type: ignore[arg-type]
                except Rejected:
                    exchange.cancel_all(account)
                exchange.depth(PAIR, 5)
                exchange.stats_24h(PAIR)
        except Exception as error:  # reported below, in the test's own thread
            failures.append(error)

    threads = [
        threading.Thread(target=trade, args=(account, number + repeat)) for number, account in enumerate(traders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    check_books(exchange, traders, supply)
    assert len(exchange.trades(PAIR, 10_000)) > 0
