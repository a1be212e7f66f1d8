"""The parameter space of a sweep: axes, and the combinations of their values."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation, Overflow
from keyword import iskeyword
from typing import Any

import attrs

from ...errors import InputError
from ...strategy.program.parameters import guessed

__all__ = ["Axis", "Grid", "parse_axis"]

_MOST_VALUES = 100_000
_MOST_COMBINATIONS = 10_000_000


@attrs.frozen
class Axis:
    """One parameter and the values that it takes.

    Attributes:
        name: The parameter's name.
        values: Its values, in order; at least one, none twice.
    """

    name: str
    values: tuple[Any, ...]


def parse_axis(text: str) -> Axis:
    """Reads an axis from the command line.

    Args:
        text: ``name=first:last:step`` (``last`` included where the steps meet it), or ``name=a,b,c``.

    Raises:
        InputError: It has another form, a step of 0 or in the wrong direction, a value twice, or too many values.
    """
    name, equals, rest = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier() or iskeyword(name) or not rest.strip():
        raise InputError(f"--grid {text!r}: expected NAME=FIRST:LAST:STEP or NAME=A,B,C")
    values = _steps(text, rest) if ":" in rest else tuple(guessed(part.strip()) for part in rest.split(","))
    keys = [_key(value) for value in values]
    if len(set(keys)) < len(keys):
        twice = next(value for n, value in enumerate(values) if keys[n] in keys[:n])
        raise InputError(f"--grid {text!r}: the value {twice!r} stands there twice")
    return Axis(name, values)


def _key(value: Any) -> tuple[str, str]:
    return type(value).__name__, repr(value)


def _steps(text: str, rest: str) -> tuple[int | float, ...]:
    parts = rest.split(":")
    if len(parts) != 3:
        raise InputError(f"--grid {text!r}: expected NAME=FIRST:LAST:STEP, got {len(parts)} numbers")
    try:
        first, last, step = (Decimal(part.strip()) for part in parts)
    except InvalidOperation:
        raise InputError(f"--grid {text!r}: FIRST, LAST and STEP must be numbers") from None
    if not (first.is_finite() and last.is_finite() and step.is_finite()):
        raise InputError(f"--grid {text!r}: FIRST, LAST and STEP must be finite numbers")
    if not step or (last - first) * step < 0:
        raise InputError(f"--grid {text!r}: the step {step} does not lead from {first} to {last}")
    try:
        count = (last - first) / step + 1
    except Overflow:
        count = Decimal("inf")
    if count > _MOST_VALUES:
        raise InputError(f"--grid {text!r}: more than {_MOST_VALUES:,} values")
    whole = all(number == number.to_integral_value() for number in (first, step))
    values = (first + step * n for n in range(int(count)))
    return tuple(int(value) if whole else float(value) for value in values)


@attrs.frozen
class Grid:
    """All combinations of the values of some axes; the last axis changes fastest.

    Attributes:
        axes: The axes, each with another name; none means the one combination without parameters.
    """

    axes: tuple[Axis, ...]
    _places_of: Mapping[str, Mapping[tuple[str, str], int]] = attrs.field(init=False, repr=False, eq=False)

    @_places_of.default
    def _find_places(self) -> dict[str, dict[tuple[str, str], int]]:
        return {axis.name: {_key(value): place for place, value in enumerate(axis.values)} for axis in self.axes}

    def __attrs_post_init__(self) -> None:
        """Checks the axes.

        Raises:
            InputError: Two have the same name, or there are more than ten million combinations.
        """
        names = [axis.name for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"--grid {name} is given twice")
        if len(self) > _MOST_COMBINATIONS:
            raise InputError(f"the grid has {len(self):,} combinations, at most {_MOST_COMBINATIONS:,} are allowed")

    def __len__(self) -> int:
        """How many combinations there are."""
        return math.prod(len(axis.values) for axis in self.axes)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The combination of that number, from 0.

        Raises:
            IndexError: There is no such number.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"the grid has no combination {number}")
        places = self.places(number)
        return {axis.name: axis.values[place] for axis, place in zip(self.axes, places, strict=True)}

    def places(self, number: int) -> tuple[int, ...]:
        """The place of a combination on each axis, from 0."""
        places = []
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            places.append(place)
        return tuple(reversed(places))

    def number(self, places: Sequence[int]) -> int:
        """The number of the combination at these places."""
        number = 0
        for axis, place in zip(self.axes, places, strict=True):
            number = number * len(axis.values) + place
        return number

    def number_of(self, args: Mapping[str, Any]) -> int | None:
        """The number of a combination by its values; None when the grid has none with these."""
        places = []
        for axis in self.axes:
            place = self._places_of[axis.name].get(_key(args.get(axis.name)))
            if place is None:
                return None
            places.append(place)
        return self.number(places)

    def neighbours(self, number: int) -> Iterator[int]:
        """The combinations that differ by one step on one axis."""
        places = self.places(number)
        for n, axis in enumerate(self.axes):
            for place in (places[n] - 1, places[n] + 1):
                if 0 <= place < len(axis.values):
                    yield self.number((*places[:n], place, *places[n + 1 :]))

    def sample(self, count: int, seed: int) -> list[int]:
        """Draws different combinations by chance, in the order in which they were drawn; all of them when there are fewer."""
        if count >= len(self):
            return list(range(len(self)))
        return random.Random(seed).sample(range(len(self)), count)
