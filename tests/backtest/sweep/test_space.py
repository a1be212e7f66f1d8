"""The parameter space of a sweep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.sweep.space import Axis, Grid, parse_axis
from fmzthreads.errors import InputError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast=5:30:5", (5, 10, 15, 20, 25, 30)),
        ("fast=5:29:5", (5, 10, 15, 20, 25)),
        ("x=0.1:0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("x=3:1:-1", (3, 2, 1)),
        ("x=1:2:0.5", (1.0, 1.5, 2.0)),
        ("x=7:7:1", (7,)),
        ("mode=a,b", ("a", "b")),
        ("x=1,2.5,true", (1, 2.5, True)),
    ],
)
def test_an_axis_is_read(text: str, values: tuple[object, ...]) -> None:
    axis = parse_axis(text)
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fast", "expected NAME="),
        ("2x=1:2:1", "expected NAME="),
        ("class=1,2", "expected NAME="),
        ("x=", "expected NAME="),
        ("x=1:2", "got 2 numbers"),
        ("x=1:2:0", "does not lead"),
        ("x=1:2:-1", "does not lead"),
        ("x=a:2:1", "must be numbers"),
        ("x=nan:2:1", "must be finite"),
        ("x=0:1:1e-9", "more than 100,000"),
        ("x=0:1e999999:1e-999999", "more than 100,000"),
        ("x=1,2,1", "twice"),
    ],
)
def test_a_wrong_axis_is_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_axis(text)
    assert text in str(caught.value)


def test_two_axes_of_one_name_and_too_large_grids_are_refused() -> None:
    with pytest.raises(InputError, match="x is given twice"):
        Grid((Axis("x", (1,)), Axis("x", (2,))))
    many = tuple(range(1000))
    with pytest.raises(InputError, match="combinations"):
        Grid((Axis("x", many), Axis("y", many), Axis("z", many)))


@given(st.lists(st.integers(1, 4), min_size=0, max_size=4), st.data())
def test_numbers_and_places_agree(sizes: list[int], data: st.DataObject) -> None:
    grid = Grid(tuple(Axis(f"a{n}", tuple(range(size))) for n, size in enumerate(sizes)))
    assert len({tuple(grid[number].values()) for number in range(len(grid))}) == len(grid)
    number = data.draw(st.integers(0, len(grid) - 1))
    assert grid.number(grid.places(number)) == number
    assert tuple(grid[number].values()) == grid.places(number)
    assert grid.number_of(grid[number]) == number
    for other in grid.neighbours(number):
        assert sum(abs(a - b) for a, b in zip(grid.places(other), grid.places(number), strict=True)) == 1
        assert number in grid.neighbours(other)
    with pytest.raises(IndexError):
        grid[len(grid)]


def test_a_sample_has_no_combination_twice_and_follows_from_the_seed() -> None:
    grid = Grid((Axis("x", tuple(range(10))), Axis("y", tuple(range(10)))))
    drawn = grid.sample(30, seed=4)
    assert len(set(drawn)) == 30
    assert drawn == grid.sample(30, seed=4) != grid.sample(30, seed=5)
    assert grid.sample(200, seed=4) == list(range(100))


def test_a_combination_is_found_by_its_values() -> None:
    grid = Grid((Axis("x", (1, 2)), Axis("y", (True, 1, "1"))))
    assert [grid.number_of({"x": 2, "y": value}) for value in (True, 1, "1", 1.0)] == [3, 4, 5, None]
    assert grid.number_of({"y": 1, "x": 1, "z": 0}) == 1
    assert grid.number_of({"x": 1}) is None


def test_the_largest_axis_and_grid_are_taken() -> None:
    assert len(parse_axis("x=1:100000:1").values) == 100_000
    with pytest.raises(InputError, match="more than 100,000"):
        parse_axis("x=0:100000:1")
    assert len(Grid((Axis("x", tuple(range(1000))), Axis("y", tuple(range(10_000)))))) == 10_000_000
    with pytest.raises(InputError, match="10,001,000 combinations"):
        Grid((Axis("x", tuple(range(1000))), Axis("y", tuple(range(10_001)))))


def test_blanks_around_names_and_values_are_left_out_and_the_value_that_is_there_twice_is_named() -> None:
    assert parse_axis(" x = 1 : 3 : 1 ") == Axis("x", (1, 2, 3))
    with pytest.raises(InputError, match="the value 2 stands there twice"):
        parse_axis("x=1,2,3,2")
