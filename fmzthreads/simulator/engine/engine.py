"""What happens to one request: checks, freezing, matching, settling, and telling.

The engine does the work under the exchange's lock and knows nothing of threads; ``SimulatedExchange`` is its face.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import cast

from ...clock import Clock
from ...errors import InputError, nearest
from .accounts import Execution, OrderRecord, TradingAccount, fee_units
from .book import BookOrder, Fill, MatchingBook
from .candles import CandleStore
from .events import AccountEvent, BookEvent, EngineEvents, OrderEvent, TickerEvent, TradeEvent
from .instruments import Instrument, from_units, to_units
from .orders import Finish, NewOrder, State, TimeInForce
from .reasons import Reason, Rejected
from .trades import TradeLog, TradeRow

__all__ = ["Engine", "InstrumentMarket"]


class InstrumentMarket:
    """Everything that belongs to one instrument."""

    __slots__ = ("book", "candles", "instrument", "sent_version", "top", "trades")

    def __init__(self, instrument: Instrument, trades: int) -> None:
        self.instrument = instrument
        self.book = MatchingBook()
        self.trades = TradeLog(trades)
        self.candles = CandleStore(instrument)
        self.sent_version = 0
        self.top: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


class Engine:
    """The machinery of one exchange. Not thread-safe: whoever calls it holds the exchange's lock.

    Args:
        instruments: What is traded.
        clock: What tells the time.
        house: The account that gets the fees.
        first_order_id: The number of the first order.
        trade_history: How many trades an instrument keeps at the least.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        clock: Clock,
        house: TradingAccount,
        first_order_id: int,
        trade_history: int,
    ) -> None:
        self.clock = clock
        self.house = house
        self.events = EngineEvents()
        self.markets = {instrument.id: InstrumentMarket(instrument, trade_history) for instrument in instruments}
        self._next_order = first_order_id
        self._next_fill = 1

    def now_ms(self) -> int:
        """The exchange's time of day, in milliseconds since the epoch."""
        return self.clock.now_ns() // 1_000_000

    def market(self, instrument: str) -> InstrumentMarket:
        """Everything that belongs to one instrument.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT.
        """
        market = self.markets.get(instrument)
        if market is None:
            raise Rejected(
                Reason.UNKNOWN_INSTRUMENT, f"no instrument {instrument!r}{nearest(instrument, self.markets)}"
            )
        return market

    # --- one request ---

    def accept(self, account: TradingAccount, order: NewOrder) -> OrderRecord:
        """Checks the form, the filters and the client id; takes no money and no order id.

        Raises:
            Rejected: Anything but INSUFFICIENT_FUNDS.
        """
        market = self.market(order.instrument)
        instrument = market.instrument
        if order.side not in {"buy", "sell"} or order.type not in {"limit", "market"}:
            raise Rejected(Reason.BAD_COMBINATION, f"no such side or type: {order.side!r}, {order.type!r}")
        ticks, lots = self._measure(market, order)
        if order.client_id:
            known = account.by_client.get(order.client_id)
            if known is not None and not known.state.final:
                raise Rejected(Reason.DUPLICATE_CLIENT_ID, f"client id {order.client_id!r} is in use by an open order")
        if order.type == "limit" and account.open_count.get(instrument.id, 0) >= instrument.max_open_orders:
            raise Rejected(Reason.TOO_MANY_ORDERS, f"{instrument.max_open_orders} orders are open already")
        record = OrderRecord(0, account, instrument, order, order.side == "buy", ticks, lots, self.now_ms())
        if (
            order.time_in_force is TimeInForce.POST_ONLY
            and not order.post_only_cancels
            and self._would_take(market, record)
        ):
            raise Rejected(Reason.WOULD_TAKE, "a post-only order would have traded at once")
        return record

    def _measure(self, market: InstrumentMarket, order: NewOrder) -> tuple[int, int]:
        """Price and quantity of an order in ticks and lots, after all filters."""
        instrument = market.instrument
        if order.type == "limit":
            if order.price is None or order.quantity is None or order.quote_quantity is not None:
                raise Rejected(Reason.BAD_COMBINATION, "a limit order needs a price and a quantity in base")
            ticks, lots = instrument.ticks(order.price), instrument.lots(order.quantity)
            self._check_notional(instrument, ticks * lots * instrument.lot_value)
            return ticks, lots
        if order.price is not None or (order.quantity is None) == (order.quote_quantity is None):
            raise Rejected(
                Reason.BAD_COMBINATION, "a market order needs no price and one quantity, in base or in quote"
            )
        if order.time_in_force is TimeInForce.POST_ONLY:
            raise Rejected(Reason.BAD_COMBINATION, "a market order cannot be post-only")
        if order.quantity is not None:
            lots = instrument.lots(order.quantity, market=True)
            reference = market.trades.last_ticks or (
                market.book.best_ask() if order.side == "buy" else market.book.best_bid()
            )
            if reference:
                self._check_notional(instrument, reference * lots * instrument.lot_value)
            return 0, lots
        self._check_notional(instrument, _budget(instrument, order) * instrument.lot_value)
        # One lot more than may be traded: an order that would get it is refused when the book has been looked at.
        return 0, instrument.lots(_whole_lots(instrument), market=True) + 1

    def _check_notional(self, instrument: Instrument, units: int) -> None:
        if units < to_units(instrument.min_notional):
            raise Rejected(
                Reason.NOTIONAL_TOO_SMALL,
                f"{from_units(units):f} {instrument.quote} is below {instrument.min_notional:f}",
            )

    def _would_take(self, market: InstrumentMarket, record: OrderRecord) -> bool:
        if record.is_buy:
            ask = market.book.best_ask()
            return bool(ask) and record.ticks >= ask
        return market.book.best_bid() >= record.ticks

    def run(self, market: InstrumentMarket, record: OrderRecord, order: NewOrder) -> None:
        """Freezes, matches, settles, rests or ends one accepted order, and tells everybody.

        Raises:
            Rejected: INSUFFICIENT_FUNDS, or QUANTITY_TOO_SMALL or _LARGE for an amount of quote that trades next to nothing or too much;
                nothing has changed.
        """
        instrument, account = market.instrument, record.account
        budget = _budget(instrument, order) if order.quote_quantity is not None else None
        lots, value = record.left, record.left * record.ticks
        if order.type == "market" or order.time_in_force is TimeInForce.FOK:
            lots, value = market.book.preview(
                record, any_price=order.type == "market", budget=budget, self_trade=order.self_trade
            )
        if budget is not None and lots == record.left:
            raise Rejected(
                Reason.QUANTITY_TOO_LARGE,
                f"{order.quote_quantity!s} {instrument.quote} trades more than the largest order",
            )
        if budget is not None and lots and instrument.quantity(lots) < instrument.min_quantity:
            raise Rejected(
                Reason.QUANTITY_TOO_SMALL,
                f"{order.quote_quantity!s} {instrument.quote} is less than the least quantity",
            )
        self._open(record, self._need(record, order, budget, lots, value))
        self.tell_order(record, None)
        if order.time_in_force is TimeInForce.POST_ONLY and self._would_take(market, record):
            self.finish(record, State.CANCELED, Finish.POST_ONLY)
        elif order.time_in_force is TimeInForce.FOK and order.type == "limit" and lots < record.left:
            self.finish(record, State.EXPIRED, Finish.FOK)
        else:
            self._match(market, record, order, budget)
        self.tell_account(account, (instrument.base, instrument.quote))
        self.tell_book(market)

    def _need(self, record: OrderRecord, order: NewOrder, budget: int | None, lots: int, value: int) -> int:
        """The most that an order may spend, in units of what it pays with.

        A limit order holds back its whole quantity, a market order by quantity what a look at the book says, one by quote amount
        that amount; the lock makes the look and the trade one step.
        """
        instrument = record.instrument
        if not record.is_buy:
            return (lots if budget is not None else record.left) * instrument.step_units
        if order.type == "market":
            return (budget if budget is not None else value) * instrument.lot_value
        return record.ticks * record.left * instrument.lot_value

    def _open(self, record: OrderRecord, need: int) -> None:
        """Freezes what an order may spend and gives it its number."""
        record.account.freeze(record.pays, need)
        record.frozen = need
        record.order_id = self._next_order
        self._next_order += 1
        record.account.add(record)

    def _match(self, market: InstrumentMarket, record: OrderRecord, order: NewOrder, budget: int | None) -> None:
        prevented: list[BookOrder] = []
        at_market = order.type == "market"
        fills = market.book.take(
            record, any_price=at_market, budget=budget, self_trade=order.self_trade, prevented=prevented
        )  # fmt: skip
        complete = not record.left if budget is None else self._spent(market, record, fills, budget)
        self._settle_all(market, record, fills, complete)
        for other in prevented:
            self.finish(cast(OrderRecord, other), State.EXPIRED, Finish.SELF_TRADE)
        if record.state.final:
            return
        if at_market:
            self.finish(record, State.EXPIRED, Finish.NO_LIQUIDITY)
        elif order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self.finish(record, State.EXPIRED, Finish(order.time_in_force.value.lower()))
        else:
            market.book.submit(record)

    def _spent(self, market: InstrumentMarket, record: OrderRecord, fills: list[Fill], budget: int) -> bool:
        """Whether a market order by quote amount got all that it could: what is left of the amount pays for no further lot."""
        if not fills:
            return False
        left = budget - sum(ticks * lots for _, ticks, lots in fills)
        next_ticks = market.book.best_ask() if record.is_buy else market.book.best_bid()
        return not record.left or left < (next_ticks or fills[-1][1])

    def _settle_all(self, market: InstrumentMarket, taker: OrderRecord, fills: list[Fill], complete: bool) -> None:
        """Settles the fills of one arriving order; the last one ends it when it is complete."""
        last = len(fills) - 1
        for number, fill in enumerate(fills):
            self._settle(market, taker, fill, complete and number == last)

    def _settle(self, market: InstrumentMarket, taker: OrderRecord, fill: Fill, ends_taker: bool) -> None:
        """Moves the money of one fill, with the fees, and records it on both sides."""
        instrument, now = market.instrument, self.now_ms()
        ticks, lots = fill[1], fill[2]
        maker = cast(OrderRecord, fill[0])
        base, quote = lots * instrument.step_units, ticks * lots * instrument.lot_value
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        trade = market.trades.add(ticks, lots, not taker.is_buy, now, buyer.order_id, seller.order_id)
        market.candles.add(now, ticks, lots, taker.is_buy)
        if self.events.wants(TradeEvent):
            self.events.emit(TradeEvent(instrument=instrument.id, trade=trade.view(instrument)))
        # A limit buy froze its own price; what the fill was cheaper goes back.
        spared = (buyer.ticks - ticks) * lots * instrument.lot_value if buyer.ticks > ticks else 0
        # Both sides get and pay before anybody is told of either, so that no listener sees money that is nowhere.
        paid = [
            self._move(buyer, quote, spared, base, trade, buyer is maker),
            self._move(seller, base, 0, quote, trade, seller is maker),
        ]
        for order, execution in zip((buyer, seller), paid, strict=True):
            # An order in the book has one fill at the most in each arriving order, so it ends when it has nothing left.
            if (not order.left) if order is maker else ends_taker:
                self.finish(order, State.FILLED, Finish.FILLED, tell=False)
            if execution is not None:
                self.tell_order(order, execution)
        self.tell_account(maker.account, (instrument.base, instrument.quote))

    def _move(
        self, order: OrderRecord, pays: int, spared: int, gets: int, trade: TradeRow, is_maker: bool
    ) -> Execution | None:
        """One side of a fill: frozen money goes, the other asset comes less its fee, which the house gets."""
        account, instrument = order.account, order.instrument
        gains = instrument.base if order.is_buy else instrument.quote
        account.frozen[order.pays] -= pays
        order.frozen -= pays
        if spared:
            account.release(order.pays, spared)
            order.frozen -= spared
        rate = account.rate(instrument, maker=is_maker)
        fee = fee_units(gets, rate, instrument.fee_digits)
        account.deposit(gains, gets - fee)
        if fee:
            self.house.deposit(gains, fee)
        account.updated_ms = order.updated_ms = trade.time_ms
        order.done_lots += trade.lots
        order.done_value += trade.ticks * trade.lots
        order.fee += fee
        order.state = State.PARTIALLY_FILLED
        if account.house:
            return None
        execution = Execution(
            order, self._next_fill, trade.trade_id, trade.ticks, trade.lots, fee, rate, is_maker, trade.time_ms
        )
        self._next_fill += 1
        order.executions.append(execution)
        account.fills.append(execution)
        return execution

    # --- the market's own participants: whole ticks and lots, no filters ---

    def quote(
        self, market: InstrumentMarket, account: TradingAccount, is_buy: bool, ticks: int, lots: int
    ) -> OrderRecord:
        """Places a limit order of a participant; it takes what it crosses and rests with what is left.

        Raises:
            Rejected: INSUFFICIENT_FUNDS.
        """
        record = OrderRecord(0, account, market.instrument, None, is_buy, ticks, lots, self.now_ms())
        self._open(
            record, ticks * lots * market.instrument.lot_value if is_buy else lots * market.instrument.step_units
        )
        self._settle_all(market, record, market.book.take(record), not record.left)
        if record.left:
            market.book.submit(record)
        return record

    def sweep(self, market: InstrumentMarket, account: TradingAccount, is_buy: bool, lots: int) -> int:
        """Takes up to so many lots at any price for a participant.

        Returns:
            The lots that it got.

        Raises:
            Rejected: INSUFFICIENT_FUNDS.
        """
        record = OrderRecord(0, account, market.instrument, None, is_buy, 0, lots, self.now_ms())
        there, value = market.book.preview(record, any_price=True)
        self._open(record, value * market.instrument.lot_value if is_buy else there * market.instrument.step_units)
        self._settle_all(market, record, market.book.take(record, any_price=True), not record.left)
        if not record.state.final:
            self.finish(record, State.EXPIRED, Finish.NO_LIQUIDITY)
        return record.done_lots

    def finish(self, order: OrderRecord, state: State, finish: Finish, *, tell: bool = True) -> None:
        """Ends an order: takes it out of the book, gives back what is frozen, remembers it as closed."""
        account = order.account
        self.markets[order.instrument.id].book.remove(order)
        if order.frozen:
            account.release(order.pays, order.frozen)
            order.frozen = 0
        order.state, order.finish = state, finish
        account.updated_ms = order.updated_ms = self.now_ms()
        account.close(order)
        if tell:
            self.tell_order(order, None)

    def watch_books(self) -> None:
        """Has the books note their changes only while somebody wants them."""
        wanted = self.events.wants(BookEvent)
        for market in self.markets.values():
            if wanted and market.book.changes is None:
                market.book.changes, market.sent_version = set(), market.book.version
            elif not wanted:
                market.book.changes = None

    # --- telling ---

    def tell_order(self, record: OrderRecord, execution: Execution | None) -> None:
        """An order changed; ``execution`` is the fill that did it, if one did."""
        if not record.account.house and self.events.wants(OrderEvent):
            fill = execution.view() if execution is not None else None
            self.events.emit(OrderEvent(account=record.account.name, order=record.view(with_fills=False), fill=fill))

    def tell_account(self, account: TradingAccount, assets: Iterable[str]) -> None:
        """Balances of an account changed."""
        if not account.house and self.events.wants(AccountEvent):
            balances = {asset: account.balance(asset) for asset in assets}
            self.events.emit(AccountEvent(account=account.name, balances=balances, time_ms=self.now_ms()))

    def tell_book(self, market: InstrumentMarket) -> None:
        """One delta for everything that a request has changed in a book, and its new top."""
        book, instrument = market.book, market.instrument
        if book.changes:
            bids: list[tuple[Decimal, Decimal]] = []
            asks: list[tuple[Decimal, Decimal]] = []
            for is_buy, ticks in sorted(book.changes, key=lambda change: -change[1] if change[0] else change[1]):
                level = (instrument.price(ticks), instrument.quantity(book.lots_at(is_buy, ticks)))
                (bids if is_buy else asks).append(level)
            book.changes.clear()
            first, market.sent_version = market.sent_version + 1, book.version
            self.events.emit(
                BookEvent(
                    instrument=instrument.id, first_version=first, last_version=book.version,
                    bids=tuple(bids), asks=tuple(asks), time_ms=self.now_ms(),
                )
            )  # fmt: skip
        if self.events.wants(TickerEvent):
            self._tell_top(market)

    def _tell_top(self, market: InstrumentMarket) -> None:
        book, instrument = market.book, market.instrument
        bid, ask = book.best_bid(), book.best_ask()
        top = (bid, book.lots_at(True, bid), ask, book.lots_at(False, ask), market.trades.last_ticks)
        if top == market.top:
            return
        market.top = top
        self.events.emit(
            TickerEvent(
                instrument=instrument.id, version=book.version, bid=instrument.price(top[0]), bid_quantity=instrument.quantity(top[1]),
                ask=instrument.price(top[2]), ask_quantity=instrument.quantity(top[3]), last=instrument.price(top[4]),
                time_ms=self.now_ms(),
            )
        )  # fmt: skip


def _budget(instrument: Instrument, order: NewOrder) -> int:
    """The quote amount of a market order in ticks times lots, cut to what can be traded exactly."""
    amount = order.quote_quantity
    if not isinstance(amount, Decimal) or not amount.is_finite() or amount <= 0:
        raise Rejected(Reason.BAD_QUANTITY, f"a quote quantity must be a finite Decimal above 0, not {amount!r}")
    try:
        return to_units(amount) // instrument.lot_value
    except InputError as error:
        raise Rejected(Reason.QUANTITY_STEP, str(error)) from None


def _whole_lots(instrument: Instrument) -> Decimal:
    """The most that a market order by quote amount may trade, cut to whole lots."""
    most = min(instrument.max_quantity, instrument.max_market_quantity)
    return most - most % instrument.step
