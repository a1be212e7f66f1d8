"""The state of a paper account: balances, orders, positions, condition orders; changed in steps that are stored first."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from decimal import Decimal

from ....clock import Clock
from ....errors import OperationFailed, OrderNotFound, short_repr
from ....exchange.contracts.converter import Contract
from ....fork import after_fork_in_child
from ..market.liquidity import TakenLiquidity
from ..market.tape import Tape
from ..money.balances import Balances
from ..money.brackets import MarginBrackets
from ..money.contract_money import ContractMoney
from ..money.positions import PaperPosition
from ..money.purse import Money
from ..money.spot import SpotMoney
from ..settings import Paper
from .orders import PaperOrder
from .step import PaperStep
from .store import PaperStore

__all__ = ["PaperState"]


class _LeftBehind(AbstractContextManager[object]):
    """The lock of an account in the child of a fork: it is never released."""

    def __enter__(self) -> object:
        raise OperationFailed(
            "the paper account belongs to the process that opened it, and this is a child of it; make another Exchange here"
        )

    def __exit__(self, *ended: object) -> None:
        """Never called."""


class PaperState:
    """What a paper account holds; thread-safe.

    Args:
        store: Its file.
        paper: How a new account begins, and the fees.
        clock: Tells the time of orders and fills.

    Raises:
        OperationFailed: The file cannot be used, or another process trades with it.
    """

    def __init__(self, store: PaperStore, paper: Paper, clock: Clock) -> None:
        self.paper = paper
        self.store = store
        self._clock = clock
        self._spot: Money = SpotMoney()
        self._contracts: dict[str, Contract] = {}
        self._brackets: dict[str, MarginBrackets] = {}
        self._margin: Money = ContractMoney(self)
        # Guards all below: an order is checked, matched and stored in one step.
        self.lock: AbstractContextManager[object] = threading.RLock()
        after_fork_in_child(self._left_behind)
        self._balances = Balances(store.open(paper.balances, paper.position_mode))
        self._open = {order.number: order for order in store.orders("status = 0 ORDER BY number")}
        self._number = store.last_number()
        self.pending_conditions = {
            one.number: one for one in store.conditions("state IN ('waiting', 'triggered')") if one.is_pending
        }
        self._condition_number = store.last_condition()
        facts = store.facts()
        positions = [PaperPosition.of_text(text) for name, text in facts.items() if name.startswith("position ")]
        self.position_rows = {(one.symbol, one.long): one for one in positions}
        self._levels = {
            name.partition(" ")[2]: Decimal(text) for name, text in facts.items() if name.startswith("level ")
        }
        self._isolated = {
            name.partition(" ")[2]: text == "isolated" for name, text in facts.items() if name.startswith("margin ")
        }
        self._hedge = facts.get("mode", "hedge") == "hedge"  # an older account has no mode: it was always hedge mode
        self._taken: dict[tuple[str, bool], TakenLiquidity] = {}
        self._tapes: dict[str, Tape] = {}

    def _left_behind(self) -> None:
        """In the child of a fork: the file is the parent's, and two processes must not trade with one account."""
        self.lock = _LeftBehind()

    # Contracts

    def learn(self, contract: Contract, brackets: MarginBrackets | None = None) -> None:
        """Takes what a contract is, before its orders and looks; None leaves the brackets that are known."""
        with self.lock:
            self._contracts[contract.symbol] = contract
            if brackets is not None:
                self._brackets[contract.symbol] = brackets

    def contract(self, symbol: str) -> Contract:
        """What a contract is; it must have been learnt."""
        return self._contracts[symbol]

    def brackets(self, symbol: str) -> MarginBrackets:
        """The brackets of a contract."""
        return self._brackets.get(symbol) or MarginBrackets.flat(self.paper.maintenance_rate)

    @property
    def hedge(self) -> bool:
        """Whether a long and a short position lie beside each other; else there is one of them at a time."""
        return self._hedge

    def set_hedge(self, hedge: bool) -> None:
        """Sets the position mode; there must be neither orders of contracts nor positions."""
        with self.lock:
            self.keep("mode", "hedge" if hedge else "one_way")
            self._hedge = hedge

    def isolated(self, symbol: str) -> bool:
        """Whether positions in a symbol have isolated margin."""
        return self._isolated.get(symbol, False)

    def set_isolated(self, symbol: str, isolated: bool) -> None:
        """Sets isolated or cross margin of what is opened from now on."""
        with self.lock:
            self.keep(f"margin {symbol}", "isolated" if isolated else "cross")
            self._isolated[symbol] = isolated

    def keep(self, name: str, text: str) -> None:
        """Stores one value by name."""
        with self.lock:
            change = self.step()
            change.facts[name] = text
            self.commit(change)

    def level(self, symbol: str) -> Decimal:
        """The leverage of a symbol."""
        return self._levels.get(symbol, self.paper.margin_level)

    def set_level(self, symbol: str, level: Decimal) -> None:
        """Sets the leverage of a symbol for what is opened from now on."""
        with self.lock:
            self.keep(f"level {symbol}", str(level))
            self._levels[symbol] = level

    def _money(self, symbol: str) -> Money:
        return self._margin if "." in symbol else self._spot

    def step(self) -> PaperStep:
        """Begins a step; call with the lock, and ``commit`` it."""
        return PaperStep(self)

    @staticmethod
    def end(change: PaperStep, order: PaperOrder) -> PaperOrder:
        """Ends an order, and frees what it held."""
        change.balances.release(order.currency, order.held)
        return order.ended()

    def commit(self, change: PaperStep) -> None:
        """Stores a change, then puts it into effect."""
        rows = {name: row for name, row in change.balances.rows.items() if change.before.rows.get(name) != row}
        self.store.save(
            rows, change.orders.values(), change.fills, change.facts, change.payments, change.conditions.values()
        )
        self._balances = change.balances
        self.position_rows.update(change.positions)
        for number, order in change.orders.items():
            if order.is_open:
                self._open[number] = order
            else:
                self._open.pop(number, None)
        for number, condition in change.conditions.items():
            if condition.is_pending:
                self.pending_conditions[number] = condition
            else:
                self.pending_conditions.pop(number, None)

    def _open_order(self, order_id: str) -> PaperOrder | None:
        return next((one for one in self._open.values() if one.id == order_id), None)

    def now_ms(self) -> int:
        """The time in ms since the epoch."""
        return self._now_ms()

    def next_number(self) -> int:
        """Takes the number of a new order; call with the lock."""
        self._number += 1
        return self._number

    def next_condition_number(self) -> int:
        """Takes the number of a new condition order; call with the lock."""
        self._condition_number += 1
        return self._condition_number

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    # Reading

    @property
    def balances(self) -> Balances:
        """The balances now."""
        with self.lock:
            return self._balances

    def held(self) -> list[PaperPosition]:
        """The positions that are not 0."""
        with self.lock:
            return [one for one in self.position_rows.values() if one.amount]

    def open_orders(self, symbol: str | None = None) -> list[PaperOrder]:
        """The open orders, oldest first."""
        with self.lock:
            return [order for order in self._open.values() if symbol is None or order.symbol == symbol]

    def order(self, order_id: str) -> PaperOrder:
        """One order by its id.

        Raises:
            OrderNotFound: There is no such order.
        """
        symbol, _, number = order_id.rpartition(",")
        found = self.store.orders("number = ? AND symbol = ?", (int(number), symbol)) if number.isdecimal() else []
        if not found:
            raise OrderNotFound(f"no order {short_repr(order_id)}")
        return found[0]

    def order_by_client_id(self, symbol: str, client_id: str) -> PaperOrder:
        """One order by its client order id.

        Raises:
            OrderNotFound: There is no such order.
        """
        found = self.store.orders("symbol = ? AND client_id = ?", (symbol, client_id))
        if not found:
            raise OrderNotFound(f"no order of {symbol} with the client order id {short_repr(client_id)}")
        return found[0]

    def history(self, symbol: str, since_ms: int, limit: int) -> list[PaperOrder]:
        """Orders of a symbol, oldest first: the first ones since a time, or the newest without a time."""
        if since_ms:
            return self.store.orders(
                "symbol = ? AND made_ms >= ? ORDER BY number LIMIT ?", (symbol, since_ms, limit or -1)
            )
        return self.store.orders("symbol = ? ORDER BY number DESC LIMIT ?", (symbol, limit or 500))[::-1]
