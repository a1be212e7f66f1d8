"""The user stream of a venue of contracts: what is alike, whatever its messages look like."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from ....errors import BadReply, excerpt
from ....exchange.contracts.port import PositionMode
from ....exchange.live_account.events import AccountSnapshot, StreamFill
from ....exchange.live_account.source import StreamLine
from ....structures import Order, Position, Structure
from ..parsing import Malformed, mapping, to_integer
from .stream_home import StreamHome

__all__ = ["AccountCalls", "ContractAccountSource"]

S = TypeVar("S", bound=Structure)


@attrs.frozen(kw_only=True)
class AccountCalls:
    """The REST calls of a user stream.

    Attributes:
        orders: The open orders.
        conditions: The condition orders that have not triggered.
        positions: The positions, those that are flat left out.
        order: One order, or condition order, by its id.
        past_orders: The orders of a symbol that were made since a time.
        fills_since: The fills since a time, of the symbols given where the venue wants them.
        symbol_of: FMZ's symbol of a venue's name.
        mode: The position mode.
        now_ms: The venue's time.
    """

    orders: Callable[[], list[Order]]
    conditions: Callable[[], list[Order]]
    positions: Callable[[], list[Position]]
    order: Callable[[str], Order]
    past_orders: Callable[[str, int], list[Order]]
    fills_since: Callable[[int, Sequence[str]], list[StreamFill]]
    symbol_of: Callable[[str], str]
    mode: Callable[[], PositionMode]
    now_ms: Callable[[], int]


class ContractAccountSource(ABC):
    """The ``AccountSource`` of a venue of contracts.

    Args:
        name: Its name in the journal.
        key: What tells it from other streams of the venue.
        home: Where the streams are.
        calls: The REST calls.
    """

    keep_alive_s = 0.0
    watch: Mapping[str, object] = {"pingInterval": 10_000}
    """How a connection is watched: it is silent while nothing happens, so that only pings show whether it is alive."""

    updated_field: str
    """Where a position's row has the time of its last change."""

    def __init__(self, name: str, key: str, home: StreamHome, calls: AccountCalls) -> None:
        self.name = name
        self.key = key
        self._home = home
        self._calls = calls

    def _options(self) -> dict[str, object]:
        """The options of a connection: how it is watched, and those of the REST client; the feed connects again, not ``Dial``."""
        return {**self.watch, **self._home.options(), "reconnect": False}

    @abstractmethod
    def connect(self) -> Sequence[StreamLine]:
        """The connections; see ``AccountSource.connect``."""

    @abstractmethod
    def _events(self, row: dict[str, Any]) -> Iterable[object]:
        """The events of a parsed message; raises Malformed."""

    @abstractmethod
    def keep_alive(self) -> None:
        """See ``AccountSource.keep_alive``."""

    def read(self, message: str | bytes) -> Iterable[object]:
        """The events of a message.

        Raises:
            BadReply: It cannot be read; something may be missing then.
        """
        try:
            return list(self._events(mapping(json.loads(message), "the message")))
        except (ValueError, RecursionError, Malformed) as error:
            raise BadReply(f"a message of the user stream cannot be read: {error}: {excerpt(message)}") from None

    def position_key(self, position: Position) -> Hashable:
        """By contract and direction; see ``AccountSource.position_key``."""
        return position["Symbol"], position["Type"]

    def snapshot(self) -> AccountSnapshot:
        """Open orders, condition orders and positions; see ``AccountSource.snapshot``."""
        return AccountSnapshot(
            orders=self._calls.orders(),
            conditions=self._calls.conditions(),
            positions=[(one, self._updated_ms(one)) for one in self._calls.positions()],
        )

    def _updated_ms(self, position: Position) -> int:
        try:
            return to_integer(position["Info"].get(self.updated_field), f"the field '{self.updated_field}'")
        except Malformed:  # the venue gives none
            return 0

    def look_up(self, order: Order) -> Order:
        """One order, or condition order, by its id; see ``AccountSource.look_up``."""
        return self.order(order["Id"])

    def order(self, order_id: str) -> Order:
        """See ``AccountSource.order``."""
        return self._calls.order(order_id)

    def past_orders(self, symbol: str, since_ms: int) -> list[Order]:
        """See ``AccountSource.past_orders``."""
        return self._calls.past_orders(symbol, since_ms)

    def now_ms(self) -> int:
        """See ``AccountSource.now_ms``."""
        return self._calls.now_ms()

    def fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        """See ``AccountSource.fills_since``."""
        return self._calls.fills_since(since_ms, symbols)

    def _placed(self, found: S) -> S:
        """An order or a position under FMZ's symbol instead of the venue's name."""
        found["Symbol"] = self._calls.symbol_of(found["Symbol"])
        found["ContractType"] = found["Symbol"].partition(".")[2]
        return found
