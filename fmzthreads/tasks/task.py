"""A task: the call, the exchange, the target of the result, and the conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

import attrs

from ..arguments import real_number
from ..errors import InputError, UnknownName, nearest, short_repr

__all__ = ["Task"]


def _as_place(value: Any) -> Any:
    """Converts numpy's integers to Python's; returns anything else unchanged."""
    return value if isinstance(value, bool) or not isinstance(value, Integral) else int(value)


def _check_exchange(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(
            f"exchange is {short_repr(value)}, expected its index in the queue's exchanges, such as 0, or its name"
        )


def _check_ret(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not (value is None or isinstance(value, (str, int)) or callable(value)):
        raise InputError(
            f"ret is {short_repr(value)}, expected a key such as 'depth', a list index, a function, or None to discard the result"
        )


def _as_param(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return tuple(value)
    raise InputError(f"param is {short_repr(value)}, expected the method and its arguments, such as ['GetRecords', 60]")


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
    raise InputError(f"after is {short_repr(value)}, expected a list of tasks")


def _check_after(task: Task, attribute: attrs.Attribute[Any], value: tuple[Any, ...]) -> None:
    for other in value:
        if not isinstance(other, Task):
            raise InputError(f"after contains {short_repr(other)}, expected tasks (as push() returns them)")


def _check_gate(task: Task, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"gate is {short_repr(value)}, expected True or False")


@attrs.frozen(kw_only=True, eq=False)
class Task:
    """One call, and where its result is assigned.

    Attributes:
        exchange: The index of the exchange in the queue's list (or its key, where the queue was given a dict).
        ret: The key, attribute or list index, in the context of that exchange, that the result is assigned to; or a function,
            called as ``ret(value, context_of_the_exchange)``; None assigns nothing.
        param: The method's name and its arguments, as for ``exchange.Go``: ``["GetRecords", 60]``. A name without arguments may be a plain string.
        timeout_ms: The maximum time from its start, in milliseconds; None or 0: only the run's limit; negative: the run does not wait
            for it.
        after: Tasks that must succeed before this one starts; otherwise it is not started.
        gate: It is prepared with the run's other gated tasks, and they write their requests together.

    Raises:
        InputError: A value has the wrong type; the message names it.
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
        """The method and the target of its result, for tables and messages."""
        if self.ret is None:
            return self.method
        place = getattr(self.ret, "__name__", "function") if callable(self.ret) else self.ret
        return f"{self.method} -> {place}"

    def __repr__(self) -> str:
        """Exchange and method; arguments may be long or secret and are left out."""
        return f"<Task {self.exchange}: {self.label}>"

    @classmethod
    def of(cls, given: Task | Mapping[str, Any] | None, options: Mapping[str, Any]) -> Task:
        """Creates a task from the arguments of ``push``.

        They are a task, a dict such as ``{"exchange": 0, "ret": "depth", "param": ["GetDepth"]}``, or keywords.

        Raises:
            InputError: None of these forms, or a value has the wrong type.
            UnknownName: There is no such option; the message suggests the nearest.
        """
        if isinstance(given, Task):
            if options:
                raise InputError(
                    f"push was given a task and also {sorted(options)}; use attrs.evolve(task, ...) to change a task"
                )
            return given
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"push was given {short_repr(given)}, expected a Task, a dict, or exchange=, ret=, param=")
        merged = {**(given or {}), **options}
        valid = [field.name for field in attrs.fields(cls)]
        for name in merged:
            if name not in valid:
                raise UnknownName(f"a task has no option {short_repr(name)}{nearest(name, valid)}")
        if "param" not in merged:
            raise InputError("a task needs param: the method and its arguments, such as ['GetDepth']")
        return cls(**merged)
