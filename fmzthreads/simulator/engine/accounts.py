"""Accounts and their balances, exact to the unit."""

from __future__ import annotations

import hmac
from collections import OrderedDict, deque
from collections.abc import Mapping
from decimal import Decimal

import attrs

from ...errors import InputError
from .instruments import RATE, UNIT, Instrument, from_units, to_units
from .orders import Execution, OrderRecord
from .reasons import Reason, Rejected

__all__ = ["Account", "Balance", "fee_units"]


@attrs.frozen
class Balance:
    """What an account holds of one asset.

    Attributes:
        free: What may be spent.
        frozen: What open orders hold back.
    """

    free: Decimal
    frozen: Decimal

    @property
    def total(self) -> Decimal:
        """Free and frozen together."""
        return from_units(to_units(self.free) + to_units(self.frozen))


class Account:
    """One user's money, orders and fills. The exchange's lock guards it; its methods are for the exchange alone.

    Attributes:
        name: Its name inside the exchange.
        key: The API key.
        secret: The API secret; never part of ``repr``.
        passphrase: What OKX asks for besides; empty for none; never part of ``repr``.
        uid: A number for replies that carry one.
        house: Whether it belongs to the exchange (fees, market participants): no history is kept and no private events are sent.
        maker_fee: Its own rate in place of the instrument's; None for the instrument's.
        taker_fee: Likewise.
        free: Units of each asset that may be spent.
        frozen: Units of each asset that open orders hold back.
        open: Its open orders by id, oldest first.
    """

    def __init__(
        self,
        name: str,
        *,
        key: str = "",
        secret: str = "",
        passphrase: str = "",
        uid: int = 0,
        house: bool = False,
        maker_fee: Decimal | None = None,
        taker_fee: Decimal | None = None,
        history: int = 10_000,
    ) -> None:
        for label, rate in (("maker_fee", maker_fee), ("taker_fee", taker_fee)):
            if rate is not None and not 0 <= rate < 1:
                raise InputError(f"{label} must be at least 0 and below 1, not {rate!s}")
        if history < 1:
            raise InputError(f"history must be 1 or more, not {history!r}")
        self.name = name
        self.key = key
        self.secret = secret
        self.passphrase = passphrase
        self.uid = uid
        self.house = house
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.history = history
        self.updated_ms = 0
        self.free: dict[str, int] = {}
        self.frozen: dict[str, int] = {}
        self.open: dict[int, OrderRecord] = {}
        self.open_count: dict[str, int] = {}
        self.closed: OrderedDict[int, OrderRecord] = OrderedDict()
        self.by_client: dict[str, OrderRecord] = {}
        self.fills: deque[Execution] = deque(maxlen=history)

    def __repr__(self) -> str:
        return f"Account({self.name!r})"

    def may(self, secret: str, passphrase: str | None = None) -> bool:
        """Whether these are its secrets, compared in constant time; a passphrase of None is not looked at."""
        good = hmac.compare_digest(secret.encode(), self.secret.encode())
        if passphrase is not None:
            good &= hmac.compare_digest(passphrase.encode(), self.passphrase.encode())
        return good

    # --- money ---

    def deposit(self, asset: str, units: int) -> None:
        """Adds free money from outside.

        Raises:
            InputError: The amount is negative.
        """
        if units < 0:
            raise InputError(f"a deposit of {asset} must be 0 or more")
        self.free[asset] = self.free.get(asset, 0) + units
        self.frozen.setdefault(asset, 0)

    def freeze(self, asset: str, units: int) -> None:
        """Moves money from free to frozen.

        Raises:
            Rejected: INSUFFICIENT_FUNDS; nothing has changed.
        """
        free = self.free.get(asset, 0)
        if units > free:
            raise Rejected(
                Reason.INSUFFICIENT_FUNDS, f"{from_units(units):f} {asset} needed, {from_units(free):f} {asset} free"
            )
        self.free[asset] = free - units
        self.frozen[asset] = self.frozen.get(asset, 0) + units

    def release(self, asset: str, units: int) -> None:
        """Moves money from frozen back to free."""
        self.frozen[asset] -= units
        self.free[asset] += units

    def balance(self, asset: str) -> Balance:
        """What it holds of one asset; zeros when it never held any."""
        return Balance(from_units(self.free.get(asset, 0)), from_units(self.frozen.get(asset, 0)))

    def balances(self) -> Mapping[str, Balance]:
        """What it holds of every asset that it ever held."""
        return {asset: self.balance(asset) for asset in self.free}

    def rate(self, instrument: Instrument, *, maker: bool) -> Decimal:
        """The fee rate that it pays."""
        own = self.maker_fee if maker else self.taker_fee
        if own is not None:
            return own
        return instrument.maker_fee if maker else instrument.taker_fee

    # --- orders ---

    def add(self, order: OrderRecord) -> None:
        """Remembers a new order as open."""
        self.open[order.order_id] = order
        self.open_count[order.instrument.id] = self.open_count.get(order.instrument.id, 0) + 1
        if order.client_id:
            self.by_client[order.client_id] = order

    def close(self, order: OrderRecord) -> None:
        """Moves an order from open to closed and forgets the oldest closed ones beyond the limit."""
        if self.open.pop(order.order_id, None) is None:
            return
        self.open_count[order.instrument.id] -= 1
        if self.house:
            self.by_client.pop(order.client_id, None)
            return
        self.closed[order.order_id] = order
        while len(self.closed) > self.history:
            _, old = self.closed.popitem(last=False)
            if self.by_client.get(old.client_id) is old:
                del self.by_client[old.client_id]


def fee_units(received: int, rate: Decimal, digits: int) -> int:
    """The fee on an amount received, in units, cut to ``digits`` decimal places in the payer's favour."""
    if not rate:
        return 0
    raw = received * int(rate * RATE) // RATE
    step: int = UNIT // 10**digits
    return raw - raw % step
