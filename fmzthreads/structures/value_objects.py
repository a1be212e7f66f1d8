"""ValueObject classes whose methods are not generated, for modules that each start imports.

attrs writes and compiles the methods of each class, about a millisecond a class, and importing it takes another 30 ms; a backtest of a thousand
bars takes less. These share one set of methods, and say the same when something is wrong. They know neither validators nor converters: a class
that needs them, or that no start imports, is an attrs class.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

__all__ = ["ValueObject", "as_dict", "evolve", "field"]

V = TypeVar("V", bound="ValueObject")

_NOTHING: Any = object()


class _Field:
    """What ``field`` says of a field."""

    __slots__ = ("default", "eq", "factory", "repr")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, repr: bool, eq: bool) -> None:
        self.default = default
        self.factory = factory
        self.repr = repr
        self.eq = eq


def field(
    *, default: Any = _NOTHING, factory: Callable[[], Any] | None = None, repr: bool = True, eq: bool = True
) -> Any:
    """Says more of a field of a ``ValueObject`` than its default.

    Args:
        default: Its default; without one, a value is required.
        factory: Makes the default, for each object a new one; None for ``default``.
        repr: Whether the object's ``repr`` shows it.
        eq: Whether it counts when two objects are compared.
    """
    return _Field(default, factory, repr, eq)


class _Shape:
    """The fields of a class."""

    __slots__ = ("compared", "defaults", "factories", "keys", "names", "positional", "shown")

    def __init__(self, fields: dict[str, _Field], kw_only: bool) -> None:
        self.names = tuple(fields)
        self.keys = frozenset(fields)
        self.positional = () if kw_only else self.names
        self.defaults = {name: one.default for name, one in fields.items() if one.default is not _NOTHING}
        self.factories = {name: one.factory for name, one in fields.items() if one.factory is not None}
        self.shown = tuple(name for name, one in fields.items() if one.repr)
        self.compared = itemgetter(*[name for name, one in fields.items() if one.eq])


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class ValueObject:
    """The base of value classes: the annotations of a subclass are its fields, in their order.

    Objects are frozen, equal when they are of the same class and all fields are equal, and then have the same hash. ``copy``, ``pickle``
    and ``match`` know them. The module has to begin with ``from __future__ import annotations``.

    Args of the class:
        kw_only: Whether all fields are given by name.
        frozen: Whether fields cannot be assigned; objects of other classes have no hash.

    Raises:
        TypeError: A field is missing, unknown, or given twice.
        AttributeError: A field of a frozen object is assigned or deleted.
    """

    __match_args__: tuple[str, ...] = ()
    __shape__ = _Shape({"": _Field(None, None, True, True)}, False)
    __fields__: dict[str, _Field] = {}  # noqa: RUF012 (each subclass has its own)

    def __init_subclass__(cls, *, kw_only: bool = False, frozen: bool = True) -> None:
        """Reads the fields from the annotations."""
        own: dict[str, _Field] = {}
        for name in cls.__annotations__:
            default = cls.__dict__.get(name, _NOTHING)
            if isinstance(default, _Field):
                delattr(cls, name)  # a field without a default is no attribute of the class
                own[name] = default
            else:
                own[name] = _Field(default, None, True, True)
        cls.__fields__ = {**cls.__fields__, **own}
        cls.__shape__ = _Shape(cls.__fields__, kw_only)
        cls.__match_args__ = cls.__shape__.positional  # type: ignore[misc]  # each class has its own
        if not frozen:
            cls.__setattr__ = object.__setattr__  # type: ignore[method-assign, assignment]
            cls.__delattr__ = object.__delattr__  # type: ignore[method-assign]
            cls.__hash__ = None  # type: ignore[assignment]

    def __init__(self, *given: Any, **values: Any) -> None:
        shape = self.__shape__
        if given:
            self._name(given, values)
        values = {**shape.defaults, **values}
        for name, make in shape.factories.items():
            if name not in values:
                values[name] = make()
        if values.keys() != shape.keys:
            self._refuse(values)
        self.__dict__.update(values)

    def _name(self, given: tuple[Any, ...], values: dict[str, Any]) -> None:
        """Enters what was given by position by its name."""
        names = self.__shape__.positional
        if len(given) > len(names):
            raise TypeError(
                f"{type(self).__name__}() takes {len(names)} positional arguments, but {len(given)} were given"
            )
        for name, value in zip(names, given, strict=False):
            if name in values:
                raise TypeError(f"{type(self).__name__}() got multiple values for argument {name!r}")
            values[name] = value

    def _refuse(self, values: dict[str, Any]) -> NoReturn:
        shape = self.__shape__
        for name in values:
            if name not in shape.keys:
                raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
        missing = ", ".join(repr(name) for name in shape.names if name not in values)
        raise TypeError(f"{type(self).__name__}() is missing the arguments {missing}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refused."""
        raise AttributeError(f"cannot assign {name!r}: a {type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        """Refused."""
        raise AttributeError(f"cannot delete {name!r}: a {type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        """Whether the other one is of the same class and has equal fields."""
        if other.__class__ is not self.__class__:
            return NotImplemented
        compared = self.__shape__.compared
        return bool(compared(self.__dict__) == compared(other.__dict__))

    def __hash__(self) -> int:
        """The hash of the fields that are compared."""
        return hash((self.__class__, self.__shape__.compared(self.__dict__)))

    def __repr__(self) -> str:
        """The class and its fields, but for those that are not shown."""
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.__shape__.shown)
        return f"{type(self).__qualname__}({shown})"

    def __replace__(self: V, **changes: Any) -> V:
        """For ``copy.replace`` of Python 3.13."""
        return type(self)(**{**as_dict(self), **changes})


def evolve(value: V, **changes: Any) -> V:
    """A copy with other values of some fields.

    Raises:
        TypeError: There is no such field.
    """
    return value.__replace__(**changes)


def as_dict(value: ValueObject) -> dict[str, Any]:
    """The fields by name, in their order; values within are left as they are."""
    return {name: value.__dict__[name] for name in value.__shape__.names}
