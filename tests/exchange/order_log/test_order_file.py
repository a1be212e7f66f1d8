"""The order log's file: what is in it when, and what happens when it cannot be written."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import InputError, OperationFailed, OutcomeUnknown, TimedOut, UnknownName
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.exchange.order_log import order_file as module
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import JumpClock, MemoryHost, run_threads
from tests.helpers.forked import in_fork, needs_fork

ENDED = 2**22 + 1  # above the largest id of a process on Linux


class Place:
    """A strategy's folder, and exchange objects over a venue in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path / "strategy" / "orders.sqlite3"
        self.clock = JumpClock()
        self.files: list[OrderFile] = []
        self.warnings: list[str] = []
        self.venue = FakeVenue(clock=self.clock, settling_s=1.0)

    def exchange(self, durability: Any = "process", *, pid: int | None = None, file: OrderFile | None = None) -> Any:
        host = MemoryHost(self.clock)
        host.order_log = file or OrderFile(self.path, "mine", self.clock, warn=self.warnings.append, pid=pid)
        self.files.append(host.order_log)
        exchange: Any = Exchange("Fake", "BTC_USDT", errors="raise", host=host, venue=self.venue, durability=durability)
        return exchange

    def rows(self, columns: str = "fate, order_id") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(f"SELECT {columns} FROM intents ORDER BY id").fetchall()

    def flush(self) -> None:
        for file in self.files:
            file.flush()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for file in made.files:
        file.close()


def test_a_row_is_committed_before_the_order_is_sent_and_its_end_after(place: Place) -> None:
    exchange = place.exchange()
    seen: list[Any] = []
    send = place.venue.place

    def watched(intent: Any) -> str:
        seen.extend(place.rows("kind, symbol, side, price, amount, client_order_id, fate"))
        return send(intent)

    place.venue.place = watched
    order_id = exchange.Buy(99.5, 0.25, "text")
    key = place.venue.placed[0].client_order_id
    assert seen == [("order", "BTC_USDT", "buy", "99.5", "0.25", key, "sending")]
    place.flush()
    assert place.rows() == [("placed", order_id)]


@pytest.mark.parametrize(
    ("error", "fate"), [(TimedOut("late"), "absent"), (InputError("no"), "refused"), (KeyboardInterrupt(), "unknown")]
)
def test_each_end_of_an_order_is_stored(place: Place, error: BaseException, fate: str) -> None:
    exchange = place.exchange()

    def fail(intent: Any) -> str:
        raise error

    place.venue.place = fail
    with pytest.raises((type(error), OperationFailed)):
        exchange.Buy(99, 1)
    place.flush()
    ((stored, detail),) = place.rows("fate, detail")
    assert stored == fate
    assert detail


def test_the_writer_thread_writes_the_end_by_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    quietly = OrderFile.flush_quietly

    def watched(self: OrderFile) -> bool:
        done = quietly(self)
        written.set()
        return done

    monkeypatch.setattr(OrderFile, "flush_quietly", watched)
    exchange = place.exchange()
    order_id = exchange.Buy(99, 1)
    assert written.wait(30)
    assert place.rows() == [("placed", order_id)]


def test_memory_writes_nothing_and_is_the_default_without_keys(place: Place) -> None:
    for durability in ("memory", None):
        place.exchange(durability).Buy(99, 1)
    assert not place.path.exists()


def test_an_account_with_keys_is_stored_by_default(place: Place) -> None:
    place.venue.account_id = lambda: "Fake:here:12ab"
    place.exchange(None).Buy(99, 1)
    assert place.rows("account, kind") == [("Fake:here:12ab", "order")]


def test_durability_is_checked(place: Place) -> None:
    with pytest.raises(UnknownName, match=r"'proces'.*process"):
        place.exchange("proces")
    host = MemoryHost(place.clock)
    with pytest.raises(InputError, match="durability='disk' needs a folder"):
        Exchange("Fake", "BTC_USDT", host=host, venue=place.venue, durability="disk")


def test_disk_waits_for_the_disk(place: Place) -> None:
    exchange = place.exchange("disk")
    exchange.Buy(99, 1)
    database = place.files[0]._database
    assert database.execute("PRAGMA synchronous") == [(2,)]
    assert place.exchange("process").Buy(99, 1)
    assert place.files[1]._database.execute("PRAGMA synchronous") == [(1,)]


def refused(place: Place, exchange: Any, words: str) -> None:
    """An order and a cancel are refused, and nothing was sent."""
    sent = place.venue.calls["place"], place.venue.calls["cancel"]
    for call in (lambda: exchange.Buy(99, 1), lambda: exchange.CancelOrder("BTC_USDT,1")):
        with pytest.raises(OperationFailed, match=rf"(?s)nothing was sent.*{words}") as caught:
            call()
        assert not isinstance(caught.value, OutcomeUnknown)
    assert (place.venue.calls["place"], place.venue.calls["cancel"]) == sent


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program writes, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_locked_file_refuses_orders_soon_and_is_written_later(place: Place) -> None:
    exchange = place.exchange()
    first = exchange.Buy(99, 1)
    place.flush()
    waits: list[float] = []
    assert module._BUSY_S <= 0.25
    with held(place.path):
        refused(place, exchange, "database is locked")
        # What becomes of an order that was sent meanwhile stays queued.
        exchange._core.intents._store.change(place.rows("id")[0][0], exchange._core.intents.all()[0])
        with pytest.raises(OperationFailed):
            place.flush()
    assert waits == []
    second = exchange.Buy(99, 1)
    place.flush()
    assert place.rows() == [("placed", first), ("placed", second)]
    assert exchange.UnknownOrders() == []


def test_a_failed_write_is_warned_of_once(place: Place) -> None:
    exchange = place.exchange()
    exchange.Buy(99, 1)
    with held(place.path):
        file = place.files[0]
        file._changes.append(("SELECT 1", ()))
        file._changes.append(("UPDATE intents SET detail = ''", ()))
        assert not file.flush_quietly()
        assert not file.flush_quietly()
    assert len([text for text in place.warnings if "cannot be stored" in text]) == 1
    assert file.flush_quietly()


def test_a_full_file_refuses_orders(place: Place) -> None:
    exchange = place.exchange()
    exchange.Buy(99, 1)
    database = place.files[0]._database
    (pages,) = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages[0]}")
    place.venue.place = lambda intent: "BTC_USDT,1"
    with pytest.raises(OperationFailed, match=r"nothing was sent.*full"):
        for _ in range(200):
            exchange.CreateOrder("BTC_USDT", 'buy;{"note": "' + "x" * 400 + '"}', 99, 1)
    database.execute("PRAGMA max_page_count = 1000000")
    assert exchange.Buy(99, 1)


def test_a_read_only_file_refuses_orders(place: Place) -> None:
    exchange = place.exchange()
    exchange.Buy(99, 1)
    place.flush()
    place.files[0]._database.execute("PRAGMA query_only = 1")
    refused(place, exchange, "readonly")


def test_a_folder_that_cannot_be_made_refuses_orders(place: Place) -> None:
    place.path.parent.parent.mkdir(exist_ok=True)
    place.path.parent.write_text("a file where the folder should be")
    refused(place, place.exchange(), re.escape(str(place.path)))


@pytest.mark.parametrize("what", ["damaged", "foreign", "newer"])
def test_a_file_that_is_not_ours_is_refused_and_not_changed(place: Place, what: str) -> None:
    place.path.parent.mkdir(parents=True)
    if what == "damaged":
        place.path.write_bytes(b"not a database, but longer than its head is" * 100)
    else:
        with closing(sqlite3.connect(place.path)) as connection:
            connection.execute("CREATE TABLE prices (a)")
            if what == "newer":
                connection.execute(f"PRAGMA application_id = {0x666D7A6F}")
                connection.execute("PRAGMA user_version = 99")
            connection.commit()
    before = place.path.read_bytes()
    words = {"damaged": "not a database", "foreign": "another program", "newer": "format 99.*update fmzthreads"}[what]
    refused(place, place.exchange(), words)
    with pytest.raises(OperationFailed, match=words):
        place.exchange().UnknownOrders(all_runs=True)
    assert place.path.read_bytes() == before


def test_a_damaged_page_refuses_orders(place: Place) -> None:
    place.exchange().Buy(99, 1)
    place.files[0].close()
    size = place.path.stat().st_size
    with place.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    refused(place, place.exchange(), "malformed|not a database|disk image")


def test_thousands_of_orders_of_many_threads(place: Place) -> None:
    exchange = place.exchange()
    exchange.Buy(99, 1)
    run_threads(16, lambda index: [exchange.Buy(99, 1) for _ in range(125)] and None)
    handles = [exchange.Go("Buy", 99, 1) for _ in range(500)]
    assert all(handle.wait().value for handle in handles)
    place.flush()
    rows = place.rows("id, client_order_id, fate, order_id")
    assert len(rows) == len({row[0] for row in rows}) == len({row[1] for row in rows}) == 2501
    assert {row[2] for row in rows} == {"placed"}
    assert {row[1] for row in rows} == {intent.client_order_id for intent in place.venue.placed}
    assert len({row[3] for row in rows}) == 2501


def test_a_living_process_of_the_same_strategy_is_left_alone(place: Place) -> None:
    """Two files of one process stand for two processes: both live."""
    first, second = place.exchange(), place.exchange()
    place.venue.fail("place", OutcomeUnknown("lost"))
    place.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    with pytest.raises(OutcomeUnknown):
        first.Buy(99, 1)
    place.flush()
    asked = place.venue.calls["order_by_client_id"]
    assert second.UnknownOrders(all_runs=True) == []
    assert second.Reconcile() == []
    assert second.Buy(99, 1)
    assert place.venue.calls["order_by_client_id"] == asked
    assert [record.fate for record in first.UnknownOrders(all_runs=True)] == ["unknown"]


def test_what_an_ended_process_left_belongs_to_its_account_and_symbol(place: Place) -> None:
    dead = place.exchange(pid=ENDED)
    place.venue.fail("place", OutcomeUnknown("lost"))
    place.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    with pytest.raises(OutcomeUnknown):
        dead.Buy(99, 1)
    place.flush()
    mine = place.exchange()
    assert [record.intent.symbol for record in mine.UnknownOrders(all_runs=True)] == ["BTC_USDT"]
    assert mine.CreateOrder("ETH_USDT", "buy", 99, 1)
    with pytest.raises(OperationFailed, match="not settled"):
        mine.Buy(99, 1)
    place.venue.account_id = lambda: "Fake:elsewhere"
    other = place.exchange()
    assert other.UnknownOrders(all_runs=True) == []
    assert other.Buy(99, 1)
    del place.venue.account_id
    place.venue.heal("order_by_client_id")
    assert mine.Buy(99, 1)
    place.flush()
    assert place.rows("fate, symbol")[0] == ("absent", "BTC_USDT")
    assert place.exchange().UnknownOrders(all_runs=True) == []


def test_no_such_order_is_not_believed_until_the_settling_time_has_passed(place: Place) -> None:
    dead = place.exchange(pid=ENDED)
    place.venue.fail("place", OutcomeUnknown("lost"))
    place.venue.fail("order_by_client_id", TimedOut("late"), always=True)
    with pytest.raises(OutcomeUnknown):
        dead.Buy(99, 1)
    place.flush()
    place.venue.heal("order_by_client_id")
    mine = place.exchange()
    place.clock.advance(3600)  # however long ago it was made: the process may have sent it just before its end
    assert [record.fate for record in mine.Reconcile()] == ["unknown"]
    place.clock.advance(1.1)
    assert [record.fate for record in mine.Reconcile()] == ["absent"]
    assert mine.Reconcile() == []


@needs_fork
def test_a_forked_child_is_a_run_of_its_own(place: Place) -> None:
    exchange = place.exchange()
    exchange.Buy(99, 1)
    place.flush()

    def child() -> list[str]:
        exchange.Buy(99, 1)
        exchange.close()
        place.files[0].close()
        return [place.venue.placed[-1].client_order_id, exchange._core.orders.new_id()]

    of_child = in_fork(child)
    exchange.Buy(99, 1)
    place.flush()
    rows = place.rows("id >> 32, client_order_id, fate")
    assert [row[2] for row in rows] == ["placed"] * 3
    assert len({row[0] for row in rows}) == 2
    assert len({row[1] for row in rows}) == 3
    runs = {key[7:20] for key in (*of_child, exchange._core.orders.new_id())}
    assert len(runs) == 2
    assert os.getpid()
