"""The simulated exchange: books, accounts, orders, trades and bars behind one lock.

The interface that the dialects use::

    exchange = SimulatedExchange(instruments, clock=WallClock())
    account = exchange.create_account("user", key, secret, passphrase, {"USDT": Decimal(10000)})
    exchange.account_by_key(key)                                     # TradingAccount or None; account.may(secret, passphrase)
    exchange.instruments(), exchange.instrument(id)
    exchange.depth(id, limit)                                        # DepthView(version, time_ms, bids, asks), levels (price, quantity, orders)
    exchange.trades(id, limit, from_id=None, start_ms=None, end_ms=None)
    exchange.bars(id, period_s, limit, start_ms=None, end_ms=None, offset_s=0)
    exchange.stats_24h(id)
    exchange.place(account, NewOrder(...)) -> OrderView              # with its fills; exchange.check(...) only checks
    exchange.cancel(account, instrument, order_id=None, client_id=None) -> OrderView
    exchange.amend(account, instrument, order_id=None, client_id=None, price=None, quantity=None) -> OrderView
    exchange.cancel_all(account, instrument=None) -> list[OrderView]
    exchange.order(account, instrument, order_id=None, client_id=None) -> OrderView
    exchange.open_orders(account, instrument=None) -> list[OrderView]
    exchange.order_history(account, instrument=None, from_id=None, start_ms=None, end_ms=None, limit=None) -> list[OrderView]
    exchange.fills(account, instrument=None, order_id=None, from_id=None, start_ms=None, end_ms=None, limit=None) -> list[FillView]
    exchange.balances(account) -> {asset: Balance(free, frozen)}
    exchange.contracts.positions(account), .set_leverage(...), .set_prices(...), .pay_funding(...), ...  # see ``ContractClearing``
    exchange.server_time_ms()
    exchange.subscribe(callback, kinds) -> unsubscribe

Every refusal is ``Rejected`` with a ``Reason``. Lists are oldest first. Accounts are given as objects or by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from ...clock import Clock, WallClock
from ...errors import InputError, nearest
from .accounts import Execution, OrderRecord, TradingAccount
from .balances import Balance
from .conditional.condition_orders import ConditionOrders
from .conditional.order_lists import OrderLists
from .instruments import Instrument, binance_spot, from_units, to_units
from .margin.contract_engine import ContractEngine
from .margin.desk import ContractClearing
from .margin.references import position_size, reference_price
from .margin.settlement import settle_by_kind
from .market_data import MarketData
from .orders import FillView, Finish, NewOrder, OrderView, State
from .reasons import Reason, Rejected
from .settlement import SettlementFactory

__all__ = ["SimulatedExchange"]


class SimulatedExchange(MarketData):
    """A thread-safe exchange in memory.

    Args:
        instruments: The instruments to trade.
        clock: Tells the time of orders and trades; a wall clock if None.
        first_order_id: The number of the first order.
        trade_history: The minimum number of trades kept per instrument.
        order_history: The number of closed orders, and of fills, kept per account.
        settlement: Creates the settlement of each instrument, which applies orders and fills to balances; by default spot's, or that of
            contracts for an instrument with ``terms``.

    Attributes:
        house: The account that receives the fees.
        insurance: The account that pays what liquidated accounts lack.
        lists: Linked orders.
        contracts: Positions, leverage, reference prices, funding and delivery.

    Raises:
        InputError: Two instruments share an id, or the list is empty.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument] | None = None,
        *,
        clock: Clock | None = None,
        first_order_id: int = 1_000_001,
        trade_history: int = 10_000,
        order_history: int = 10_000,
        settlement: SettlementFactory = settle_by_kind,
    ) -> None:
        listed = tuple(binance_spot() if instruments is None else instruments)
        if not listed or len({instrument.id for instrument in listed}) != len(listed):
            raise InputError("an exchange needs at least one instrument, each with a unique id")
        clock = clock if clock is not None else WallClock()
        house = TradingAccount("house", uid=10_000_000, house=True, history=order_history)
        self.insurance = TradingAccount("insurance", uid=10_000_001, house=True, history=order_history)
        self._accounts = {account.name: account for account in (house, self.insurance)}
        engine = ContractEngine(
            listed, clock=clock, house=house, settlement=settlement, first_order_id=first_order_id, trade_history=trade_history,
            accounts=self._accounts, insurance=self.insurance,
        )  # fmt: skip
        super().__init__(engine, clock)
        self.house = house
        self.lists = OrderLists(engine, self.lock)
        self.conditions = ConditionOrders(engine, self.lock)
        self.contracts = ContractClearing(engine, self.lock)
        self.conditions.price_of, self.conditions.size_of = reference_price, position_size
        self._by_key: dict[str, TradingAccount] = {}
        self._order_history = order_history

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
    ) -> TradingAccount:
        """Creates an account.

        Args:
            name: Its name inside the exchange.
            key: The API key; empty for an account without API access.
            secret: The API secret.
            passphrase: The passphrase, for dialects that require one.
            balances: The initial balances, by asset.
            house: Whether it is the exchange's own: no history, no private events.
            maker_fee: Its own maker fee rate; None for each instrument's.
            taker_fee: Its own taker fee rate; None for each instrument's.

        Raises:
            InputError: The name or the key is in use, or a balance is negative or not finite.
        """
        with self.lock:
            if name in self._accounts:
                raise InputError(f"the account name {name!r} is in use")
            if key and key in self._by_key:
                raise InputError("the API key is in use by another account")
            account = TradingAccount(
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

    def account(self, name: str) -> TradingAccount:
        """An account by its name.

        Raises:
            InputError: No account has this name.
        """
        account = self._accounts.get(name)
        if account is None:
            raise InputError(f"no account {name!r}{nearest(name, self._accounts)}")
        return account

    def accounts(self) -> list[TradingAccount]:
        """All accounts, the exchange's own included."""
        with self.lock:
            return list(self._accounts.values())

    def account_by_key(self, key: str) -> TradingAccount | None:
        """The account with an API key; None if not found."""
        return self._by_key.get(key) if key else None

    def deposit(self, account: TradingAccount | str, asset: str, amount: Decimal) -> None:
        """Deposits an amount to an account.

        Raises:
            InputError: The amount is negative or not finite, or there is no such account.
        """
        with self.lock:
            holder = self._account(account)
            holder.deposit(asset, to_units(amount))
            self._engine.tell_account(holder, (asset,))

    def balances(self, account: TradingAccount | str) -> Mapping[str, Balance]:
        """The balances of an account, by asset."""
        with self.lock:
            return self._account(account).balances()

    def supply(self) -> dict[str, Decimal]:
        """The total of each asset over all accounts, including the exchange's own.

        With margins, and what open positions have cost. Only deposits change these totals.
        """
        with self.lock:
            total: dict[str, int] = {}
            for account in self._accounts.values():
                for asset, free in account.free.items():
                    total[asset] = total.get(asset, 0) + free + account.frozen[asset]
                for leg in account.margin.legs.values() if account.margin is not None else ():
                    total[leg.asset] = total.get(leg.asset, 0) + leg.margin - leg.cost
            return {asset: from_units(units) for asset, units in total.items()}

    def _account(self, account: TradingAccount | str) -> TradingAccount:
        return account if isinstance(account, TradingAccount) else self.account(account)

    # --- orders ---

    def check(self, account: TradingAccount | str, order: NewOrder) -> None:
        """Checks an order, except for funds, without placing it.

        Raises:
            Rejected: See ``place``.
        """
        with self.lock:
            self._engine.accept(self._account(account), order)

    def place(self, account: TradingAccount | str, order: NewOrder) -> OrderView:
        """Places an order and matches it at once.

        Returns:
            The order after matching, with its fills.

        Raises:
            Rejected: It was refused; nothing has changed.
        """
        with self.lock:
            holder = self._account(account)
            record = self._engine.accept(holder, order)
            self._engine.run(self._engine.markets[order.instrument], record, order)
            return record.view()

    def cancel(
        self,
        account: TradingAccount | str,
        instrument: str,
        order_id: int | None = None,
        client_id: str | None = None,
        *,
        finish: Finish = Finish.USER,
    ) -> OrderView:
        """Cancels an open order, found by id or client id.

        ``finish`` is the reason to record.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT, UNKNOWN_ORDER, or ORDER_CLOSED if it has already ended.
        """
        market = self._engine.market(instrument)
        with self.lock:
            record = self._find(self._account(account), instrument, order_id, client_id)
            if record.state.final:
                raise Rejected(Reason.ORDER_CLOSED, f"order {record.order_id} is already {record.state.value}")
            self._engine.finish(record, State.CANCELED, finish)
            self._engine.tell_account(record.account, market.settlement.held_assets(record))
            self._engine.tell_book(market)
            return record.view()

    def amend(
        self,
        account: TradingAccount | str,
        instrument: str,
        order_id: int | None = None,
        client_id: str | None = None,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        new_client_id: str = "",
    ) -> OrderView:
        """Changes an open limit order, found by id or client id.

        Args:
            account: The account.
            instrument: The instrument's id.
            order_id: The order's id; None to find it by ``client_id``.
            client_id: The client's own id.
            price: The new price; None for the same.
            quantity: The new total quantity, including fills; None for the same.
            new_client_id: The new client id; empty for the same.

        Returns:
            The changed order. With the same price and no larger rest it has kept its queue position.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT, UNKNOWN_ORDER, ORDER_CLOSED, WOULD_TAKE (a post-only order), a filter, QUANTITY_TOO_SMALL when the
                quantity is no more than what is filled, or INSUFFICIENT_FUNDS; nothing has changed.
        """
        self._engine.market(instrument)
        with self.lock:
            record = self._find(self._account(account), instrument, order_id, client_id)
            self._engine.amend(record, price, quantity, new_client_id)
            return record.view()

    def cancel_all(self, account: TradingAccount | str, instrument: str | None = None) -> list[OrderView]:
        """Cancels an account's open orders, in one instrument or in all."""
        with self.lock:
            holder = self._account(account)
            return [
                self.cancel(holder, record.instrument.id, record.order_id)
                for record in list(holder.open.values())
                if not record.state.final and (instrument is None or record.instrument.id == instrument)
            ]

    def _find(
        self, account: TradingAccount, instrument: str, order_id: int | None, client_id: str | None
    ) -> OrderRecord:
        record: OrderRecord | None = None
        if order_id is not None:
            record = account.find(order_id)
            if record is not None and client_id and record.client_id != client_id:
                raise Rejected(Reason.UNKNOWN_ORDER, f"order {order_id} does not have the client id {client_id!r}")
        elif client_id:
            record = account.by_client.get(client_id)
        if record is None or record.instrument.id != instrument:
            raise Rejected(
                Reason.UNKNOWN_ORDER, f"no order {order_id if order_id is not None else client_id!r} in {instrument}"
            )
        return record

    def order(
        self, account: TradingAccount | str, instrument: str, order_id: int | None = None, client_id: str | None = None
    ) -> OrderView:
        """Returns an open or closed order, found by id or client id.

        Of several orders with one client id the latest is returned.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT or UNKNOWN_ORDER.
        """
        self._engine.market(instrument)
        with self.lock:
            return self._find(self._account(account), instrument, order_id, client_id).view()

    def open_orders(self, account: TradingAccount | str, instrument: str | None = None) -> list[OrderView]:
        """The open orders of an account, in one instrument or in all."""
        with self.lock:
            records = self._account(account).open.values()
            return [record.view() for record in records if instrument is None or record.instrument.id == instrument]

    def order_history(
        self,
        account: TradingAccount | str,
        instrument: str | None = None,
        *,
        from_id: int | None = None,
        below_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
        newest: bool | None = None,
        include_open: bool = True,
        where: Callable[[OrderRecord], bool] | None = None,
    ) -> list[OrderView]:
        """Orders of an account by ascending id.

        The cost depends on the page, not on the number of kept orders.

        Args:
            account: The account.
            instrument: None for all.
            from_id: The first order id; None for any.
            below_id: Only orders with smaller ids; None for any.
            start_ms: The earliest creation time; None for any.
            end_ms: The latest creation time, inclusive; None for any.
            limit: The maximum number; None for all.
            newest: What a limit keeps: True the newest orders, False the oldest; None for the newest, unless ``from_id`` or
                ``start_ms`` is given.
            include_open: Whether open orders are included.
            where: A further condition on the engine's record, checked before conversion to decimals; None for no condition.
        """
        oldest = from_id is not None or start_ms is not None

        def _wanted(record: OrderRecord) -> bool:
            return (
                (include_open or record.state.final)
                and (start_ms is None or record.created_ms >= start_ms)
                and (end_ms is None or record.created_ms <= end_ms)
                and (where is None or where(record))
            )

        with self.lock:
            found = self._account(account).orders_page(
                instrument, limit, newest=not oldest if newest is None else newest, from_id=from_id, below_id=below_id, wanted=_wanted
            )  # fmt: skip
            return [record.view() for record in found]

    def fills(
        self,
        account: TradingAccount | str,
        instrument: str | None = None,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        fill_ids: tuple[int | None, int | None] = (None, None),
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
        newest: bool | None = None,
    ) -> list[FillView]:
        """Fills of an account, oldest first.

        The cost depends on the page, not on the number of kept orders.

        Args:
            account: The account.
            instrument: None for all.
            order_id: Of one order; None for all.
            from_id: The first trade id; None for any.
            fill_ids: The first fill id, and the one to stop before; None for any.
            start_ms: The earliest time; None for any.
            end_ms: The latest time, inclusive; None for any.
            limit: The maximum number; None for all.
            newest: See ``order_history``.
        """
        oldest = from_id is not None or start_ms is not None
        low, high = fill_ids

        def _wanted(fill: Execution) -> bool:
            return (
                (instrument is None or fill.order.instrument.id == instrument)
                and (order_id is None or fill.order.order_id == order_id)
                and (from_id is None or fill.trade_id >= from_id)
                and (low is None or fill.fill_id >= low)
                and (high is None or fill.fill_id < high)
                and (start_ms is None or fill.time_ms >= start_ms)
                and (end_ms is None or fill.time_ms <= end_ms)
            )

        with self.lock:
            found = self._account(account).fills_page(
                limit, newest=not oldest if newest is None else newest, order_id=order_id, wanted=_wanted
            )
        return [fill.view() for fill in found]

    def take_fill_id(self) -> int:
        """A number among the fill ids that no fill gets, for a statement that lists fills with other changes of balances."""
        with self.lock:
            return self._engine.take_fill_id()

    # --- the market's own participants ---

    def requote(
        self,
        instrument: str,
        cancels: Iterable[OrderRecord],
        quotes: Iterable[tuple[TradingAccount, bool, int, int]],
    ) -> list[OrderRecord | None]:
        """Replaces quotes of market participants, with one book event.

        Prices and quantities are whole ticks and lots.

        Args:
            instrument: The instrument's id.
            cancels: Orders from an earlier call; those that have already ended are ignored.
            quotes: Account, whether it buys, price in ticks and quantity in lots.

        Returns:
            One order per quote; None if the account has insufficient funds.
        """
        engine, market = self._engine, self._engine.market(instrument)
        placed: list[OrderRecord | None] = []
        with self.lock:
            for record in cancels:
                if not record.state.final:
                    engine.finish(record, State.CANCELED, Finish.USER, tell=False)
            for account, is_buy, ticks, lots in quotes:
                try:
                    placed.append(engine.quote(market, account, is_buy, ticks, lots))
                except Rejected:
                    placed.append(None)
            engine.tell_book(market)
        return placed

    def sweep(self, instrument: str, account: TradingAccount, is_buy: bool, lots: int) -> int:
        """Trades up to a number of lots at any price for a market participant.

        Returns the lots filled; 0 if funds are insufficient.
        """
        market = self._engine.market(instrument)
        with self.lock:
            try:
                return self._engine.sweep(market, account, is_buy, lots)
            except Rejected:
                return 0
            finally:
                self._engine.tell_book(market)
