"""The contracts that an exchange object works with: what their codes named when they were chosen, and orders of the venue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import FmzError, InputError, VenueRejected, short_repr
from ...fork import after_fork_in_child
from ...structures import Info, Order
from .converter import Contract
from .port import ContractPort

__all__ = ["ContractDesk", "contract_code", "listed_as"]

_MOST_ALARMED = 10_000  # orders of the venue that are remembered


def contract_code(code: Any) -> str:
    """A contract code as it was given.

    Raises:
        InputError: It is not text, or empty.
    """
    if not isinstance(code, str) or not code:
        raise InputError(f"a contract must be text such as 'swap', got {short_repr(code)}")
    return code


def listed_as(contract: Contract) -> Info:
    """What ``SetContractType`` returns: the venue's name of the contract (twice, as FMZ has it), and its value."""
    return Info(
        InstrumentID=contract.venue_symbol,
        instrument=contract.venue_symbol,
        CtVal=float(contract.value.amount),
        CtValCcy=contract.value_currency,
    )


class ContractDesk:
    """Which contract each code stood for when the strategy chose it, and which orders of the venue were told of; thread-safe.

    A code such as ``quarter`` names another contract after each delivery; an order must not go to it unnoticed.

    Args:
        venue: Lists the contracts.
        report: Writes an error line.
    """

    def __init__(self, venue: ContractPort, report: Callable[[FmzError], None]) -> None:
        self._venue = venue
        self._report = report
        self._names: dict[str, str] = {}
        self._alarmed: set[str] = set()
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _names and _alarmed

    def choose(self, symbol: str) -> Contract:
        """Looks up what a symbol names now, and remembers it for the orders to come.

        Raises:
            UnknownSymbol: The venue does not list it.
            NotSupported: The venue has no contracts.
        """
        contract = self._venue.contract(symbol)
        with self._lock:
            self._names[symbol] = contract.venue_symbol
        return contract

    def checked(self, symbol: str) -> str:
        """What one contract of a symbol is, in words; refuses a code that names another contract than when it was chosen, or first used.

        Raises:
            InputError: The code has rolled.
            UnknownSymbol: The venue does not list it.
        """
        contract = self._venue.contract(symbol)
        with self._lock:
            chosen = self._names.setdefault(symbol, contract.venue_symbol)
        if chosen != contract.venue_symbol:
            code = symbol.partition(".")[2]
            raise InputError(
                f"the contract code {code!r} of {symbol} has rolled from {chosen} to {contract.venue_symbol}; nothing was sent: "
                f"SetContractType({code!r}) chooses the new contract"
            )
        return contract.words

    def forget(self) -> None:
        """Forgets all choices (another base URL may have other contracts)."""
        with self._lock:
            self._names.clear()

    def alarm(self, orders: Sequence[Order]) -> None:
        """Writes an error line, once each, for what must not go unnoticed.

        Orders that the venue made itself (liquidation, auto-deleveraging, delivery), and condition orders that triggered while the order
        that they were to place was refused.
        """
        for order in orders:
            made_by, refused = order.get("MadeBy"), order.get("Refused")
            if (made_by or refused) and self._is_new(order["Id"]):
                words = (
                    f"the venue made an order of its own ({made_by}): {order['Id']} of {order['Symbol']}"
                    if made_by
                    else f"the order of the triggered condition order {order['Id']} of {order['Symbol']} was refused: {refused}"
                )
                self._report(VenueRejected(words))

    def tell(self, error: FmzError) -> None:
        """Writes an error line."""
        self._report(error)

    def _is_new(self, order_id: str) -> bool:
        with self._lock:
            if order_id in self._alarmed:
                return False
            if len(self._alarmed) >= _MOST_ALARMED:
                self._alarmed.clear()
            self._alarmed.add(order_id)
            return True
