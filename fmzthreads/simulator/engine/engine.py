"""Processes one request: checks, freezing, matching, settling and events.

The engine runs under the exchange's lock and has no threads; ``SimulatedExchange`` is its public interface.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import cast

import attrs

from ...clock import Clock
from ...errors import nearest
from .accounts import Execution, OrderRecord, TradingAccount
from .book import BookOrder, Fill, MatchingBook
from .candles import CandleStore
from .checks import measure, quote_budget, would_take
from .events import AccountEvent, BookEvent, EngineEvents, OrderEvent, TickerEvent, TradeEvent
from .instruments import Instrument
from .orders import Finish, NewOrder, State, TimeInForce
from .reasons import Reason, Rejected
from .settlement import Settlement, SettlementFactory
from .trades import TradeLog, TradeRow

__all__ = ["Engine", "InstrumentMarket"]

_NOTHING = Decimal(0)


class InstrumentMarket:
    """The state of one instrument."""

    __slots__ = ("book", "candles", "instrument", "sent_version", "settlement", "top", "trades")

    def __init__(self, instrument: Instrument, settlement: Settlement, trades: int) -> None:
        self.instrument = instrument
        self.settlement = settlement
        self.book = MatchingBook()
        self.trades = TradeLog(trades)
        self.candles = CandleStore(instrument)
        self.sent_version = 0
        self.top: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


class Engine:
    """The matching engine of one exchange. Not thread-safe.

    The caller holds the exchange's lock.

    Args:
        instruments: The instruments to trade.
        clock: Tells the time.
        house: The account that receives the fees.
        settlement: Creates the settlement of each instrument.
        first_order_id: The number of the first order.
        trade_history: The minimum number of trades kept per instrument.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        clock: Clock,
        house: TradingAccount,
        settlement: SettlementFactory,
        first_order_id: int,
        trade_history: int,
    ) -> None:
        self.clock = clock
        self.house = house
        self.events = EngineEvents()
        self.markets = {
            instrument.id: InstrumentMarket(instrument, settlement(instrument, house), trade_history)
            for instrument in instruments
        }
        self._next_order = first_order_id
        self._next_fill = 1

    def now_ms(self) -> int:
        """The exchange's time of day, in milliseconds since the epoch."""
        return self.clock.now_ns() // 1_000_000

    def market(self, instrument: str) -> InstrumentMarket:
        """The state of one instrument.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT.
        """
        market = self.markets.get(instrument)
        if market is None:
            raise Rejected(
                Reason.UNKNOWN_INSTRUMENT, f"unknown instrument {instrument!r}{nearest(instrument, self.markets)}"
            )
        return market

    # --- one request ---

    def accept(self, account: TradingAccount, order: NewOrder) -> OrderRecord:
        """Checks the form, the filters and the client id.

        Freezes nothing and assigns no order id.

        Raises:
            Rejected: Anything but INSUFFICIENT_FUNDS.
        """
        market = self.market(order.instrument)
        instrument = market.instrument
        ticks, lots = measure(instrument, market.book, market.trades, order)
        self._check_client_id(account, order.client_id)
        if order.type == "limit" and account.open_count.get(instrument.id, 0) >= instrument.max_open_orders:
            raise Rejected(Reason.TOO_MANY_ORDERS, f"the limit of {instrument.max_open_orders} open orders is reached")
        market.settlement.check(account, instrument, order)
        record = OrderRecord(0, account, instrument, order, order.side == "buy", ticks, lots, self.now_ms())
        if (
            order.time_in_force is TimeInForce.POST_ONLY
            and not order.post_only_cancels
            and would_take(market.book, record.is_buy, ticks)
        ):
            raise Rejected(Reason.WOULD_TAKE, "a post-only order would trade immediately")
        return record

    @staticmethod
    def _check_client_id(account: TradingAccount, client_id: str) -> None:
        known = account.by_client.get(client_id) if client_id else None
        if known is not None and not known.state.final:
            raise Rejected(Reason.DUPLICATE_CLIENT_ID, f"client id {client_id!r} is in use by an open order")

    def run(self, market: InstrumentMarket, record: OrderRecord, order: NewOrder) -> None:
        """Freezes, matches and settles one accepted order, and emits its events.

        Raises:
            Rejected: INSUFFICIENT_FUNDS, or QUANTITY_TOO_SMALL or _LARGE for an amount of quote that trades too little or too much;
                nothing has changed.
        """
        instrument, account = market.instrument, record.account
        budget = quote_budget(instrument, order) if order.quote_quantity is not None else None
        lots, value = record.left, record.left * record.ticks
        if order.type == "market" or order.time_in_force is TimeInForce.FOK:
            lots, value = market.book.preview(
                record, any_price=order.type == "market", budget=budget, self_trade=order.self_trade
            )
        if budget is not None and lots == record.left:
            raise Rejected(
                Reason.QUANTITY_TOO_LARGE,
                f"{order.quote_quantity!s} {instrument.quote} exceeds the largest order",
            )
        if budget is not None and lots and instrument.quantity(lots) < instrument.min_quantity:
            raise Rejected(
                Reason.QUANTITY_TOO_SMALL,
                f"{order.quote_quantity!s} {instrument.quote} is below the smallest order",
            )
        # The lock makes this read of the book and the trade one step, so the required amount cannot change in between.
        if order.type == "limit":
            market.settlement.hold(record, record.left, record.left * record.ticks)
        elif budget is None:
            market.settlement.hold(record, record.left, value)
        else:
            market.settlement.hold(record, lots, budget)
        self._open(record)
        self.tell_order(record, None)
        if order.time_in_force is TimeInForce.POST_ONLY and would_take(market.book, record.is_buy, record.ticks):
            self.finish(record, State.CANCELED, Finish.POST_ONLY)
        elif order.time_in_force is TimeInForce.FOK and order.type == "limit" and lots < record.left:
            self.finish(record, State.EXPIRED, Finish.FOK)
        else:
            self._match(market, record, order, budget)
        self.tell_account(account, market.settlement.moved_assets(record))
        self.tell_book(market)

    def take_order_id(self) -> int:
        """The next order id, which no other order gets."""
        number = self._next_order
        self._next_order += 1
        return number

    def take_fill_id(self) -> int:
        """The next fill id, which no other fill gets."""
        number = self._next_fill
        self._next_fill += 1
        return number

    def _open(self, record: OrderRecord) -> None:
        """Assigns an order id and records the order as open."""
        record.order_id = self.take_order_id()
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

    def _spent(self, market: InstrumentMarket, record: OrderRecord, fills: Sequence[Fill], budget: int) -> bool:
        """Whether a market order by quote amount is complete.

        The rest of the amount is too small for another lot.
        """
        if not fills:
            return False
        left = budget - sum(ticks * lots for _, ticks, lots in fills)
        next_ticks = market.book.best_ask() if record.is_buy else market.book.best_bid()
        return not record.left or left < (next_ticks or fills[-1][1])

    def _settle_all(self, market: InstrumentMarket, taker: OrderRecord, fills: Sequence[Fill], complete: bool) -> None:
        """Settles the fills of one arriving order.

        The last one closes it if it is complete.
        """
        last = len(fills) - 1
        for number, fill in enumerate(fills):
            self._settle(market, taker, fill, complete and number == last)

    def _settle(self, market: InstrumentMarket, taker: OrderRecord, fill: Fill, ends_taker: bool) -> None:
        """Settles one fill on both sides, records it and emits its events."""
        instrument, now = market.instrument, self.now_ms()
        ticks, lots = fill[1], fill[2]
        maker = cast(OrderRecord, fill[0])
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        trade = market.trades.add(ticks, lots, not taker.is_buy, now, buyer.order_id, seller.order_id)
        market.candles.add(now, ticks, lots, taker.is_buy)
        if self.events.wants(TradeEvent):
            self.events.emit(TradeEvent(instrument=instrument.id, trade=trade.view(instrument)))
        self._move_both(market, taker, maker, trade, ends_taker)

    def _move_both(
        self, market: InstrumentMarket, taker: OrderRecord, maker: OrderRecord, trade: TradeRow, ends_taker: bool
    ) -> None:
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        # Both sides are settled before any event, so that a listener never sees half of a trade.
        bought = self._move(market, buyer, trade, buyer is maker)
        sold = self._move(market, seller, trade, seller is maker)
        for order, execution in ((buyer, bought), (seller, sold)):
            # An order in the book has at most one fill per arriving order, so it is closed when nothing is left.
            if (not order.left) if order is maker else ends_taker:
                self.finish(order, State.FILLED, Finish.FILLED, tell=False)
            if execution is not None:
                self.tell_order(order, execution)
        if not maker.account.house:
            self.tell_account(maker.account, market.settlement.moved_assets(maker))

    def _move(self, market: InstrumentMarket, order: OrderRecord, trade: TradeRow, is_maker: bool) -> Execution | None:
        """One side of a fill.

        Returns the record that a user's account keeps of it.
        """
        account, ticks, lots, now = order.account, trade.ticks, trade.lots, trade.time_ms
        before = order.profit
        fee, rate = market.settlement.fill(order, ticks, lots, is_maker=is_maker)
        account.updated_ms = order.updated_ms = now
        order.done_lots += lots
        order.done_value += ticks * lots
        order.fee += fee
        order.state = State.PARTIALLY_FILLED
        if account.house:
            return None
        execution = Execution(
            order, self.take_fill_id(), trade.trade_id, ticks, lots, fee, rate, is_maker, now, order.profit - before
        )
        order.executions.append(execution)
        account.fills.append(execution)
        return execution

    # --- changing an open order ---

    def amend(
        self, record: OrderRecord, price: Decimal | None, quantity: Decimal | None, new_client_id: str = ""
    ) -> None:
        """Changes price, whole quantity or client id of an open limit order.

        With the same price and no more lots than are left it keeps its queue position; otherwise it is treated as a new arrival and may trade.

        Raises:
            Rejected: The order has ended; the new client id is in use; the price or the quantity does not pass the filters; the quantity is not above what is
                filled; a post-only order would trade; or the account cannot pay. Nothing has changed.
        """
        market, request = self.markets[record.instrument.id], record.request
        if record.state.final or request is None:
            raise Rejected(Reason.ORDER_CLOSED, f"order {record.order_id} is already {record.state.value}")
        changed = attrs.evolve(
            request,
            price=request.price if price is None else price,
            quantity=request.quantity if quantity is None else quantity,
        )
        if new_client_id and new_client_id != record.client_id:
            self._check_client_id(record.account, new_client_id)
            changed = attrs.evolve(changed, client_id=new_client_id)
        ticks, whole = measure(market.instrument, market.book, market.trades, changed)
        left = whole - record.done_lots
        if left <= 0:
            raise Rejected(
                Reason.QUANTITY_TOO_SMALL,
                f"quantity {changed.quantity!s} is not above the {market.instrument.quantity(record.done_lots)} filled",
            )
        if request.time_in_force is TimeInForce.POST_ONLY and would_take(market.book, record.is_buy, ticks):
            raise Rejected(Reason.WOULD_TAKE, "the post-only order would trade immediately at its new price")
        market.settlement.amend(record, ticks, left)
        record.request, record.updated_ms = changed, self.now_ms()
        record.account.rename(record, changed.client_id)
        if ticks == record.ticks and left <= record.left:
            market.book.reduce(record, left)
            self.tell_order(record, None, amended=True)
        else:
            market.book.withdraw(record)
            record.ticks, record.left = ticks, left
            self.tell_order(record, None, amended=True)
            self._match(market, record, changed, None)
        self.tell_account(record.account, market.settlement.moved_assets(record))
        self.tell_book(market)

    # --- the market's own participants: whole ticks and lots, no filters ---

    def quote(
        self, market: InstrumentMarket, account: TradingAccount, is_buy: bool, ticks: int, lots: int
    ) -> OrderRecord:
        """Places a limit order of a market participant.

        It trades with crossing orders; the rest stays in the book.

        Raises:
            Rejected: INSUFFICIENT_FUNDS.
        """
        record = OrderRecord(0, account, market.instrument, None, is_buy, ticks, lots, self.now_ms())
        market.settlement.hold(record, lots, ticks * lots)
        self._open(record)
        fills = market.book.submit(record)
        if fills:
            self._settle_all(market, record, fills, not record.left)
        return record

    def sweep(self, market: InstrumentMarket, account: TradingAccount, is_buy: bool, lots: int) -> int:
        """Trades up to a number of lots at any price for a market participant.

        Returns:
            The lots filled.

        Raises:
            Rejected: INSUFFICIENT_FUNDS.
        """
        record = OrderRecord(0, account, market.instrument, None, is_buy, 0, lots, self.now_ms())
        there, value = market.book.preview(record, any_price=True)
        market.settlement.hold(record, there, value)
        self._open(record)
        self._settle_all(market, record, market.book.take(record, any_price=True), not record.left)
        if not record.state.final:
            self.finish(record, State.EXPIRED, Finish.NO_LIQUIDITY)
        return record.done_lots

    def finish(self, order: OrderRecord, state: State, finish: Finish, *, tell: bool = True) -> None:
        """Ends an order.

        Removes it from the book, releases what is frozen, records it as closed.
        """
        account, market = order.account, self.markets[order.instrument.id]
        market.book.remove(order)
        market.settlement.release(order)
        order.state, order.finish = state, finish
        account.updated_ms = order.updated_ms = self.now_ms()
        account.close(order)
        if tell:
            self.tell_order(order, None)

    def watch_books(self) -> None:
        """Makes the books record changes only while there are listeners."""
        wanted = self.events.wants(BookEvent)
        for market in self.markets.values():
            if wanted and market.book.changes is None:
                market.book.changes, market.sent_version = set(), market.book.version
            elif not wanted:
                market.book.changes = None

    # --- events ---

    def tell_order(self, record: OrderRecord, execution: Execution | None, *, amended: bool = False) -> None:
        """Emits the event of a changed order.

        ``execution`` is the fill that caused it, if any.
        """
        if not record.account.house and self.events.wants(OrderEvent):
            fill = execution.view() if execution is not None else None
            self.events.emit(
                OrderEvent(account=record.account.name, order=record.view(with_fills=False), fill=fill, amended=amended)
            )

    def tell_account(
        self,
        account: TradingAccount,
        assets: Iterable[str],
        reason: str = "order",
        *,
        instrument: str = "",
        amount: Decimal = _NOTHING,
    ) -> None:
        """Emits the event of changed balances and positions."""
        if not account.house and self.events.wants(AccountEvent):
            balances = {asset: account.balance(asset) for asset in assets}
            margin = account.margin
            positions = margin.changed() if margin is not None else ()
            if balances or positions:
                self.events.emit(
                    AccountEvent(
                        account=account.name,
                        balances=balances,
                        time_ms=self.now_ms(),
                        reason=reason,
                        positions=positions,
                        wallets={asset: margin.wallet(asset) for asset in balances} if margin is not None else {},
                        instrument=instrument,
                        amount=amount,
                    )
                )

    def tell_book(self, market: InstrumentMarket) -> None:
        """Emits one delta with all changes of a request to a book."""
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
