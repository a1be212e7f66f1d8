"""The condition orders of a paper account: placed, changed, cancelled, and held against each new price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from ....constants import ORDER_CONDITION_TYPE_GENERIC
from ....errors import DuplicateOrder, InvalidOrder, OrderNotFound, short_repr
from ....exchange.contracts.directions import is_buy
from ....exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from ....exchange.contracts.scopes import scope_includes
from ....structures import Order, Trade
from ...rest.contract_venue import CONDITION_MARK
from ..account.account import PaperAccount
from ..market.tape import Tape
from ..venue_ways import VenueWays
from .condition import PaperCondition, TriggerSource
from .reader import Triggers

__all__ = ["PaperConditionDesk"]

Read = Callable[[ConditionTerms, Mapping[str, str]], Triggers]
"""Reads the triggers of a condition with its options."""


class PaperConditionDesk:
    """Keeps the condition orders of one venue's symbols; thread-safe, by the account's lock.

    Args:
        account: The account.
        ways: How the venue refuses.
    """

    def __init__(self, account: PaperAccount, ways: VenueWays) -> None:
        self._account = account
        self._ways = ways
        self._tapes: dict[str, Tape] = {}

    # Orders

    def place(self, intent: ConditionIntent, read: Read) -> PaperCondition:
        """Takes a condition order; nothing is frozen for it.

        Args:
            intent: The condition order.
            read: Reads its triggers; it may ask the venue for prices, so that it is called without the account's lock.

        Raises:
            DuplicateOrder: Its client order id is in use.
            OperationFailed: It cannot be stored; nothing has changed.
        """
        account = self._account
        found = read(intent.terms, intent.options)
        with account.lock:
            if account.store.conditions("symbol = ? AND client_id = ?", (intent.symbol, intent.client_order_id)):
                raise DuplicateOrder(f"the client order id {short_repr(intent.client_order_id)} is in use")
            condition = PaperCondition(
                number=account.next_condition_number(),
                client_id=intent.client_order_id,
                symbol=intent.symbol,
                side=intent.side,
                amount=intent.amount,
                terms=found.terms,
                legs=found.legs,
                trail=found.trail,
                made_ms=account.now_ms(),
            )
            self._store(condition)
            return condition

    def change(self, intent: ModifyIntent, read: Read) -> PaperCondition:
        """Changes amount and condition of one that waits; triggers that the change does not name stay.

        Raises:
            OrderNotFound: None with this id waits.
            InvalidOrder: It cannot be changed so; it is as it was.
            OperationFailed: It cannot be stored; it is as it was.
        """
        while True:
            with self._account.lock:
                known = self._waiting(intent.order_id)
            changed = self._changed(known, intent, read)
            with self._account.lock:
                if self._waiting(intent.order_id) is not known:
                    continue  # another thread has changed it meanwhile
                self._store(changed)
                if known.symbol in self._tapes:
                    self._tapes[known.symbol].eligible.discard(
                        known.number
                    )  # only newer trades count for its new triggers
                return changed

    def _changed(self, known: PaperCondition, intent: ModifyIntent, read: Read) -> PaperCondition:
        if known.trail is not None or is_buy(known.side) is not is_buy(intent.side):
            raise self._ways.refusal(InvalidOrder, self._ways.only_limit, intent.order_id)
        changed = attrs.evolve(known, amount=known.amount if intent.amount is None else intent.amount)
        wanted = known.terms if intent.terms is None else _merged(known, intent.terms)
        if wanted == known.terms and not intent.options:
            return changed
        found = read(wanted, {**_kept_options(known, self._ways), **intent.options})
        return attrs.evolve(changed, terms=found.terms, legs=found.legs, trail=found.trail)

    def cancel(self, order_id: str) -> None:
        """Ends one that waits.

        Raises:
            OrderNotFound: None with this id waits.
            OperationFailed: It cannot be stored; it still waits.
        """
        with self._account.lock:
            self._store(attrs.evolve(self._waiting(order_id), state="cancelled"))

    def refuse(self, condition: PaperCondition, why: str) -> bool:
        """Notes that the order of one that has triggered was refused; False if another thread has dealt with it."""
        with self._account.lock:
            known = self._account.pending_conditions.get(condition.number)
            if known is None:
                return False
            self._store(attrs.evolve(known, state="refused", refused=why))
            return True

    def _waiting(self, order_id: str) -> PaperCondition:
        for one in self._account.pending_conditions.values():
            if one.id == order_id and one.state == "waiting":
                return one
        raise self._ways.refusal(OrderNotFound, self._ways.condition_gone, order_id)

    def _store(self, *conditions: PaperCondition) -> None:
        change = self._account.step()
        change.conditions.update({one.number: one for one in conditions})
        self._account.commit(change)

    # Prices

    def see_trades(self, symbol: str, trades: Iterable[Trade]) -> None:
        """Holds the symbol's triggers against the last price, and against each trade since the look that first saw them.

        Whether a trade of the first look came before or after an order cannot be told, so that only the newest price counts there; so it
        does after a time in which nothing looked.
        """
        rows = list(trades)
        with self._account.lock:
            tape = self._tapes.setdefault(symbol, Tape())
            seen = [Decimal(repr(one["Price"])) for one in tape.new(rows)]
            last = [Decimal(repr(rows[-1]["Price"]))] if rows else []
            of = [one for one in self._of(symbol) if one.state == "waiting"]
            self._judge(of, "last", lambda one: [*(seen if one.number in tape.eligible else []), *last])
            tape.eligible = {one.number for one in self._of(symbol)}

    def see(self, symbol: str, source: TriggerSource, price: Decimal) -> None:
        """Holds the symbol's triggers against a mark or index price."""
        with self._account.lock:
            self._judge(self._of(symbol), source, lambda one: [price])

    def _judge(
        self,
        conditions: Iterable[PaperCondition],
        source: TriggerSource,
        prices_for: Callable[[PaperCondition], list[Decimal]],
    ) -> None:
        changed, now_ms = [], self._account.now_ms()
        for condition in conditions:
            after = condition
            for price in prices_for(condition):
                after = after.after(source, price, now_ms)
            if after is not condition:
                changed.append(after)
        if changed:
            self._store(*changed)

    def _of(self, symbol: str) -> list[PaperCondition]:
        return [one for one in self._account.pending_conditions.values() if one.symbol == symbol]

    def due(self, symbol: str) -> list[PaperCondition]:
        """Those that have triggered and whose order is to be placed, in the order in which they were placed themselves."""
        with self._account.lock:
            return [one for one in self._of(symbol) if one.state == "triggered"]

    def sources(self, symbol: str) -> set[TriggerSource]:
        """The prices that the symbol's condition orders look at."""
        with self._account.lock:
            return {source for one in self._of(symbol) for source in one.sources}

    def symbols(self) -> set[str]:
        """The symbols with condition orders that still have something to do."""
        with self._account.lock:
            return {one.symbol for one in self._account.pending_conditions.values()}

    # Reading

    def one(self, order_id: str) -> Order:
        """One condition order by its id; raises OrderNotFound if it is not found."""
        symbol, _, number = order_id.rpartition(f",{CONDITION_MARK}")
        return self._found("number = ? AND symbol = ?", (int(number) if number.isdecimal() else 0, symbol), order_id)

    def by_client_id(self, symbol: str, client_id: str) -> Order:
        """One condition order by its client order id; raises OrderNotFound if it is not found."""
        return self._found("symbol = ? AND client_id = ?", (symbol, client_id), client_id)

    def _found(self, where: str, params: tuple[object, ...], about: str) -> Order:
        found = self._account.store.conditions(where, params)
        if not found:
            raise OrderNotFound(f"no condition order {short_repr(about)}")
        return self._shown(found[0])

    def waiting(self, scope: str | None) -> list[Order]:
        """Those that have not triggered, oldest first."""
        with self._account.lock:
            found = [one for one in self._account.pending_conditions.values() if one.state == "waiting"]
        return [self._shown(one) for one in found if scope_includes(scope, one.symbol)]

    def past(self, symbol: str, since_ms: int, limit: int) -> list[Order]:
        """Those that have triggered or ended, oldest first: the first ones since a time, or the newest without a time."""
        where = "symbol = ? AND state <> 'waiting'"
        if since_ms:
            found = self._account.store.conditions(
                f"{where} AND made_ms >= ? ORDER BY number LIMIT ?", (symbol, since_ms, limit or -1)
            )
        else:
            found = self._account.store.conditions(f"{where} ORDER BY number DESC LIMIT ?", (symbol, limit or 500))[
                ::-1
            ]
        return [self._shown(one) for one in found]

    def _shown(self, condition: PaperCondition) -> Order:
        child = self._account.order(f"{condition.symbol},{condition.child}") if condition.child else None
        return condition.shown(child)


def _merged(known: PaperCondition, new: ConditionTerms) -> ConditionTerms:
    """The condition after a change: the triggers that it does not name stay, and it gets none that it did not have.

    Raises:
        InvalidOrder: The change names none of its triggers.
    """
    old = known.terms
    if old.kind == ORDER_CONDITION_TYPE_GENERIC:
        return attrs.evolve(new, kind=old.kind) if new.sl_trigger or new.tp_trigger else old
    fields: dict[str, Decimal | None] = {}
    for leg in ("tp", "sl"):
        source = (
            new if getattr(old, f"{leg}_trigger") is not None and getattr(new, f"{leg}_trigger") is not None else old
        )
        fields.update({name: getattr(source, name) for name in (f"{leg}_trigger", f"{leg}_price")})
    found = ConditionTerms(kind=old.kind, **fields)
    if found == old and new != old and new.name != old.name:
        raise InvalidOrder(
            f"{known.id} is a condition order of the kind {old.name}; a change cannot make it {new.name}"
        )
    return found


def _kept_options(known: PaperCondition, ways: VenueWays) -> dict[str, str]:
    """The options that say which prices it looks at, as they were."""
    if ways.options != "okx":
        return {}
    if known.terms.kind == ORDER_CONDITION_TYPE_GENERIC:
        return {"triggerPxType": known.legs[0].source}
    buys = is_buy(known.side)
    return {f"{'sl' if leg.rising is buys else 'tp'}TriggerPxType": leg.source for leg in known.legs}
