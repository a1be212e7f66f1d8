"""The simulated exchange: books, accounts, orders, trades and bars behind one lock.

What the dialects build on::

    exchange = SimulatedExchange(instruments, clock=WallClock())
    account = exchange.create_account("user", key, secret, passphrase, {"USDT": Decimal(10000)})
    exchange.account_by_key(key)                                     # Account or None; account.may(secret, passphrase)
    exchange.instruments(), exchange.instrument(id)
    exchange.depth(id, limit)                                        # DepthView(version, time_ms, bids, asks), levels (price, quantity, orders)
    exchange.trades(id, limit, from_id=None, start_ms=None, end_ms=None)
    exchange.bars(id, period_s, limit, start_ms=None, end_ms=None, offset_s=0)
    exchange.stats_24h(id)
    exchange.place(account, NewOrder(...)) -> OrderView              # with its fills; exchange.check(...) only looks
    exchange.cancel(account, instrument, order_id=None, client_id=None) -> OrderView
    exchange.cancel_all(account, instrument=None) -> list[OrderView]
    exchange.order(account, instrument, order_id=None, client_id=None) -> OrderView
    exchange.open_orders(account, instrument=None) -> list[OrderView]
    exchange.order_history(account, instrument=None, from_id=None, start_ms=None, end_ms=None, limit=None) -> list[OrderView]
    exchange.fills(account, instrument=None, order_id=None, from_id=None, start_ms=None, end_ms=None, limit=None) -> list[FillView]
    exchange.balances(account) -> {asset: Balance(free, frozen)}
    exchange.server_time_ms()
    exchange.subscribe(callback, kinds) -> unsubscribe

Every refusal is ``Rejected`` with a ``Reason``. Lists are oldest first. Accounts are given as objects or by name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from ...clock import Clock, WallClock
from ...errors import InputError, nearest
from .accounts import Account, Balance, fee_units
from .candles import Candle, CandleStore, DayStats
from .events import AccountEvent, BookEvent, Event, EventHub, OrderEvent, TickerEvent, TradeEvent, TradeView
from .instruments import Instrument, binance_spot, from_units, to_units
from .matching import Fill, OrderBook
from .orders import Execution, FillView, Finish, NewOrder, OrderRecord, OrderView, State, TimeInForce
from .reasons import Reason, Rejected
from .tape import Tape

__all__ = ["DepthView", "SimulatedExchange"]

_ALL_EVENTS = (TradeEvent, BookEvent, TickerEvent, OrderEvent, AccountEvent)


@attrs.frozen(kw_only=True)
class DepthView:
    """A snapshot of a book.

    Attributes:
        version: The book's version; deltas with a higher one come after it.
        time_ms: When, on the exchange's clock.
        bids: Price, quantity and number of orders of each level, best first.
        asks: Likewise.
    """

    version: int
    time_ms: int
    bids: tuple[tuple[Decimal, Decimal, int], ...]
    asks: tuple[tuple[Decimal, Decimal, int], ...]


class _Pit:
    """Everything that belongs to one instrument."""

    __slots__ = ("book", "candles", "instrument", "sent_version", "tape", "top")

    def __init__(self, instrument: Instrument, trades: int) -> None:
        self.instrument = instrument
        self.book = OrderBook()
        self.tape = Tape(instrument, trades)
        self.candles = CandleStore(instrument)
        self.sent_version = 0
        self.top: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


class SimulatedExchange:
    """An exchange in memory, for any number of threads.

    Args:
        instruments: What is traded.
        clock: What tells the time of orders and trades; a wall clock when None.
        first_order_id: The number of the first order.
        trade_history: How many trades an instrument keeps at the least.
        order_history: How many closed orders, and how many fills, an account keeps.

    Raises:
        InputError: Two instruments share an id, or there is none.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument] | None = None,
        *,
        clock: Clock | None = None,
        first_order_id: int = 1_000_001,
        trade_history: int = 10_000,
        order_history: int = 10_000,
    ) -> None:
        listed = tuple(binance_spot() if instruments is None else instruments)
        if not listed or len({instrument.id for instrument in listed}) != len(listed):
            raise InputError("an exchange needs at least one instrument, each with an id of its own")
        self.clock = clock if clock is not None else WallClock()
        # Guards everything below: books, accounts, trades, bars, ids and listeners. A request holds it from its checks to its last
        # event, so requests are served one after another, as a real matching engine does. Re-entrant, so that a listener may look.
        self.lock = threading.RLock()
        self._pits = {instrument.id: _Pit(instrument, trade_history) for instrument in listed}
        self._accounts: dict[str, Account] = {}
        self._by_key: dict[str, Account] = {}
        self._order_history = order_history
        self._next_order = first_order_id
        self._next_fill = 1
        self._hub = EventHub()
        self.house = self.create_account("house", house=True)

    # --- accounts ---

    def create_account(
        self,
        name: str,
        key: str = "",
        secret: str = "",
        passphrase: str = "",
        balances: Mapping[str, Decimal] | None = None,
        *,
        house: bool = False,
        maker_fee: Decimal | None = None,
        taker_fee: Decimal | None = None,
    ) -> Account:
        """Opens an account.

        Args:
            name: Its name inside the exchange.
            key: The API key; empty for an account that no dialect can use.
            secret: The API secret.
            passphrase: For the dialects that ask for one.
            balances: What it starts with, by asset.
            house: Whether it belongs to the exchange: no history, no private events.
            maker_fee: Its own rate; None for each instrument's.
            taker_fee: Likewise.

        Raises:
            InputError: The name or the key is taken, or a balance is negative or not finite.
        """
        with self.lock:
            if name in self._accounts:
                raise InputError(f"there is already an account {name!r}")
            if key and key in self._by_key:
                raise InputError("there is already an account with this key")
            account = Account(
                name, key=key, secret=secret, passphrase=passphrase, uid=10_000_000 + len(self._accounts), house=house,
                maker_fee=maker_fee, taker_fee=taker_fee, history=self._order_history,
            )  # fmt: skip
            for asset, amount in (balances or {}).items():
                account.deposit(asset, to_units(Decimal(amount)))
            account.updated_ms = self.server_time_ms()
            self._accounts[name] = account
            if key:
                self._by_key[key] = account
            return account

    def account(self, name: str) -> Account:
        """An account by its name.

        Raises:
            InputError: There is none.
        """
        account = self._accounts.get(name)
        if account is None:
            raise InputError(f"no account {name!r}{nearest(name, self._accounts)}")
        return account

    def account_by_key(self, key: str) -> Account | None:
        """The account that uses an API key; None when there is none."""
        return self._by_key.get(key) if key else None

    def deposit(self, account: Account | str, asset: str, amount: Decimal) -> None:
        """Adds free money to an account from outside.

        Raises:
            InputError: The amount is negative or not finite, or there is no such account.
        """
        with self.lock:
            holder = self._account(account)
            holder.deposit(asset, to_units(amount))
            self._tell_account(holder, (asset,))

    def balances(self, account: Account | str) -> Mapping[str, Balance]:
        """What an account holds, by asset."""
        with self.lock:
            return self._account(account).balances()

    def supply(self) -> dict[str, Decimal]:
        """All there is of each asset, over all accounts with the house: only deposits change it."""
        with self.lock:
            total: dict[str, int] = {}
            for account in self._accounts.values():
                for asset, free in account.free.items():
                    total[asset] = total.get(asset, 0) + free + account.frozen[asset]
            return {asset: from_units(units) for asset, units in total.items()}

    def _account(self, account: Account | str) -> Account:
        return account if isinstance(account, Account) else self.account(account)

    # --- what anybody may see ---

    def server_time_ms(self) -> int:
        """The exchange's time of day, in milliseconds since the epoch."""
        return self.clock.now_ns() // 1_000_000

    def instruments(self) -> tuple[Instrument, ...]:
        """Everything that is traded."""
        return tuple(pit.instrument for pit in self._pits.values())

    def instrument(self, instrument: str) -> Instrument:
        """One instrument.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT.
        """
        return self._pit(instrument).instrument

    def _pit(self, instrument: str) -> _Pit:
        pit = self._pits.get(instrument)
        if pit is None:
            raise Rejected(Reason.UNKNOWN_INSTRUMENT, f"no instrument {instrument!r}{nearest(instrument, self._pits)}")
        return pit

    def depth(self, instrument: str, limit: int = 100) -> DepthView:
        """A snapshot of the best ``limit`` levels of each side."""
        pit = self._pit(instrument)
        with self.lock:
            bids, asks = pit.book.levels(True, limit), pit.book.levels(False, limit)
            version, now = pit.book.version, self.server_time_ms()
        price, quantity = pit.instrument.price, pit.instrument.quantity
        return DepthView(
            version=version,
            time_ms=now,
            bids=tuple((price(ticks), quantity(lots), count) for ticks, lots, count in bids),
            asks=tuple((price(ticks), quantity(lots), count) for ticks, lots, count in asks),
        )

    def trades(
        self,
        instrument: str,
        limit: int = 500,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[TradeView]:
        """Trades, oldest first.

        Args:
            instrument: The instrument's id.
            limit: The most to give; the newest ones, or the oldest ones from ``from_id`` or ``start_ms`` when one is given.
            from_id: The first trade id; None for any.
            start_ms: The earliest time; None for any.
            end_ms: The latest time, inclusive; None for any.
        """
        pit = self._pit(instrument)
        with self.lock:
            return pit.tape.find(limit, from_id, start_ms, end_ms)

    def bars(
        self,
        instrument: str,
        period_s: int,
        limit: int = 500,
        start_ms: int | None = None,
        end_ms: int | None = None,
        *,
        offset_s: int = 0,
    ) -> list[Candle]:
        """Bars, oldest first; the last may be unfinished.

        Args:
            instrument: The instrument's id.
            period_s: The length of a bar in seconds: 1, or a multiple of 60; 2592000 (30 days) stands for calendar months.
            limit: The most to give; the newest ones, or the oldest ones from ``start_ms`` when it is given.
            start_ms: The earliest opening time; None for any.
            end_ms: The latest opening time, inclusive; None for now.
            offset_s: How far bars are shifted against UTC: 28800 gives days that begin at midnight in UTC+8.

        Raises:
            InputError: The period is neither 1 nor a multiple of 60.
        """
        pit = self._pit(instrument)
        with self.lock:
            return pit.candles.bars(period_s, limit, start_ms, end_ms, offset_s, self.server_time_ms())

    def stats_24h(self, instrument: str) -> DayStats:
        """The last price, the best prices and what happened in the last 24 hours."""
        pit = self._pit(instrument)
        with self.lock:
            return pit.candles.day(pit.book, pit.tape, self.server_time_ms())

    # --- orders ---

    def check(self, account: Account | str, order: NewOrder) -> None:
        """Checks an order against everything but the money, and places nothing.

        Raises:
            Rejected: As ``place``.
        """
        with self.lock:
            self._accept(self._account(account), order)

    def place(self, account: Account | str, order: NewOrder) -> OrderView:
        """Places an order and matches it at once.

        Returns:
            The order as it stands after matching, with its fills.

        Raises:
            Rejected: It was refused; nothing has changed.
        """
        with self.lock:
            holder = self._account(account)
            record = self._accept(holder, order)
            self._run(self._pits[order.instrument], holder, record, order)
            return record.view()

    def _accept(self, account: Account, order: NewOrder) -> OrderRecord:
        """Checks the form, the filters and the client id; takes no money and no order id."""
        pit = self._pit(order.instrument)
        instrument = pit.instrument
        if order.side not in {"buy", "sell"} or order.type not in {"limit", "market"}:
            raise Rejected(Reason.BAD_COMBINATION, f"no such side or type: {order.side!r}, {order.type!r}")
        ticks, lots = self._measure(pit, order)
        if order.client_id:
            known = account.by_client.get(order.client_id)
            if known is not None and not known.state.final:
                raise Rejected(Reason.DUPLICATE_CLIENT_ID, f"client id {order.client_id!r} is in use by an open order")
        if order.type == "limit" and account.open_count.get(instrument.id, 0) >= instrument.max_open_orders:
            raise Rejected(Reason.TOO_MANY_ORDERS, f"{instrument.max_open_orders} orders are open already")
        record = OrderRecord(0, account, instrument, order, order.side == "buy", ticks, lots, self.server_time_ms())
        if (
            order.time_in_force is TimeInForce.POST_ONLY
            and not order.post_only_cancels
            and self._would_take(pit, record)
        ):
            raise Rejected(Reason.WOULD_TAKE, "a post-only order would have traded at once")
        return record

    def _measure(self, pit: _Pit, order: NewOrder) -> tuple[int, int]:
        """Price and quantity of an order in ticks and lots, after all filters."""
        instrument = pit.instrument
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
            reference = pit.tape.last_ticks or (pit.book.best_ask() if order.side == "buy" else pit.book.best_bid())
            if reference:
                self._check_notional(instrument, reference * lots * instrument.lot_value)
            return 0, lots
        self._check_notional(instrument, _budget(instrument, order) * instrument.lot_value)
        return 0, instrument.lots(_whole_lots(instrument), market=True)

    def _check_notional(self, instrument: Instrument, units: int) -> None:
        if units < to_units(instrument.min_notional):
            raise Rejected(
                Reason.NOTIONAL_TOO_SMALL,
                f"{from_units(units):f} {instrument.quote} is below {instrument.min_notional:f}",
            )

    def _would_take(self, pit: _Pit, record: OrderRecord) -> bool:
        if record.is_buy:
            ask = pit.book.best_ask()
            return bool(ask) and record.ticks >= ask
        return pit.book.best_bid() >= record.ticks

    def _run(self, pit: _Pit, account: Account, record: OrderRecord, order: NewOrder) -> None:
        """Freezes, matches, settles, rests or ends one accepted order."""
        instrument, book = pit.instrument, pit.book
        market = order.type == "market"
        budget = _budget(instrument, order) if order.quote_quantity is not None else None
        lots, value = (0, 0)
        if market or order.time_in_force is TimeInForce.FOK:
            lots, value = book.preview(record, any_price=market, budget=budget, self_trade=order.self_trade)
        if budget is not None and lots and instrument.quantity(lots) < instrument.min_quantity:
            raise Rejected(
                Reason.QUANTITY_TOO_SMALL,
                f"{order.quote_quantity!s} {instrument.quote} buys less than {instrument.min_quantity}",
            )
        if not record.is_buy:
            need = (lots if budget is not None else record.left) * instrument.step_units
        elif market:
            need = (budget if budget is not None else value) * instrument.lot_value
        else:
            need = record.ticks * record.left * instrument.lot_value
        account.freeze(record.pays, need)
        record.frozen = need
        record.order_id = self._next_order
        self._next_order += 1
        account.add(record)
        self._tell_order(record, None)
        if order.time_in_force is TimeInForce.POST_ONLY and self._would_take(pit, record):
            self._finish(record, State.CANCELED, Finish.POST_ONLY)
        elif order.time_in_force is TimeInForce.FOK and not market and lots < record.left:
            self._finish(record, State.EXPIRED, Finish.FOK)
        else:
            self._match(pit, record, order, budget)
        self._tell_account(account, (instrument.base, instrument.quote))
        self._tell_book(pit)

    def _match(self, pit: _Pit, record: OrderRecord, order: NewOrder, budget: int | None) -> None:
        prevented: list[OrderRecord] = []
        market = order.type == "market"
        fills = pit.book.take(
            record,
            any_price=market,
            budget=budget,
            self_trade=order.self_trade,
            prevented=prevented,  # type: ignore[arg-type]
        )
        for fill in fills:
            self._settle(pit, record, fill)
        for other in prevented:
            self._finish(other, State.EXPIRED, Finish.SELF_TRADE)
        if record.state.final:
            return
        if budget is not None and record.done_lots:
            self._finish(
                record, State.FILLED, Finish.FILLED
            )  # what is left of the budget buys no further lot, or the book is empty
        elif not record.left:
            self._finish(record, State.FILLED, Finish.FILLED)
        elif market:
            self._finish(record, State.EXPIRED, Finish.NO_LIQUIDITY)
        elif order.time_in_force is TimeInForce.IOC:
            self._finish(record, State.EXPIRED, Finish.IOC)
        else:
            pit.book.rest(record)

    def _settle(self, pit: _Pit, taker: OrderRecord, fill: Fill) -> None:
        """Moves the money of one fill, with the fees, and records it on both sides."""
        instrument = pit.instrument
        maker, ticks, lots = fill
        assert isinstance(maker, OrderRecord)
        now = self.server_time_ms()
        base, quote = lots * instrument.step_units, ticks * lots * instrument.lot_value
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        trade = pit.tape.add(ticks, lots, not taker.is_buy, now, buyer.order_id, seller.order_id)
        pit.candles.add(now, ticks, lots, taker.is_buy)
        if self._hub.wants(TradeEvent):
            self._hub.emit(TradeEvent(instrument=instrument.id, trade=trade.view(instrument)))
        # A limit buy froze its own price; what the fill was cheaper goes back.
        spared = (buyer.ticks - ticks) * lots * instrument.lot_value if buyer.ticks > ticks else 0
        self._move(buyer, quote, spared, base, trade.trade_id, fill, buyer is maker, now)
        self._move(seller, base, 0, quote, trade.trade_id, fill, seller is maker, now)

    def _move(
        self, order: OrderRecord, pays: int, spared: int, gets: int, trade_id: int, fill: Fill, is_maker: bool, now: int
    ) -> None:
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
        account.updated_ms = order.updated_ms = now
        order.done_lots += fill[2]
        order.done_value += fill[1] * fill[2]
        order.fee += fee
        order.state = State.PARTIALLY_FILLED
        if not account.house:
            execution = Execution(order, self._next_fill, trade_id, fill[1], fill[2], fee, rate, is_maker, now)
            order.executions.append(execution)
            account.fills.append(execution)
        self._next_fill += 1
        if is_maker and not order.left:
            self._finish(order, State.FILLED, Finish.FILLED, tell=False)
        if not account.house:
            self._tell_order(order, order.executions[-1])
            if is_maker:
                self._tell_account(account, (instrument.base, instrument.quote))

    def _finish(self, order: OrderRecord, state: State, finish: Finish, *, tell: bool = True) -> None:
        """Ends an order: takes it out of the book, gives back what is frozen, remembers it as closed."""
        account = order.account
        self._pits[order.instrument.id].book.remove(order)
        if order.frozen:
            account.release(order.pays, order.frozen)
            order.frozen = 0
        order.state, order.finish = state, finish
        account.updated_ms = order.updated_ms = self.server_time_ms()
        account.close(order)
        if tell:
            self._tell_order(order, None)

    def cancel(
        self, account: Account | str, instrument: str, order_id: int | None = None, client_id: str | None = None
    ) -> OrderView:
        """Cancels an open order, found by its id, or else by its client id.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT, UNKNOWN_ORDER, or ORDER_CLOSED when it has ended already.
        """
        pit = self._pit(instrument)
        with self.lock:
            record = self._find(self._account(account), instrument, order_id, client_id)
            if record.state.final:
                raise Rejected(Reason.ORDER_CLOSED, f"order {record.order_id} is {record.state.value} already")
            self._finish(record, State.CANCELED, Finish.USER)
            self._tell_account(record.account, (record.pays,))
            self._tell_book(pit)
            return record.view()

    def cancel_all(self, account: Account | str, instrument: str | None = None) -> list[OrderView]:
        """Cancels all open orders of an account, in one instrument or in all."""
        with self.lock:
            holder = self._account(account)
            return [
                self.cancel(holder, record.instrument.id, record.order_id)
                for record in list(holder.open.values())
                if instrument is None or record.instrument.id == instrument
            ]

    def _find(self, account: Account, instrument: str, order_id: int | None, client_id: str | None) -> OrderRecord:
        record: OrderRecord | None = None
        if order_id is not None:
            record = account.open.get(order_id) or account.closed.get(order_id)
            if record is not None and client_id and record.client_id != client_id:
                raise Rejected(Reason.UNKNOWN_ORDER, f"order {order_id} has another client id than {client_id!r}")
        elif client_id:
            record = account.by_client.get(client_id)
        if record is None or record.instrument.id != instrument:
            raise Rejected(
                Reason.UNKNOWN_ORDER, f"no order {order_id if order_id is not None else client_id!r} in {instrument}"
            )
        return record

    def order(
        self, account: Account | str, instrument: str, order_id: int | None = None, client_id: str | None = None
    ) -> OrderView:
        """One order, open or closed, by its id or else by its client id (the latest that used it).

        Raises:
            Rejected: UNKNOWN_INSTRUMENT or UNKNOWN_ORDER.
        """
        self._pit(instrument)
        with self.lock:
            return self._find(self._account(account), instrument, order_id, client_id).view()

    def open_orders(self, account: Account | str, instrument: str | None = None) -> list[OrderView]:
        """The open orders of an account, in one instrument or in all."""
        with self.lock:
            records = self._account(account).open.values()
            return [record.view() for record in records if instrument is None or record.instrument.id == instrument]

    def order_history(
        self,
        account: Account | str,
        instrument: str | None = None,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
        include_open: bool = True,
    ) -> list[OrderView]:
        """Orders of an account by rising id.

        Args:
            account: Whose.
            instrument: None for all.
            from_id: The first order id; None for any.
            start_ms: The earliest creation time; None for any.
            end_ms: The latest creation time, inclusive; None for any.
            limit: The most to give; the newest ones, or the oldest ones from ``from_id`` or ``start_ms`` when one is given.
            include_open: Whether open orders belong to it.
        """
        with self.lock:
            holder = self._account(account)
            records = list(holder.closed.values()) + (list(holder.open.values()) if include_open else [])
            found = [
                record
                for record in records
                if (instrument is None or record.instrument.id == instrument)
                and (from_id is None or record.order_id >= from_id)
                and (start_ms is None or record.created_ms >= start_ms)
                and (end_ms is None or record.created_ms <= end_ms)
            ]
            found.sort(key=lambda record: record.order_id)
            return [record.view() for record in _page(found, limit, from_id is not None or start_ms is not None)]

    def fills(
        self,
        account: Account | str,
        instrument: str | None = None,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[FillView]:
        """Fills of an account, oldest first; ``from_id`` is the first trade id, the rest as in ``order_history``."""
        with self.lock:
            found = [
                fill
                for fill in self._account(account).fills
                if (instrument is None or fill.order.instrument.id == instrument)
                and (order_id is None or fill.order.order_id == order_id)
                and (from_id is None or fill.trade_id >= from_id)
                and (start_ms is None or fill.time_ms >= start_ms)
                and (end_ms is None or fill.time_ms <= end_ms)
            ]
            return [fill.view() for fill in _page(found, limit, from_id is not None or start_ms is not None)]

    # --- events ---

    def subscribe(self, callback: Callable[[Event], None], kinds: Iterable[type] = _ALL_EVENTS) -> Callable[[], None]:
        """Calls ``callback`` with every event of these kinds until the returned function is called.

        Args:
            callback: Called with the exchange's lock held, in the order of events; it must hand the event over and return.
            kinds: Event classes; nothing is computed for the kinds that nobody listens to.

        Returns:
            A function that ends the subscription; calling it again has no effect.
        """
        kinds = tuple(kinds)
        unknown = [kind for kind in kinds if kind not in _ALL_EVENTS]
        if unknown:
            raise InputError(
                f"no such event: {unknown[0]!r}; valid: {', '.join(kind.__name__ for kind in _ALL_EVENTS)}"
            )
        with self.lock:
            self._hub.add(callback, kinds)
            self._watch_books()

        def unsubscribe() -> None:
            with self.lock:
                self._hub.remove(callback)
                self._watch_books()

        return unsubscribe

    def _watch_books(self) -> None:
        """Has the books note their changes only while somebody wants them."""
        wanted = self._hub.wants(BookEvent)
        for pit in self._pits.values():
            if wanted and pit.book.changes is None:
                pit.book.changes, pit.sent_version = set(), pit.book.version
            elif not wanted:
                pit.book.changes = None

    def _tell_order(self, record: OrderRecord, execution: Execution | None) -> None:
        if not record.account.house and self._hub.wants(OrderEvent):
            fill = execution.view() if execution is not None else None
            self._hub.emit(OrderEvent(account=record.account.name, order=record.view(), fill=fill))

    def _tell_account(self, account: Account, assets: Iterable[str]) -> None:
        if not account.house and self._hub.wants(AccountEvent):
            balances = {asset: account.balance(asset) for asset in assets}
            self._hub.emit(AccountEvent(account=account.name, balances=balances, time_ms=self.server_time_ms()))

    def _tell_book(self, pit: _Pit) -> None:
        """One delta for everything that a request has changed in a book, and its new top."""
        book, instrument = pit.book, pit.instrument
        if book.changes:
            bids: list[tuple[Decimal, Decimal]] = []
            asks: list[tuple[Decimal, Decimal]] = []
            for is_buy, ticks in sorted(book.changes, key=lambda change: -change[1] if change[0] else change[1]):
                level = (instrument.price(ticks), instrument.quantity(book.lots_at(is_buy, ticks)))
                (bids if is_buy else asks).append(level)
            book.changes.clear()
            first, pit.sent_version = pit.sent_version + 1, book.version
            self._hub.emit(
                BookEvent(
                    instrument=instrument.id, first_version=first, last_version=book.version,
                    bids=tuple(bids), asks=tuple(asks), time_ms=self.server_time_ms(),
                )
            )  # fmt: skip
        if self._hub.wants(TickerEvent):
            self._tell_top(pit)

    def _tell_top(self, pit: _Pit) -> None:
        book, instrument = pit.book, pit.instrument
        bid, ask = book.best_bid(), book.best_ask()
        top = (bid, book.lots_at(True, bid), ask, book.lots_at(False, ask), pit.tape.last_ticks)
        if top == pit.top:
            return
        pit.top = top
        self._hub.emit(
            TickerEvent(
                instrument=instrument.id, version=book.version, bid=instrument.price(top[0]), bid_quantity=instrument.quantity(top[1]),
                ask=instrument.price(top[2]), ask_quantity=instrument.quantity(top[3]), last=instrument.price(top[4]),
                time_ms=self.server_time_ms(),
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


def _page(found: list, limit: int | None, from_start: bool) -> list:  # type: ignore[type-arg]
    """The newest ``limit`` entries, or the oldest ones when the caller named a start."""
    if limit is None or len(found) <= limit:
        return found
    if limit <= 0:
        return []
    return found[:limit] if from_start else found[-limit:]
