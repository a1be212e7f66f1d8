"""Delivery of a paper account's contracts: positions are settled at the last mark price, and orders end."""

from __future__ import annotations

import json
from decimal import Decimal

import attrs

from ....exchange.contracts.converter import Contract, ContractValue
from ..account.account import PaperAccount
from .venue_orders import close_position

__all__ = ["PaperDelivery"]


class PaperDelivery:
    """Knows which contract each code named, and when it is delivered; thread-safe, by the account's lock.

    A code such as ``quarter`` names the next contract after a delivery: what is left of the old one is settled before the new one is traded.

    Args:
        account: The account.
    """

    def __init__(self, account: PaperAccount) -> None:
        self._account = account
        facts = account.store.facts()
        self._known = {
            name.partition(" ")[2]: _read(name, text) for name, text in facts.items() if name.startswith("contract ")
        }
        self._marks = {
            name.partition(" ")[2]: Decimal(text) for name, text in facts.items() if name.startswith("mark ") and text
        }

    def see(self, symbol: str, mark: Decimal) -> None:
        """Keeps the mark price of a contract with a delivery."""
        with self._account.lock:
            if symbol in self._known and self._marks.get(symbol) != mark:
                self._account.keep(f"mark {symbol}", str(mark))
                self._marks[symbol] = mark

    def pass_to(self, symbol: str, contract: Contract | None) -> str:
        """Settles the contract that a symbol named, if its time has come, and notes the one that it names now.

        Args:
            symbol: FMZ's symbol.
            contract: What it names now; None if the venue no longer lists it.

        Returns:
            What was delivered, in words; empty if nothing was.

        Raises:
            OperationFailed: It cannot be stored; nothing has changed.
        """
        known = self._known.get(symbol)
        if known is None and (contract is None or not contract.expires_ms):
            return ""
        with self._account.lock:
            now_ms, words = self._account.now_ms(), ""
            known = self._known.get(symbol)
            if known is not None and known.expires_ms <= now_ms:
                words = self._settle(known)
                del self._known[symbol]
                if self._marks.pop(symbol, None) is not None:
                    self._account.keep(f"mark {symbol}", "")  # the next contract has a price of its own
            if contract is not None and contract.expires_ms > now_ms and self._known.get(symbol) != contract:
                self._account.keep(f"contract {symbol}", _text(contract))
                self._known[symbol] = contract
            return words

    def _settle(self, contract: Contract) -> str:
        account, symbol = self._account, contract.symbol
        change = account.step()
        for order in account.open_orders(symbol):
            change.orders[order.number] = account.end(change, order)
        for condition in account.pending_conditions.values():
            if condition.symbol == symbol:
                change.conditions[condition.number] = attrs.evolve(condition, state="cancelled")
        words = [
            close_position(account, change, one, contract, self._marks.get(symbol, one.price), "delivery")
            for one in account.position_rows.values()
            if one.amount and one.symbol == symbol
        ]
        account.commit(change)
        return ", ".join(words)


def _text(contract: Contract) -> str:
    return json.dumps(
        {
            "venue_symbol": contract.venue_symbol,
            "value": str(contract.value.amount),
            "in_coins": contract.value.in_coins,
            "value_currency": contract.value_currency,
            "margin_currency": contract.margin_currency,
            "step": None if contract.step is None else str(contract.step),
            "expires_ms": contract.expires_ms,
        }
    )


def _read(name: str, text: str) -> Contract:
    found = json.loads(text)
    return Contract(
        symbol=name.partition(" ")[2],
        venue_symbol=found["venue_symbol"],
        value=ContractValue(Decimal(found["value"]), found["in_coins"]),
        value_currency=found["value_currency"],
        margin_currency=found["margin_currency"],
        step=None if found["step"] is None else Decimal(found["step"]),
        expires_ms=found["expires_ms"],
    )
