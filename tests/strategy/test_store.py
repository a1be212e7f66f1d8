"""What _G keeps: across restarts, threads, processes, and kills."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.errors import InputError, OperationFailed
from fmzthreads.strategy.store import Store
from tests.helpers.threads import side_by_side

ROOT = Path(__file__).resolve().parents[2]


def _script(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "deep" / "s.sqlite3" if request.param == "file" else None)
    yield made
    made.close()


def test_stores_reads_overwrites_deletes(store: Store) -> None:
    assert store.get("a") is None
    store.delete("a")
    store.clear()
    assert store.keys() == []
    store.put("a", 1)
    store.put("b", {"x": [1, 2.5, None, "text"]})
    store.put("a", 2)
    assert (store.get("a"), store.get("b")) == (2, {"x": [1, 2.5, None, "text"]})
    assert store.keys() == ["a", "b"]
    store.put("a", None)
    assert store.get("a") is None
    store.clear()
    assert store.keys() == []


def test_names_are_case_insensitive_and_may_be_numbers(store: Store) -> None:
    store.put("Grid_Price", 1)
    assert store.get("GRID_price") == 1
    store.delete("grid_PRICE")
    assert store.keys() == []
    store.put(7, "seven")
    assert store.get("7") == "seven"


def test_values_come_back_as_decoded_json(store: Store) -> None:
    store.put("t", (1, (2,)))
    store.put("d", {1: "one"})
    assert store.get("t") == [1, [2]]
    assert store.get("d") == {"1": "one"}
    store.put("u", "\ud800 ключ 键")
    assert store.get("u") == "\ud800 ключ 键"


def _circle() -> list[object]:
    inner: list[object] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"raw", math.nan, [math.inf], {(1, 2): 3}, _circle(), {"f": print}]
)
def test_refuses_a_value_that_is_not_json_and_names_it(store: Store, value: object) -> None:
    store.put("k", "before")
    with pytest.raises(InputError, match="'k'"):
        store.put("k", value)
    assert store.get("k") == "before"


@pytest.mark.parametrize("key", [None, 1.5, b"k", ["k"], "\ud800"])
def test_refuses_a_name_that_is_no_text(store: Store, key: object) -> None:
    with pytest.raises(InputError, match="_G"):
        store.get(key)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="_G"):
        store.put(key, 1)  # type: ignore[arg-type]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=json_values.filter(lambda value: value is not None))
def test_any_json_value_comes_back_equal(value: object) -> None:
    kept = Store()
    kept.put("v", value)
    assert kept.get("v") == value


def test_looking_makes_no_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "home" / "s.sqlite3")
    assert store.get("a") is None
    store.delete("a")
    store.clear()
    assert store.keys() == []
    assert list(tmp_path.iterdir()) == []
    store.put("a", 1)
    store.close()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["s.sqlite3"]


def test_survives_a_restart_and_can_be_used_after_close(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    first = Store(path)
    first.put("n", 41)
    first.close()
    first.put("n", 42)
    first.close()
    second = Store(path)
    assert second.get("N") == 42
    second.close()


def test_two_stores_see_each_other_at_once(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "s.sqlite3"), Store(tmp_path / "s.sqlite3")
    one.put("k", 1)
    assert two.get("k") == 1
    two.put("k", 2)
    assert one.get("k") == 2
    one.close()
    two.close()


def test_survives_a_kill_between_two_writes(tmp_path: Path) -> None:
    code = """
import sys
from fmzthreads.strategy.store import Store
store = Store(sys.argv[1])
for n in range(1, 1_000_000):
    store.put("n", {"count": n, "text": "x" * 500})
    print(n, flush=True)
"""
    path = str(tmp_path / "s.sqlite3")
    told = 0
    for _ in range(3):
        process = _script(code, path)
        assert process.stdout is not None
        for line in process.stdout:
            told = int(line)
            if told >= 25:
                break
        process.kill()
        rest = process.stdout.read().split()
        process.stdout.close()
        assert process.wait(30) == -signal.SIGKILL
        told = max([told, *(int(each) for each in rest[:-1])])
        store = Store(path)
        kept = store.get("n")
        store.close()
        assert kept["count"] >= told  # what was told as written is there; the write after it may be too
        assert len(kept["text"]) == 500


def test_two_processes_and_many_threads_write_at_once(tmp_path: Path) -> None:
    code = """
import sys, threading
from fmzthreads.strategy.store import Store
store, who = Store(sys.argv[1]), sys.argv[2]
def work(t):
    for n in range(20):
        store.put(f"{who}-{t}-{n}", [who, t, n])
        assert store.get(f"{who}-{t}-{n}") == [who, t, n]
threads = [threading.Thread(target=work, args=(t,)) for t in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]
store.close()
"""
    path = tmp_path / "s.sqlite3"
    processes = [_script(code, str(path), who) for who in "abc"]
    store = Store(path)
    side_by_side(3, lambda index: [store.put(f"main-{index}-{n}", n) for n in range(20)] and None)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(store.keys()) == 3 * 3 * 20 + 3 * 20
    store.close()


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for round_ in range(20):  # a fault shows in about one round of twelve
        stores = [Store(tmp_path / f"{round_}.sqlite3") for _ in range(8)]
        side_by_side(8, lambda index, stores=stores: stores[index].put(f"k{index}", index))  # type: ignore[misc]
        assert stores[0].keys() == [f"k{index}" for index in range(8)]
        for store in stores:
            store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_connection(tmp_path: Path) -> None:
    code = """
import os, sys
from fmzthreads.strategy.store import Store
store = Store(sys.argv[1])
store.put("who", "parent")
child = os.fork()
if child == 0:
    inherited = store._database._connection
    store.put("who", store.get("who") + " and child")
    os._exit(store._database._connection is inherited)
assert os.waitpid(child, 0)[1] == 0
print(store.get("who"))
store.close()
"""
    process = _script(code, str(tmp_path / "s.sqlite3"))
    out, _ = process.communicate(timeout=100)
    assert (process.returncode, out.strip()) == (0, "parent and child")


@pytest.mark.parametrize("content", [b"this is not a database at all" * 50, b"SQLite format 3\x00" + b"\xff" * 5_000])
def test_a_damaged_file_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite3"
    path.write_bytes(content)
    store = Store(path)
    for _ in range(2):
        with pytest.raises(OperationFailed, match=r"s\.sqlite3 cannot be used"):
            store.get("a")
        with pytest.raises(OperationFailed, match=r"s\.sqlite3 cannot be used"):
            store.put("a", 1)
    store.close()
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "s.sqlite3")
    with pytest.raises(OperationFailed, match=r"s\.sqlite3"):
        store.put("a", 1)


def test_a_value_that_is_not_json_in_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    store = Store(path)
    store.put("a", 1)
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE kvdb SET v = '{oops'")
    raw.close()
    with pytest.raises(OperationFailed, match="'a'"):
        store.get("a")
    store.close()


def test_threads_overwrite_one_name_and_leave_one_whole_value(store: Store) -> None:
    def work(index: int) -> None:
        for n in range(30):
            store.put("shared", {"who": index, "text": str(index) * 200, "n": n})
            seen = store.get("shared")
            assert seen["text"] == str(seen["who"]) * 200

    side_by_side(6, work)
    assert store.get("shared")["n"] == 29
    assert json.dumps(store.get("shared"))
