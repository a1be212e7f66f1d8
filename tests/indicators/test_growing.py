"""Results that are used again, and series that are recognised without a look at each element: the numbers are those of a whole computation."""

import copy
import gc
import heapq
import json
import pickle
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads import Record, Records
from fmzthreads.errors import InputError
from fmzthreads.indicators import known_series, sliding_copies
from fmzthreads.indicators.known_series import KnownSeries
from fmzthreads.indicators.lines import IndicatorLine, LineStore
from fmzthreads.indicators.ta import Indicators
from fmzthreads.structures.growing import GrowingRecords, window
from tests.helpers.threads import run_in_thread

CALLS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("MA", (3,)),
    ("EMA", (2,)),
    ("MACD", (2, 4, 3)),
    ("BOLL", (3, 1.5)),
    ("KDJ", (4, 3, 2)),
    ("RSI", (3,)),
    ("ATR", (3,)),
    ("OBV", ()),
    ("Alligator", (4, 3, 2)),
    ("CMF", (3,)),
)
prices = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
places = st.integers(0, 30)


def bar(number: int, price: float) -> Record:
    return Record(
        Time=60_000 * number,
        Open=price,
        High=price + 2,
        Low=price - 1,
        Close=price + 1,
        Volume=abs(price) % 7,
        OpenInterest=0,
    )


def lines_of(result: Any) -> list[Any]:
    return result if result and isinstance(result[0], list) else [result]


class Holder:
    """Keeps results as a script may: none, the last, some for ever, some changed; tells at the end whether they are as they were."""

    def __init__(self) -> None:
        self.last: dict[int, Any] = {}
        self.kept: list[tuple[Any, Any]] = []

    def take(self, call: int, result: Any, how: int) -> None:
        self.last[call] = result
        if how % 4 == 1:
            self.kept.append((result, copy.deepcopy(result)))
        elif how % 4 == 2:
            line = lines_of(result)[-1]
            change = random.Random(how).choice(
                [
                    lambda: line.append(7.0),
                    lambda: line.reverse(),
                    lambda: line.__setitem__(slice(0, 2), [1.0]),
                    lambda: line.pop(0) if line else None,
                    lambda: line.insert(0, 5.0),
                    lambda: list.append(line, 3.0),  # as C code may do it
                    lambda: line.sort(key=str),
                    lambda: line.clear(),
                ]
            )
            change()
        elif how % 4 == 3:
            del self.last[call]

    def check(self) -> None:
        for result, before in self.kept:
            assert result == before


def edit(rows: list[Any], what: int, price: float, place: int, *, bars: bool) -> None:
    """A change as a script may make it; three in four append."""
    new = bar(len(rows), price) if bars else price
    edits: list[Callable[[], Any]] = [
        lambda: rows.__setitem__(place % len(rows), new),
        lambda: rows.insert(place % len(rows), new),
        lambda: rows.pop(place % len(rows)),
        lambda: rows.__delitem__(slice(place % len(rows), None)),
        lambda: rows.reverse(),
        lambda: rows.sort(key=lambda row: row["Close"] if bars else row, reverse=bool(place % 2)),
        lambda: rows.remove(rows[place % len(rows)]),
        lambda: rows.__imul__(2) if len(rows) < 60 else None,
        lambda: rows.__setitem__(slice(0, 2), [new]),
        lambda: (rows.clear(), rows.extend([new] * 3)),
        lambda: rows[place % len(rows)].update(Close=price) if bars else rows.__setitem__(-1, new),
        lambda: rows.__iadd__([new, new]),
        lambda: rows.append(rows[0]),
    ]
    if rows and what % 4 == 0:
        edits[what // 4 % len(edits)]()
    else:
        rows.append(new)


@pytest.mark.parametrize("kind", ["numbers", "list", "Records"])
@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 200), prices, places, st.integers(0, 40)), min_size=1, max_size=30))
def test_whatever_happens_to_the_series_and_the_results(kind: str, steps: list[tuple[int, float, int, int]]) -> None:
    ta, holder = Indicators(), Holder()
    rows: Any = Records() if kind == "Records" else []
    for what, price, place, how in steps:
        edit(rows, what, price, place, bars=kind != "numbers")
        for number, (name, arguments) in enumerate(CALLS):
            if kind == "numbers" and name in {"KDJ", "ATR", "OBV", "Alligator", "CMF"}:
                continue
            result = getattr(ta, name)(rows, *arguments)
            assert result == getattr(Indicators(), name)([*rows], *arguments), name
            holder.take(number, result, how + number)
        holder.check()


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 9), prices, places), min_size=1, max_size=30))
def test_copies_of_a_history(steps: list[tuple[int, float, int]]) -> None:
    ta = Indicators()
    history, identity, first = [bar(0, 1.5)], object(), 0
    for what, price, place in steps:
        if what == 0:  # a closed bar is another one
            history[place % len(history)] = bar(place, price)
            identity, first = object(), 0
        elif what == 1 and len(history) > 2:
            del history[0]
            first += 1
        elif what == 2:
            history[-1] = bar(len(history), price)  # the one that is still forming
        else:
            history.append(bar(len(history), price))
        rows = Records.copied(history, identity, first)
        if what == 3:
            rows[place % len(rows)].Close = price
        elif what == 4:
            rows.append(bar(99, price))
        elif what == 5:
            rows[place % len(rows)] = bar(99, price)
        elif what == 6:
            rows = rows[place % len(rows) :]
        elif what == 7:
            rows = rows.copy()
        for name, arguments in CALLS:
            assert getattr(ta, name)(rows, *arguments) == getattr(Indicators(), name)([*rows], *arguments), name


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 12), prices, places), min_size=1, max_size=30))
def test_results_as_series(steps: list[tuple[int, float, int]]) -> None:
    ta = Indicators()
    closes: list[float] = []
    for what, price, place in steps:
        if what == 0 and closes:
            closes[place % len(closes)] = price
        else:
            closes.append(price)
        smooth = ta.EMA(closes, 3)
        if what == 1:
            list.__setitem__(smooth, -1, None if smooth[-1] is None else 5.0)  # the forming value only
            smooth.written = -1  # type: ignore[attr-defined]
        elif what == 2 and smooth[-1] is not None:
            smooth[-1] = 7.5
        expected = list(smooth)
        for name, arguments in (("MA", (2,)), ("EMA", (2,)), ("RSI", (2,)), ("MACD", (1, 2, 2))):
            assert getattr(ta, name)(smooth, *arguments) == getattr(Indicators(), name)(expected, *arguments)


# Results


def test_a_result_that_was_dropped_is_used_again_and_one_that_is_held_is_not() -> None:
    ta = Indicators()
    rows = [float(i) for i in range(10)]
    held, places_in_memory = ta.MA(rows, 2), set()
    before = list(held)
    for i in range(50):
        rows.append(float(i % 3))
        result = ta.MA(rows, 2)
        places_in_memory.add(id(result))
    assert held == before
    assert len(places_in_memory) == 2  # the one that the name holds, and the next
    assert id(held) not in places_in_memory


def closed_over(line: list[Any]) -> Callable[[], list[Any]]:
    return lambda: list(line)


def test_an_iterator_a_container_and_a_closure_hold_a_result() -> None:
    ta = Indicators()
    rows = [1.0, 2.0, 3.0, 4.0]
    iterator = iter(ta.MA(rows, 1))
    container = {"a": (ta.MA(rows, 1),)}
    closure = closed_over(ta.MA(rows, 1))
    backwards = reversed(ta.MA(rows, 1))
    for i in range(20):
        rows.append(float(-i))
        ta.MA(rows, 1)
    assert list(iterator) == list(container["a"][0]) == closure() == [1.0, 2.0, 3.0, 4.0]
    assert list(backwards) == [4.0, 3.0, 2.0, 1.0]


def test_without_exact_counts_nothing_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from fmzthreads.indicators import lines

    monkeypatch.setattr(lines, "_ALONE", -1)
    ta = Indicators()
    rows = [1.0, 2.0]
    seen = [ta.MA(rows, 1)]
    for i in range(8):
        rows.append(float(i))
        seen.append(ta.MA(rows, 1))
    assert [len(line) for line in seen] == list(range(2, 11))
    monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    assert lines._count_of_one() == -1


def test_a_result_is_a_list_in_every_way() -> None:
    line = Indicators().MA([1.0, 2.0, 3.0], 2)
    plain = [None, 1.5, 2.5]
    assert isinstance(line, list)
    # A widely copied trading template asks so, and takes what is no list for a period.
    assert type(line) == list  # noqa: E721
    assert type(line) in (list, tuple)
    assert {list: "list"}[type(line)] == "list"
    assert type(line) != tuple  # noqa: E721
    assert line == plain
    assert plain == line
    assert json.dumps({"a": line}) == '{"a": [null, 1.5, 2.5]}'
    assert json.dumps(line, indent=1) == json.dumps(plain, indent=1)
    assert repr(line) == repr(plain)
    assert (line[-1], line[1:], line[::-1], len(line)) == (2.5, plain[1:], plain[::-1], 3)
    zero = [0.0]
    assert (zero + line, line + zero, line * 2) == ([0.0, *plain], [*plain, 0.0], plain * 2)
    assert ([*line], tuple(line), list(reversed(line))) == (plain, tuple(plain), plain[::-1])
    for other in (pickle.loads(pickle.dumps(line)), copy.copy(line), copy.deepcopy(line), line.copy(), line[:]):
        assert type(other) is list
        assert other == plain
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(line, protocol)) == plain


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.__setitem__(0, 9.0),
        lambda line: line.__delitem__(0),
        lambda line: line.__iadd__([1.0]),
        lambda line: line.__imul__(2),
        lambda line: line.append(1.0),
        lambda line: line.extend([1.0]),
        lambda line: line.insert(0, 1.0),
        lambda line: line.pop(),
        lambda line: line.remove(2.0),
        lambda line: line.clear(),
        lambda line: line.reverse(),
        lambda line: line.sort(reverse=True),
        lambda line: heapq.heappop(line),  # C code that passes by the methods
    ],
)
def test_a_result_that_was_changed_is_not_used_again(change: Callable[[Any], Any]) -> None:
    ta = Indicators()
    rows = [1.0, 2.0, 3.0]
    for i in range(12):
        rows.append(float(i))
        line = ta.MA(rows, 1)
        assert line == rows
        change(line)


def test_the_lists_that_are_remembered_for_use_are_few() -> None:
    store = LineStore()
    held = [store.result([1.0, float(i)], 1) for i in range(50)]
    assert [line[-1] for line in held] == [float(i) for i in range(50)]
    del held
    gc.collect()
    assert len(store._given) == 4
    line = store.result([1.0, 2.0, 3.0], 2)
    assert line == [1.0, 2.0, 3.0]
    assert (line.sure, line.written) == (2, 3)


def test_threads_that_hold_results() -> None:
    ta = Indicators()
    rows = [float(i % 7) for i in range(40)]
    expected = {length: Indicators().EMA(rows[:length], 3) for length in range(1, 41)}

    def work(seed: int) -> None:
        chance = random.Random(seed)
        held: list[tuple[int, Any]] = []
        for i in range(400):
            length = 1 + (i + seed) % 40
            held.append((length, ta.EMA(rows[:length], 3)))
            if chance.random() < 0.7:
                held.pop(chance.randrange(len(held)))
            for known, line in held[-5:]:
                assert line == expected[known]
        for known, line in held:
            assert line == expected[known]

    for thread in [run_in_thread(work, seed) for seed in range(4)]:
        thread.result()


# Series


def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often a series was looked at element by element."""
    seen: list[str] = []
    for name in ("_begins_as", "_begins_with_bars_of"):
        before = getattr(known_series.KnownSeries, name)

        def noted(self: Any, *args: Any, _before: Any = before, _name: str = name) -> Any:
            seen.append(_name)
            return _before(self, *args)

        monkeypatch.setattr(known_series.KnownSeries, name, noted)
    return seen


def test_records_that_are_appended_to_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compared(monkeypatch)
    ta, rows = Indicators(), Records([bar(0, 1.0)])
    for i in range(1, 20):
        rows.append(bar(i, float(i)))
        ta.KDJ(rows, 3)
    assert seen == []
    rows[3] = bar(3, 50.0)
    assert ta.KDJ(rows, 3) == Indicators().KDJ(list(rows), 3)
    assert seen != []


def test_copies_of_a_history_are_not_compared_until_a_bar_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compared(monkeypatch)
    ta, history, identity = Indicators(), [bar(0, 1.0)], object()
    for i in range(1, 20):
        history.append(bar(i, float(i)))
        rows = Records.copied(history, identity, 0)
        ta.ATR(rows, 3)
    assert seen == []
    rows[2].High = 99.0
    assert ta.ATR(rows, 3) == Indicators().ATR([*rows], 3)
    assert seen != []
    assert ta.ATR(Records.copied(history, identity, 0), 3) == Indicators().ATR(history, 3)
    assert ta.ATR(Records.copied(history[1:], identity, 1), 3) == Indicators().ATR(history[1:], 3)


def test_results_are_not_compared_as_series(monkeypatch: pytest.MonkeyPatch) -> None:
    ta, rows = Indicators(), [1.0]
    ta.MA(ta.EMA(rows, 2), 2)
    seen = compared(monkeypatch)
    for i in range(20):
        rows.append(float(i))
        ta.MA(ta.EMA(rows, 2), 2)
    assert len(seen) == 20  # the numbers of the script only


def test_two_results_that_begin_with_none_do_not_drive_each_other_out() -> None:
    ta, rows = Indicators(), [float(i % 5) for i in range(30)]
    for i in range(5):
        rows.append(float(i))
        dif, dea, gap = ta.MACD(rows, 2, 3, 2)
        for line in (dif, dea, gap):
            ta.MA(line, 2)
    assert len(ta._series._known) == 4


def test_an_element_that_cannot_be_compared_begins_anew() -> None:
    ta = Indicators()
    assert ta.MA([1.0, 2.0, 3.0], 1) == [1.0, 2.0, 3.0]
    first = 5.0
    assert ta.MA([first, 1.0, 3.0], 1) == [5.0, 1.0, 3.0]
    assert ta.MA([first, 2.0, 3.0], 1) == [5.0, 2.0, 3.0]
    rows: list[Any] = [None, None, 3.0, 4.0]
    ta.MA(rows, 1)
    rows[1] = 2.0  # None and a number have no order
    assert ta.MA(rows, 1) == [None, 2.0, 3.0, 4.0]


def test_a_list_of_another_class_is_read_as_a_sequence() -> None:
    class Odd(list[float]):
        def __gt__(self, other: object) -> bool:
            raise AssertionError("it compares in a way of its own")

        __lt__ = __gt__

    ta = Indicators()
    rows = Odd([1.0, 2.0, 3.0])
    assert ta.MA(rows, 1) == [1.0, 2.0, 3.0]
    rows.append(4.0)
    assert ta.MA(rows, 1) == [1.0, 2.0, 3.0, 4.0]
    assert type(ta.MA(rows, 1)) is IndicatorLine


def test_a_list_that_another_thread_shortens_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    ta, rows = Indicators(), [1.0, 2.0, 3.0, 4.0]
    ta.MA(rows, 1)
    before = known_series.KnownSeries.is_continued_by

    def shortening(self: Any, *args: Any) -> bool:
        found = before(self, *args)
        del rows[2:]
        return found

    monkeypatch.setattr(known_series.KnownSeries, "is_continued_by", shortening)
    assert ta.MA(rows, 1) == [1.0, 2.0]
    rows.extend([7.0, 8.0])
    monkeypatch.undo()
    assert ta.MA(rows, 1) == [1.0, 2.0, 7.0, 8.0]


class Bars:
    """A history whose bars are made when somebody looks at them."""

    def __init__(self) -> None:
        self.made: dict[int, Record] = {}
        self.closes: list[float] = []

    def record(self, number: int) -> Record:
        return self.made.setdefault(number, bar(number, self.closes[number]))

    def values(self, field: str, begin: int, end: int) -> list[Any]:
        return [(self.made.get(i) or bar(i, self.closes[i]))[field] for i in range(begin, end)]

    def final_until(self, number: int, most: int) -> int:
        return min(len(self.closes), most)

    def tip_value(self, field: str, tick: int) -> Any:
        return dict(zip(Record.__annotations__, self.tips(tick)[0], strict=True))[field]

    def tip_closes(self, begin: int, end: int) -> list[list[float]]:
        return []  # ticks do not tell the bar

    def tips(self, tick: int) -> list[tuple[Any, ...]]:
        return [tuple(bar(tick, float(tick)).values())]


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 12), prices, places), min_size=1, max_size=25))
def test_windows_of_a_history_in_a_backtest(steps: list[tuple[int, float, int]]) -> None:
    ta, history, first = Indicators(), Bars(), 0
    for tick, (what, price, place) in enumerate(steps):
        history.closes.append(price)
        count = len(history.closes)
        if what == 0:
            first = min(first + 1, count - 1)
        elif what == 1:
            history.record(place % count).Close = price  # by hand
        rows = window(history, first, count - first, tick, 1, None)
        if what == 2:
            rows.append(bar(99, price))
        elif what == 3:
            list(rows)
        elif what == 4:
            rows[-1].Close = price
        for name, arguments in CALLS:
            result = getattr(ta, name)(rows, *arguments)
            assert result == getattr(Indicators(), name)([rows[i] for i in range(len(rows))], *arguments), name


def test_the_bars_of_a_window_are_neither_made_nor_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compared(monkeypatch)
    ta, history = Indicators(), Bars()
    for tick in range(30):
        history.closes.append(float(tick))
        rows = window(history, 0, tick + 1, tick, 1, None)
        ta.MACD(rows, 2, 3, 2)
        ta.ATR(rows, 3)
        assert type(rows) is GrowingRecords
    assert seen == []
    assert len(history.made) == 0


def test_windows_whose_first_bars_share_a_value_are_told_apart() -> None:
    ta, price, identity = Indicators(), 5.5, object()
    history = [bar(i, float(i)) for i in range(12)]
    for number in (0, 1):
        history[number] = Record(history[number], Close=price)  # one object, by which a series is looked up
    assert ta.MA(Records.copied(history[:5], identity, 0), 2)
    later = history[1:]
    assert ta.MA(Records.copied(later, identity, 1), 2) == Indicators().MA(later, 2)


def test_bars_that_the_script_added_to_a_copy_are_not_the_history_s() -> None:
    ta, identity = Indicators(), object()
    history = [bar(i, float(i)) for i in range(12)]
    ta.MA(Records.copied(history, identity, 0), 2)
    shorter = Records.copied(history[:8], identity, 0)
    shorter.extend(bar(50 + i, 100.0 * i) for i in range(9))
    assert ta.MA(shorter, 2) == Indicators().MA([*shorter], 2)
    assert ta.MA(Records.copied([*history, bar(12, 1.0)], identity, 0), 2) == Indicators().MA(
        [*history, bar(12, 1.0)], 2
    )
    added = Records.copied(history[:8], identity, 0)
    added.extend(bar(50 + i, 100.0 * i) for i in range(9))
    ta.MA(added, 2)
    longer = history + [bar(i, 1.0) for i in range(12, 30)]
    assert ta.MA(Records.copied(longer, identity, 0), 2) == Indicators().MA(longer, 2)


@pytest.mark.parametrize(("name", "params"), CALLS)
def test_copies_of_a_history_go_on_by_single_steps(
    name: str, params: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As GetRecords gives them: other bars at each call, of which the last one changes until it is closed.
    ta, identity, history = Indicators(), object(), [bar(i, float(i % 7)) for i in range(20)]
    call = getattr(ta, name)
    call(Records.copied(history, identity, 0), *params)
    read: list[Any] = []
    whole = known_series.KnownSeries._read

    def counted(self: Any, fresh: list[Any], begin: int) -> None:
        read.append(fresh)
        whole(self, fresh, begin)

    monkeypatch.setattr(known_series.KnownSeries, "_read", counted)
    for number in range(20, 30):
        history.append(bar(number, 3.5))
        for price in (3.5, 3.5, 9.0, float(number)):  # as it was, and changed
            history[-1] = bar(number, price)
            found = call(Records.copied(history, identity, 0), *params)
            assert read == []
            assert repr(found) == repr(getattr(Indicators(), name)([*history], *params))
            read.clear()
    history[-1] = bar(29, -4.0)  # the last one changes once more, and is closed
    history.append(bar(30, 1.0))
    found = call(Records.copied(history, identity, 0), *params)
    assert len(read) == 1
    assert repr(found) == repr(getattr(Indicators(), name)([*history], *params))


@pytest.mark.parametrize("value", [5, True, None, "5", Decimal(5)])
def test_what_is_no_float_is_read_by_the_long_way(value: Any) -> None:
    ta, identity, history = Indicators(), object(), [bar(i, float(i % 7)) for i in range(20)]
    ta.MA(Records.copied(history, identity, 0), 2)
    history.append(bar(20, 4.0))
    history[-1]["Close"] = 5.0
    ta.MA(Records.copied(history, identity, 0), 2)
    history[-1]["Close"] = value
    for number in range(21, 25):
        history.append(bar(number, 4.0))
        if value is None or value == "5":
            with pytest.raises(InputError, match="element 20 field Close"):
                ta.MA(Records.copied(history, identity, 0), 2)
        else:
            assert repr(ta.MA(Records.copied(history, identity, 0), 2)) == repr(Indicators().MA([*history], 2))


def test_a_bar_that_changes_in_place_after_it_was_closed_by_its_values() -> None:
    ta, rows = Indicators(), [bar(i, float(i)) for i in range(10)]
    ta.MA(rows, 3)
    rows = [*rows[:-1], Record(rows[-1]), bar(10, 10.0)]  # another object with the same values, closed by a step
    assert ta.MA(rows, 3) == Indicators().MA([*rows], 3)
    rows[5]["Close"] = 99.0
    rows.append(bar(11, 11.0))
    assert ta.MA(rows, 3) == Indicators().MA([*rows], 3)


def test_numbers_that_are_equal_but_other_objects_go_on_by_steps() -> None:
    ta = Indicators()
    for count in range(3, 12):
        rows = [float(f"{i % 4}.5") for i in range(count)]
        assert ta.MA(rows, 3) == Indicators().MA([*rows], 3)


def test_the_last_bar_changes_in_place_and_is_closed() -> None:
    for make in (bar, lambda number, price: dict(bar(number, price))):
        ta, rows = Indicators(), [make(i, float(i)) for i in range(10)]
        ta.MA(rows, 3)
        rows[-1]["Close"] = 99.0
        rows.append(make(10, 10.0))
        assert ta.MA(rows, 3) == Indicators().MA([*rows], 3)


def test_changes_of_bars_that_are_plain_dicts_are_looked_for() -> None:
    ta, rows = Indicators(), [dict(bar(i, float(i))) for i in range(10)]
    ta.MA(rows, 3)
    rows = [*rows[:-1], dict(rows[-1]), dict(bar(10, 10.0))]
    ta.MA(rows, 3)
    rows.append(dict(bar(11, 11.0)))
    ta.MA(rows, 3)
    rows[1]["Close"] = 99.0  # nothing tells of it
    assert ta.MA(rows, 3) == Indicators().MA([*rows], 3)


def test_a_series_of_numbers_that_began_with_one() -> None:
    ta = Indicators()
    rows: list[float] = []
    for value in ([1.0], [float("nan")], [3.0, 4.0]):
        rows = [*rows, *value]
        found = ta.MA(rows, 2)
    assert repr(found) == repr(Indicators().MA([*rows], 2))


@pytest.mark.parametrize("seed", range(4))
def test_copies_of_a_history_that_has_come_to_its_cap(seed: int) -> None:
    rng = random.Random(seed)
    ta, identity, first = Indicators(), object(), 0
    history = [bar(n, 100.0 + rng.random()) for n in range(110)]
    for step in range(150):
        what = rng.randrange(12)
        if what < 5:  # a bar ends, and the oldest one drops out
            history.append(bar(len(history) + first, history[-1].Close + rng.choice([0.0, 0.5, -0.5, rng.random()])))
            gone = rng.choice([1, 1, 1, 2, 40])
            if len(history) - gone >= 70:
                del history[:gone]
                first += gone
        elif what < 9:
            history[-1] = bar(len(history) + first - 1, history[-1].Close + rng.random() - 0.5)
        elif what == 9 and rng.random() < 0.2:
            history = [*history[:50], bar(50, rng.random()), *history[51:]]
            identity, first = object(), 0
        rows = Records.copied(history, identity, first)
        if what == 10:  # the script changes its copy
            rows[rng.randrange(len(rows))].Close = 99.0
        elif what == 11:
            rows.append(bar(len(rows) + first, 98.0))
        older = rows if rng.random() < 0.9 else Records.copied(history[:-3], identity, first)
        for name, arguments in rng.sample(CALLS, 4):
            found = getattr(ta, name)(older, *arguments)
            assert found == getattr(Indicators(), name)([dict(row) for row in older], *arguments), (step, name)


def test_a_window_of_copies_that_slid_is_not_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    ta, identity = Indicators(), object()
    history = [bar(n, 100.0 + n % 7) for n in range(400)]
    for first in range(40):
        ta.EMA(Records.copied(history[first : first + 300], identity, first), 3)
    counted = []
    read = sliding_copies.new_column
    monkeypatch.setattr(
        sliding_copies, "new_column", lambda name, rows, *more: counted.append(len(rows)) or read(name, rows, *more)
    )
    monkeypatch.setattr(KnownSeries, "lines", None)  # the whole computation
    line = ta.EMA(Records.copied(history[40:340], identity, 40), 3)
    assert counted == [2]  # the bar that was forming, and the new one
    monkeypatch.undo()
    assert line == Indicators().EMA([row.Close for row in history[40:340]], 3)


def test_a_column_that_was_not_asked_for_while_the_copies_slid() -> None:
    ta, identity = Indicators(), object()
    history = [bar(n, 100.0 + n % 7) for n in range(500)]
    for first in (*range(10), 200, 201):
        rows = Records.copied(history[first : first + 100], identity, first)
        plain = [dict(row) for row in rows]
        assert ta.MA(rows, 3) == Indicators().MA(plain, 3)
        if first != 200:
            assert ta.OBV(rows) == Indicators().OBV(plain)
