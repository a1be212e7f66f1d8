"""A task: which call of which exchange, where its result goes, and under which conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

import attrs

from ..arguments import real_number
from ..errors import InputError, UnknownName, nearest

__all__ = ["Task"]


def _as_place(value: Any) -> Any:
    """A whole number of numpy as Python's own; anything else as it is."""
    return value if isinstance(value, bool) or not isinstance(value, Integral) else int(value)


def _check_exchange(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(f"exchange is {value!r}, expected its place in the queue's exchanges, such as 0, or its name")


def _check_ret(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not (value is None or isinstance(value, (str, int)) or callable(value)):
        raise InputError(
            f"ret is {value!r}, expected a key such as 'depth', a place in a list, a function, or None for nowhere"
        )


def _as_param(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return tuple(value)
    raise InputError(f"param is {value!r}, expected the method and its arguments, such as ['GetRecords', 60]")


def _check_param(task: Task, attribute: attrs.Attribute[Any], value: tuple[Any, ...]) -> None:
    if not value or not isinstance(value[0], str) or not value[0]:
        raise InputError(f"param is {list(value)!r}, expected the method's name first, such as ['GetDepth']")


def _check_timeout(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    real_number("timeout_ms", value, expected="milliseconds, None or 0 for no limit, or -1 to poll")


def _as_tasks(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Task):
        return (value,)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return tuple(value)
    raise InputError(f"after is {value!r}, expected a list of tasks")


def _check_after(task: Task, attribute: attrs.Attribute[Any], value: tuple[Any, ...]) -> None:
    for other in value:
        if not isinstance(other, Task):
            raise InputError(f"after holds {other!r}, expected tasks (what push() returns)")


def _check_gate(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"gate is {value!r}, expected True or False")


@attrs.frozen(kw_only=True, eq=False)
class Task:
    """One call to be made, and where its result goes.

    Attributes:
        exchange: The place of the exchange in the queue's list (or its key, where the queue was given a dict).
        ret: The key, attribute or place in the list, in the context of that exchange, that the result is assigned to; or a function,
            called as ``ret(value, context_of_the_exchange)``; None assigns nothing.
        param: The method's name and its arguments, as for ``exchange.Go``: ``["GetRecords", 60]``. A bare name will do.
        timeout_ms: The longest that it may take from its start, in milliseconds; None or 0 for no limit but the run's; negative: it
            is not waited for.
        after: Tasks that must be done and ok before this one starts; else it is not started.
        gate: It is prepared with the run's other gated tasks, and they write their requests together.

    Raises:
        InputError: A value is not of the kind expected; the message names it.
    """

    exchange: int | str = attrs.field(default=0, converter=_as_place, validator=_check_exchange)
    ret: str | int | Callable[[Any, Any], Any] | None = attrs.field(
        default=None, converter=_as_place, validator=_check_ret
    )
    param: tuple[Any, ...] = attrs.field(converter=_as_param, validator=_check_param)
    timeout_ms: float | None = attrs.field(default=None, validator=_check_timeout)
    after: tuple[Task, ...] = attrs.field(default=(), converter=_as_tasks, validator=_check_after)
    gate: bool = attrs.field(default=False, validator=_check_gate)

    @property
    def method(self) -> str:
        """The method's name."""
        return str(self.param[0])

    @property
    def args(self) -> tuple[Any, ...]:
        """The method's arguments."""
        return self.param[1:]

    @property
    def label(self) -> str:
        """The method and where its result goes, for tables and messages."""
        if self.ret is None:
            return self.method
        place = getattr(self.ret, "__name__", "function") if callable(self.ret) else self.ret
        return f"{self.method} -> {place}"

    def __repr__(self) -> str:
        """What it does; arguments are left out because they may be long or secret."""
        return f"<Task {self.exchange}: {self.label}>"

    @classmethod
    def of(cls, given: Task | Mapping[str, Any] | None, options: Mapping[str, Any]) -> Task:
        """A task from what ``push`` was given: a task, a dict such as ``{"exchange": 0, "ret": "depth", "param": ["GetDepth"]}``, or keywords.

        Raises:
            InputError: Neither of these, or a value is not of the kind expected.
            UnknownName: There is no such option; the message names the nearest.
        """
        if isinstance(given, Task):
            if options:
                raise InputError(
                    f"push was given a task and also {sorted(options)}; use attrs.evolve(task, ...) to change a task"
                )
            return given
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"push was given {given!r}, expected a Task, a dict, or exchange=, ret=, param=")
        merged = {**(given or {}), **options}
        valid = [field.name for field in attrs.fields(cls)]
        for name in merged:
            if name not in valid:
                raise UnknownName(f"a task has no option {name!r}{nearest(str(name), valid)}")
        if "param" not in merged:
            raise InputError("a task needs param: the method and its arguments, such as ['GetDepth']")
        return cls(**merged)
