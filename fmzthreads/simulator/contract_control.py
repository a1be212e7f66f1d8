"""Contracts under the simulator's own interface: marks, funding and forced events, and the sums of an account to reconcile with."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import InputError, nearest, require
from .dialects.fields import plain_decimal
from .engine.accounts import TradingAccount
from .engine.events import AccountEvent, Event, OrderEvent
from .engine.exchange import SimulatedExchange
from .engine.reasons import Rejected

__all__ = ["ContractAudit", "ContractControl", "contract_routes"]

_FIELDS = {
    "instrument", "mark", "index", "funding_rate", "next_funding_ms", "pay_funding", "deliver", "deleverage", "insurance",
}  # fmt: skip


class ContractAudit:
    """Adds up what one account's contracts did to its balances, from the moment it is made.

    Args:
        exchange: The exchange.
        account: Whose.
    """

    def __init__(self, exchange: SimulatedExchange, account: TradingAccount) -> None:
        self._exchange = exchange
        self._account = account
        self._lock = threading.Lock()  # guards the sums
        self._profits: dict[str, Decimal] = {}
        self._fees: dict[str, Decimal] = {}
        self._filled: dict[str, Decimal] = {}
        self._others: dict[str, Decimal] = {}  # funding, insurance, transfers
        self._line = (
            0  # the number of the last line of the statement that was added: the statement forgets its oldest lines
        )
        self._fills = 0
        with exchange.lock:  # no fill may come between the look at the balances and the first event
            self.initial = {asset: balance.total for asset, balance in exchange.balances(account).items()}
            if account.margin is not None and account.margin.incomes:
                self._line = account.margin.incomes[-1].number
            self.close: Callable[[], None] = exchange.subscribe(self._take, (OrderEvent, AccountEvent))
            """Ends the listening; again has no effect."""

    def _take(self, event: Event) -> None:
        if isinstance(event, AccountEvent):
            if event.account == self._account.name:
                with self._lock:
                    self._add_statement()
            return
        fill = event.fill if isinstance(event, OrderEvent) and event.account == self._account.name else None
        if fill is None or self._exchange.instrument(fill.instrument).terms is None:
            return
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        side = fill.position_side
        with self._lock:
            self._fills += 1
            for sums, key, amount in (
                (self._profits, fill.fee_asset, fill.profit), (self._fees, fill.fee_asset, fill.fee),
                (self._filled, f"{fill.instrument}:{side}", signed),
            ):  # fmt: skip
                sums[key] = sums.get(key, Decimal(0)) + amount

    def _add_statement(self) -> None:
        """Adds the lines of the statement that are new."""
        margin = self._account.margin
        lines = margin.incomes if margin is not None else ()
        for line in reversed(lines):
            if line.number <= self._line:
                break
            self._others[line.asset] = self._others.get(line.asset, Decimal(0)) + line.amount
        if lines:
            self._line = lines[-1].number

    def state(self) -> dict[str, Any]:
        """Positions, balances and sums, ready for JSON; amounts are decimal text.

        ``reconciled`` says whether what the account started with, its profits, fees, funding and other payments are its balances, and
        whether the signed fills are its positions.
        """
        contracts, account = self._exchange.contracts, self._account
        with self._exchange.lock, self._lock:
            self._add_statement()
            others = dict(self._others)
            wallets = {asset: contracts.wallet(account, asset).wallet for asset in account.free}
            positions = [view for view in contracts.positions(account) if view.quantity]
            profits, fees, filled, fills = dict(self._profits), dict(self._fees), dict(self._filled), self._fills
        held: dict[str, Decimal] = {}
        for view in positions:
            key = f"{view.instrument}:{view.side}"
            held[key] = held.get(key, Decimal(0)) + view.quantity
        zero = Decimal(0)
        balanced = all(
            self.initial.get(asset, zero) + profits.get(asset, zero) - fees.get(asset, zero) + others.get(asset, zero) == wallet
            for asset, wallet in wallets.items()
        )  # fmt: skip
        return {
            "fills": fills, "wallets": _texts(wallets), "profits": _texts(profits), "fees": _texts(fees), "other_payments": _texts(others),
            "positions": [
                {
                    "instrument": view.instrument, "side": view.side, "quantity": plain_decimal(view.quantity),
                    "entry_price": plain_decimal(view.entry_price),
                }
                for view in positions
            ],
            "open_orders": len(self._exchange.open_orders(account)),
            "reconciled": balanced and {key: value for key, value in filled.items() if value} == held,
        }  # fmt: skip


class ContractControl:
    """Sets what a test or a user wants to see happen to contracts.

    Args:
        exchanges: The exchange of each product.
        accounts: The account behind the key, in each.
    """

    def __init__(self, exchanges: Mapping[str, SimulatedExchange], accounts: Mapping[str, TradingAccount]) -> None:
        self._of = {
            instrument.id: (exchange, accounts[product])
            for product, exchange in exchanges.items()
            for instrument in exchange.instruments()
            if instrument.terms is not None
        }

    def prices(self) -> dict[str, Any]:
        """Mark and index price and funding of every contract, ready for JSON."""
        found = {}
        for name, (exchange, _) in self._of.items():
            view = exchange.contracts.prices(name)
            found[name] = {
                "mark": plain_decimal(view.mark), "index": plain_decimal(view.index), "funding_rate": plain_decimal(view.funding_rate),
                "next_funding_ms": view.next_funding_ms, "delivered": exchange.contracts.closed(name),
            }  # fmt: skip
        return found

    def apply_json(self, body: bytes) -> None:
        """Makes the changes of one object.

        ``instrument`` names the contract. ``mark`` and ``index`` set its prices, ``funding_rate`` and ``next_funding_ms`` its
        funding; ``pay_funding`` true pays it now; ``insurance`` deposits an amount to the insurance account; ``deleverage`` (a
        side: ``net``, ``long`` or ``short``) closes the account's position; ``deliver`` (a price) ends the contract.

        Raises:
            InputError: It is no such object, or a value does not fit; the changes before it have been made.
        """
        try:
            data = json.loads(body, parse_float=Decimal)
        except ValueError:
            data = None
        if not isinstance(data, dict) or "instrument" not in data:
            raise InputError('expected an object such as {"instrument": "BTC_USDT.swap", "mark": "60000"}')
        unknown = [name for name in data if name not in _FIELDS]
        if unknown:
            raise InputError(f"unknown field {unknown[0]!r}{nearest(unknown[0], _FIELDS)}")
        name = str(data["instrument"])
        if name not in self._of:
            raise InputError(f"no contract {name!r}{nearest(name, self._of)}")
        try:
            self._apply(name, data)
        except Rejected as error:
            raise InputError(str(error)) from error

    def _apply(self, name: str, data: dict[str, Any]) -> None:
        exchange, account = self._of[name]
        contracts, settle = exchange.contracts, exchange.instrument(name).settle
        rate, next_ms = data.get("funding_rate"), data.get("next_funding_ms")
        if next_ms is not None and (type(next_ms) is not int or next_ms < 0):
            raise InputError(f"next_funding_ms must be a whole number of at least 0, got {next_ms!r}")
        if "mark" in data or "index" in data:
            contracts.set_prices(name, mark=_decimal(data, "mark"), index=_decimal(data, "index"))
        if rate is not None or next_ms is not None:
            current = contracts.prices(name).funding_rate
            contracts.set_funding(name, _decimal(data, "funding_rate") if rate is not None else current, next_ms)  # type: ignore[arg-type]
        if data.get("pay_funding") is True:
            contracts.pay_funding(name)
        amount = _decimal(data, "insurance")
        if amount is not None:
            contracts.fund_insurance(settle, amount)
        if "deleverage" in data:
            side = data["deleverage"]
            if side not in {"net", "long", "short"}:
                raise InputError(f"deleverage must be net, long or short, got {side!r}")
            contracts.deleverage(account, name, side)
        price = _decimal(data, "deliver")
        if price is not None:
            contracts.deliver(name, price)


def contract_routes(control: ContractControl) -> list[Any]:
    """``/_simulator/contracts``, for a starlette router (Any: starlette is an extra): GET shows the prices, POST changes them.

    Raises:
        MissingExtra: starlette is not installed.
    """
    routing = require("starlette.routing", "server")
    responses = require("starlette.responses", "server")

    async def _change(request: Any) -> Any:
        if request.method == "POST":
            try:
                control.apply_json(await request.body())
            except InputError as error:
                return responses.JSONResponse({"error": str(error)}, 400)
        return responses.JSONResponse(control.prices())

    return [routing.Route("/_simulator/contracts", _change, methods=["GET", "POST"])]


def _decimal(data: Mapping[str, Any], name: str) -> Decimal | None:
    """A number of a JSON object, as a number or as text; None if absent.

    Raises:
        InputError: It is not a number.
    """
    value = data.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        return Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise InputError(f"{name} must be a number, got {value!r}") from None


def _texts(values: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: plain_decimal(value) for name, value in values.items()}
