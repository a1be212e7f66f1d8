"""Value objects: what attrs classes do, without generated methods."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.structures.value_objects import ValueObject, as_dict, evolve, field


class Point(ValueObject):
    """A frozen object."""

    x: int
    y: int = 2
    notes: dict[str, Any] = field(factory=dict, repr=False, eq=False)


class Named(Point):
    """A subclass with a field of its own."""

    name: str = field(default="a", repr=False)


class Options(ValueObject, kw_only=True):
    """Fields by name only, so that one without a default may stand behind one with a default."""

    least: int = 0
    most: int


class Counter(ValueObject, frozen=False):
    """An object that changes."""

    count: int = 0


@attrs.frozen
class AttrsPoint:
    """What ``Point`` would be in attrs."""

    x: int
    y: int = 2
    notes: dict[str, Any] = attrs.field(factory=dict, repr=False, eq=False)


def test_fields_are_given_by_place_or_by_name_and_have_defaults() -> None:
    assert as_dict(Point(1)) == as_dict(Point(x=1, y=2)) == {"x": 1, "y": 2, "notes": {}}
    assert list(as_dict(Point(y=3, x=1))) == ["x", "y", "notes"]
    assert as_dict(Named(1, 2, {}, "b")) == {"x": 1, "y": 2, "notes": {}, "name": "b"}
    assert as_dict(Options(most=1)) == {"least": 0, "most": 1}
    assert Point(1).notes is not Point(1).notes


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Point(), r"Point\(\) is missing the arguments 'x'"),
        (lambda: Point(z=1), r"Point\(\) got an unexpected keyword argument 'z'"),
        (lambda: Point(1, 2, {}, 4), r"Point\(\) takes 3 positional arguments, but 4 were given"),
        (lambda: Point(1, x=1), r"Point\(\) got multiple values for argument 'x'"),
        (lambda: Options(0, 1), r"Options\(\) takes 0 positional arguments, but 2 were given"),
        (lambda: evolve(Point(1), z=1), r"unexpected keyword argument 'z'"),
    ],
)
def test_wrong_arguments_are_named(make: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        make()


def test_a_frozen_object_cannot_be_changed_and_another_can() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="cannot assign 'x': a Point is frozen"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot delete 'x': a Point is frozen"):
        del point.x
    assert point.x == 1
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


@given(st.integers(-1, 1), st.integers(-1, 1), st.integers(-1, 1), st.integers(-1, 1))
def test_equality_hash_and_repr_are_those_of_attrs(x: int, y: int, other_x: int, other_y: int) -> None:
    ours, other = Point(x, y, {"a": 1}), Point(other_x, other_y)
    assert (ours == other) is (AttrsPoint(x, y) == AttrsPoint(other_x, other_y))
    assert (ours != other) is (AttrsPoint(x, y) != AttrsPoint(other_x, other_y))
    assert ours != other or hash(ours) == hash(other)
    assert "Attrs" + repr(ours) == repr(AttrsPoint(x, y))


def test_objects_of_other_classes_are_not_equal() -> None:
    assert Point(1) != Named(1)
    assert Point(1) != (1, 2)
    assert repr(Named(1, name="secret")) == "Named(x=1, y=2)"


def test_copies_pickles_and_match() -> None:
    named = Named(1, notes={"a": 1}, name="b")
    for one in (copy.copy(named), copy.deepcopy(named), pickle.loads(pickle.dumps(named))):
        assert as_dict(one) == as_dict(named)
        assert type(one) is Named
        with pytest.raises(AttributeError):
            one.x = 2
    changed = evolve(named, y=5)
    assert as_dict(changed) == {"x": 1, "y": 5, "notes": {"a": 1}, "name": "b"}
    assert named.y == 2
    match changed:
        case Point(x, y):
            assert (x, y) == (1, 5)
        case _:
            pytest.fail("not matched")
