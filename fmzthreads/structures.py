"""FMZ's result structures: dicts whose fields are attributes too.

``ticker["Last"]`` and ``ticker.Last`` are the same, ``json.dumps(ticker)`` works, and a field that is not there is a ``KeyError`` by index
and an ``AttributeError`` by attribute. Times are milliseconds since the epoch (UTC), prices are in the quote currency, amounts in the
base currency of a spot pair (in contracts for futures) unless a field says otherwise. Field names follow FMZ's API reference, "Structures".

Each declared field is a ``property(itemgetter(name))``: attribute access then costs about one and a half dict look-ups, where a
``__getattr__`` fallback costs more than ten (and its mere presence doubles the cost of a property), so that only ``Info`` has one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Self, SupportsIndex, TypeVar, overload

from .errors import MissingField, nearest

__all__ = [
    "Account",
    "Asset",
    "Condition",
    "Depth",
    "Fee",
    "Funding",
    "Info",
    "Market",
    "MarketOrder",
    "Order",
    "Position",
    "Record",
    "Records",
    "Structure",
    "Ticker",
    "Trade",
    "info",
    "record_changes",
]

S = TypeVar("S", bound="Structure")


def _field(name: str) -> property:
    def _write(self: dict[str, Any], value: Any) -> None:
        self[name] = value

    def _delete(self: dict[str, Any]) -> None:
        if name not in self:
            raise MissingField(f"{type(self).__name__} has no field {name!r} to delete")
        del self[name]

    # itemgetter runs in C; a missing field reaches Structure.__missing__, whose error is an AttributeError as well.
    return property(itemgetter(name), _write, _delete, f"The field {name!r}.")


class Structure(dict[str, Any]):
    """A dict with attribute access. A subclass declares its fields as annotations."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Makes a property of each field that the subclass declares."""
        super().__init_subclass__()
        for name in cls.__annotations__:
            if not name.startswith("_"):
                setattr(cls, name, _field(name))

    def __missing__(self, name: str) -> Any:
        """Answers a look-up of a field that is not there.

        Raises:
            MissingField: Always; it is a KeyError and an AttributeError.
        """
        raise MissingField(f"{type(self).__name__} has no field {name!r}{nearest(name, map(str, self))}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Writes the key of that name; a name that is new to the class becomes readable by attribute too."""
        if not hasattr(type(self), name):
            setattr(type(self), name, _field(name))
        self[name] = value

    def __delattr__(self, name: str) -> None:
        """Deletes the key of that name.

        Raises:
            MissingField: There is no such key.
        """
        if name not in self:
            raise MissingField(f"{type(self).__name__} has no field {name!r} to delete")
        del self[name]

    def __repr__(self) -> str:
        """The class name and the fields, ``Info`` left out because it is long."""
        shown = ", ".join(f"{k}={v!r}" for k, v in self.items() if k != "Info")
        return f"{type(self).__name__}({shown})"

    def copy(self: S) -> S:
        """A shallow copy of the same class."""
        return type(self)(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and deep-copies as a class and its items."""
        return type(self), (dict(self),)


class Info(Structure):
    """A venue's own reply, readable by index and by attribute at every level.

    Nested dicts and lists of dicts become readable by attribute when they are read, so that a reply that is
    not looked into costs nothing. Two threads that read the same part at once may each make the wrapper; the wrappers are equal, and the last one stays.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        """Reads a field by attribute.

        Raises:
            MissingField: The reply has no such field.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Writes the key of that name."""
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        """Reads a field; a nested dict comes back as Info.

        Raises:
            MissingField: The reply has no such field.
        """
        value = super().__getitem__(name)
        if type(value) is dict or type(value) is list:
            value = info(value)
            self[name] = value
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Reads a field, or ``default`` where the reply has none."""
        return self[name] if name in self else default  # noqa: SIM401 (self.get is this method)


def info(raw: Any) -> Any:
    """Makes a venue's reply readable by attribute: a dict becomes Info, a list a list of such, None an empty Info."""
    if raw is None:
        return Info()
    if isinstance(raw, (Info, _InfoList)):
        return raw
    if isinstance(raw, dict):
        return Info(raw)
    if type(raw) is list:
        return _InfoList(info(item) if isinstance(item, (dict, list)) else item for item in raw)
    return raw


class _InfoList(list[Any]):
    """A list within a reply whose dicts have been made readable by attribute (so that it is done once)."""

    __slots__ = ()


class Ticker(Structure):
    """The last price and the best bid and ask. ``Volume`` counts base currency over 24 h; ``OpenInterest`` is 0 where unknown."""

    Info: Any
    Symbol: str
    High: float
    Low: float
    Sell: float
    Buy: float
    Last: float
    Open: float
    Volume: float
    Time: int
    OpenInterest: float


class MarketOrder(Structure):
    """One level of an order book."""

    Price: float
    Amount: float


class Depth(Structure):
    """An order book: ``Asks`` from the lowest price up, ``Bids`` from the highest down."""

    Info: Any
    Asks: list[MarketOrder]
    Bids: list[MarketOrder]
    Time: int


class Trade(Structure):
    """A public trade; ``Type`` is the taker's side, an ``ORDER_TYPE_`` constant."""

    Info: Any
    Id: str
    Time: int
    Price: float
    Amount: float
    Type: int


class Record(Structure):
    """A bar; ``Time`` is its start. It has exactly these seven fields, in this order."""

    Time: int
    Open: float
    High: float
    Low: float
    Close: float
    Volume: float
    OpenInterest: float

    # Every change of any bar is noticed, so that indicators that go on from where they stood know whether the past is as it was.
    # Bars are made often and changed seldom; making one does not pass here. The change comes first: what was read in between is read again.

    def __setitem__(self, name: str, value: Any) -> None:
        """Writes a field."""
        super().__setitem__(name, value)
        _changes[0] = object()

    def __delitem__(self, name: str) -> None:
        """Deletes a field."""
        super().__delitem__(name)
        _changes[0] = object()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]
        """Writes several fields."""
        super().update(other)
        _changes[0] = object()
        return self

    def update(self, *args: Any, **fields: Any) -> None:
        """Writes several fields."""
        super().update(*args, **fields)
        _changes[0] = object()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Writes a field that is missing."""
        value = super().setdefault(name, default)
        _changes[0] = object()
        return value

    def pop(self, *args: Any) -> Any:
        """Takes a field out."""
        value = super().pop(*args)
        _changes[0] = object()
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes the last field out."""
        item = super().popitem()
        _changes[0] = object()
        return item

    def clear(self) -> None:
        """Deletes all fields."""
        super().clear()
        _changes[0] = object()


_changes: list[object] = [object()]


def record_changes() -> object:
    """Returns an object that is replaced whenever a bar is changed: the same one twice means that none was changed in between."""
    return _changes[0]


class Order(Structure):
    """An order. ``Id`` is ``"<venue symbol>,<venue id>"``; ``Amount`` of a market buy may be in quote currency; ``AvgPrice`` is 0 where unknown."""

    Info: Any
    Symbol: str
    Id: str
    Time: int
    Price: float
    Amount: float
    DealAmount: float
    AvgPrice: float
    Status: int
    Type: int
    Offset: int
    ContractType: str
    Condition: Any


class Condition(Structure):
    """What triggers a condition order; an order price of -1 means at market."""

    ConditionType: int
    TpTriggerPrice: float
    TpOrderPrice: float
    SlTriggerPrice: float
    SlOrderPrice: float


class Account(Structure):
    """Free and frozen quote currency (``Balance``) and base currency (``Stocks``); ``Equity`` and ``UPnL`` for futures only."""

    Info: Any
    Balance: float
    FrozenBalance: float
    Stocks: float
    FrozenStocks: float
    Equity: float
    UPnL: float


class Asset(Structure):
    """Holdings in one currency: ``Amount`` is free, ``FrozenAmount`` is held by orders."""

    Info: Any
    Currency: str
    Amount: float
    FrozenAmount: float


class Position(Structure):
    """A futures position; ``Amount`` counts contracts and is positive, ``Type`` is a ``PD_`` constant."""

    Info: Any
    Symbol: str
    MarginLevel: float
    Amount: float
    FrozenAmount: float
    Price: float
    Profit: float
    Type: int
    ContractType: str
    Margin: float


class Market(Structure):
    """The trading rules of one pair; ``Symbol`` is the venue's own name. What a venue does not say is absent."""

    Info: Any
    Symbol: str
    BaseAsset: str
    QuoteAsset: str
    TickSize: float
    AmountSize: float
    PricePrecision: int
    AmountPrecision: int
    MinQty: float
    MaxQty: float
    MinNotional: float
    MaxNotional: float
    CtVal: float
    CtValCcy: str


class Fee(Structure):
    """The fees of an account, in percent."""

    Sell: float
    Buy: float


class Funding(Structure):
    """A funding rate as a fraction; ``Interval`` is in milliseconds, ``Time`` is the next settlement."""

    Info: Any
    Symbol: str
    Interval: int
    Time: int
    Rate: float


@lru_cache(maxsize=1)
def _columns_are_arrays() -> bool:
    # FMZ's rule: columns are numpy arrays where both TA-Lib and numpy can be imported, plain lists elsewhere.
    return all(importlib.util.find_spec(name) is not None for name in ("talib", "numpy"))


class Records(list[Record]):
    """A list of bars whose columns are attributes: ``records.Close``, ``records[-20:].High``.

    A column is made afresh at each access, so it is never stale: a list of floats, or a float64 numpy array where both numpy and
    TA-Lib are installed (FMZ's rule). ``Time`` is a column of integers.
    """

    __slots__ = ()

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__(records)

    def _column(self, name: str) -> Any:
        values = [record[name] for record in self]
        if name != "Time" and _columns_are_arrays():
            import numpy

            return numpy.array(values, dtype=numpy.float64)
        return values

    def __getattr__(self, name: str) -> Any:
        """A column by a field name that is not one of the seven (a venue's or feed's extra).

        Raises:
            AttributeError: No bar has such a field.
        """
        if name.startswith("_") or not self or name not in self[0]:
            known = list(self[0]) if self else list(Record.__annotations__)
            raise AttributeError(f"records have no column {name!r}{nearest(name, known)}")
        return self._column(name)

    @property
    def Open(self) -> Any:
        """The opening prices."""
        return self._column("Open")

    @property
    def High(self) -> Any:
        """The highest prices."""
        return self._column("High")

    @property
    def Low(self) -> Any:
        """The lowest prices."""
        return self._column("Low")

    @property
    def Close(self) -> Any:
        """The closing prices; of a bar still forming, the last price."""
        return self._column("Close")

    @property
    def Volume(self) -> Any:
        """The traded amounts, in base currency."""
        return self._column("Volume")

    @property
    def Time(self) -> Any:
        """The start times, in ms since the epoch."""
        return self._column("Time")

    @property
    def OpenInterest(self) -> Any:
        """The open interest, 0 where unknown."""
        return self._column("OpenInterest")

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | Records:
        """One bar, or a slice that serves columns as well."""
        if isinstance(index, slice):
            return Records(super().__getitem__(index))
        return super().__getitem__(index)

    def copy(self) -> Records:
        """A shallow copy that serves columns as well."""
        return Records(self)
