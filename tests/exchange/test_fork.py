"""Exchange objects in children of ``fork``, ``spawn`` and ``forkserver``: each process has its own connections, workers and locks."""

import gc
import multiprocessing
import os
import pickle
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trustme

from fmzthreads import Exchange
from fmzthreads.database import Database
from fmzthreads.errors import NotSupported, OperationFailed
from fmzthreads.http.client import HttpClient, HttpOptions, HttpRequest
from fmzthreads.runner.outputs import RotatingFile
from fmzthreads.simulator import SimulatorServer
from fmzthreads.strategy.channels import BotChannels
from fmzthreads.strategy.run.folder import _Locks
from fmzthreads.tasks.events import EventQueue
from fmzthreads.tasks.queue import TaskQueue
from fmzthreads.tasks.shared_context import SharedContext
from tests.helpers.exchange_room import MemoryHost, make
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.held_locks import hold_all, locks_of
from tests.helpers.http_faults import FaultServer, Peer
from tests.helpers.simulators import simulator
from tests.helpers.strategy import quiet_runtime

pytestmark = needs_fork

# One for the children that multiprocessing makes by fork, which cannot be given an exchange in any other way.
SHARED: dict[str, Any] = {}


def venue_of(server: SimulatorServer) -> str:
    return "OKX" if server.passphrase else "Binance"


def exchange_at(server: SimulatorServer, **options: Any) -> Exchange:
    keys = {"access_key": server.key, "secret_key": server.secret}
    if server.passphrase:
        keys["passphrase"] = server.passphrase
    made: Exchange = Exchange(venue_of(server), "BTC_USDT", base=server.base_url, errors="raise", **keys, **options)
    return made


@pytest.fixture(params=["binance", "okx"])
def server(request: pytest.FixtureRequest) -> Iterator[SimulatorServer]:
    with simulator(request.param) as running:
        yield running


def trade(exchange: Exchange) -> str:
    """Reads, orders, asks for the order and cancels it, in the foreground and in the background; the order's id."""
    assert exchange.GetDepth().Bids
    price = exchange.GetTicker().Last
    order_id = exchange.Buy(round(price * 0.9), 0.01)
    assert exchange.GetOrder(order_id).Id == order_id
    depth, ok = exchange.Go("GetDepth").wait(60_000)
    assert ok
    assert depth.Bids
    cancelled, ok = exchange.Go("CancelOrder", order_id).wait(60_000)
    assert ok
    assert cancelled
    return str(order_id)


class Busy:
    """Threads that use an exchange until the block ends."""

    def __init__(self, *calls: Callable[[], object]) -> None:
        self._stop = threading.Event()
        self._begun = [threading.Event() for _ in calls]
        self.failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(call, begun), daemon=True)
            for call, begun in zip(calls, self._begun, strict=True)
        ]

    def _work(self, call: Callable[[], object], begun: threading.Event) -> None:
        while not self._stop.is_set():
            try:
                call()
            except BaseException as error:
                self.failures.append(error)
                return
            finally:
                begun.set()

    def __enter__(self) -> "Busy":
        for thread in self._threads:
            thread.start()
        for begun in self._begun:
            assert begun.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def busy(exchange: Exchange) -> Busy:
    queue = TaskQueue([exchange], {})

    def tasks() -> None:
        queue.push(exchange=0, param=["GetDepth"])
        assert queue.run(60_000).ok

    return Busy(
        exchange.GetDepth,
        lambda: exchange.Go("GetTicker").wait(60_000),
        exchange.GetAccount,
        lambda: trade(exchange),
        tasks,
    )


def forks_while_busy(server: SimulatorServer, count: int) -> None:
    exchange = exchange_at(server)
    first = trade(exchange)
    with busy(exchange) as threads:
        ids = [in_fork(lambda: trade(exchange)) for _ in range(count)]
        last = trade(exchange)
    assert threads.failures == []
    assert len({first, last, *ids}) == count + 2
    exchange.close()


def test_forks_while_the_parent_s_threads_are_busy(server: SimulatorServer) -> None:
    forks_while_busy(server, 5)


@pytest.mark.stress
def test_hundreds_of_forks_while_the_parent_s_threads_are_busy(server: SimulatorServer) -> None:
    forks_while_busy(server, 150)


def test_every_lock_is_held_by_another_thread_at_the_fork(server: SimulatorServer) -> None:
    host = MemoryHost()
    exchange = exchange_at(server)
    trade(exchange)
    exchange.GetRecords(60)
    exchange.IO("rate", "GetTicker", 1000, "1s")
    locks = locks_of(exchange, skip=(Database,))
    assert len(locks) > 20, sorted(locks)
    with hold_all(locks) as held:
        assert len(held) > 20
        told = in_fork(lambda: [trade(exchange), len(exchange.GetRecords(60)), len(exchange.UnknownOrders())])
    assert told[1] > 0
    assert host.errors == []
    exchange.close()


def test_a_background_call_of_the_parent_says_so_in_the_child() -> None:
    exchange, venue, _ = make(errors="raise")
    free, begun = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        begun.set()
        free.wait(60)

    venue.ticker = slow
    running = exchange.Go("GetTicker")
    assert begun.wait(60)

    def child() -> list[str]:
        texts = []
        try:
            running.wait(60_000)
        except OperationFailed as error:
            texts.append(str(error))
        return [*texts, str(exchange.Go("GetDepth").wait(60_000).ok), repr(exchange.stats["unfinished_calls"])]

    told = in_fork(child)
    assert told == [
        "GetTicker was started before the fork and runs in the parent process; start it again in the child",
        "True",
        "0",
    ]
    assert running.running
    free.set()
    assert running.wait(60_000).ok
    exchange.close()


def test_waiting_calls_of_the_parent_are_not_run_by_the_child() -> None:
    exchange, venue, _ = make(max_workers=1)
    free, begun = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        begun.set()
        free.wait(60)

    venue.ticker = slow
    first, second = exchange.Go("GetTicker"), exchange.Go("Buy", 100, 1)
    assert begun.wait(60)
    told = in_fork(lambda: [second.wait(60_000).ok, exchange.Go("GetDepth").wait(60_000).ok, len(venue.placed)])
    assert told == [True, True, 0]
    free.set()
    assert second.wait(60_000).value
    assert len(venue.placed) == 1
    first.wait()
    exchange.close()


def test_a_child_that_ends_leaves_the_parent_s_calls_alone(server: SimulatorServer) -> None:
    """Its interpreter ends in the usual way: finalizers and atexit run, and the parent's connection goes on."""
    exchange = exchange_at(server)
    trade(exchange)
    child = fork()
    if child == 0:
        try:
            trade(exchange)
            exchange.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    trade(exchange)
    exchange.close()


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_process(results: Any) -> None:
    try:
        results.put(trade(SHARED["exchange"]))
    except BaseException as error:
        results.put(repr(error))


def in_pool(_: int) -> str:
    return trade(SHARED["exchange"])


def test_multiprocessing_by_fork(server: SimulatorServer) -> None:
    context = multiprocessing.get_context("fork")
    exchange = SHARED["exchange"] = exchange_at(server)
    first = trade(exchange)
    results = context.SimpleQueue()
    with busy(exchange) as threads, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        processes = [context.Process(target=in_process, args=(results,)) for _ in range(3)]
        for process in processes:
            process.start()
        ids = [results.get() for _ in processes]
        for process in processes:
            process.join(60)
    assert threads.failures == []
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len({first, *ids}) == 4
    SHARED.clear()
    exchange.close()


def test_a_process_pool_by_fork(server: SimulatorServer) -> None:
    exchange = SHARED["exchange"] = exchange_at(server)
    first = trade(exchange)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            ids = list(pool.map(in_pool, range(6)))
    assert len({first, *ids}) == 7
    assert trade(exchange) not in ids
    SHARED.clear()
    exchange.close()


def trade_anew(venue: str, base: str, keys: dict[str, str]) -> str:
    """What a child of spawn does: it makes its own exchange."""
    return trade(Exchange(venue, "BTC_USDT", base=base, errors="raise", **keys))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_that_are_not_forked_make_their_own(server: SimulatorServer, method: str) -> None:
    exchange = exchange_at(server)
    first = trade(exchange)
    keys = {"access_key": server.key, "secret_key": server.secret}
    if server.passphrase:
        keys["passphrase"] = server.passphrase
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        second = pool.submit(trade_anew, venue_of(server), server.base_url, keys).result(120)
    assert first != second
    exchange.close()


def test_an_exchange_is_not_sent_to_another_process_and_the_error_says_what_to_do(server: SimulatorServer) -> None:
    exchange = exchange_at(server)
    with pytest.raises(NotSupported, match="create it there, with its keys") as caught:
        pickle.dumps(exchange)
    assert server.secret not in str(caught.value)
    assert server.key not in str(caught.value)
    exchange.close()


# -- what strategies use beside exchanges


def test_a_task_queue_does_not_run_the_parent_s_tasks_in_the_child() -> None:
    exchange, venue, _ = make()
    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, param=["Buy", 100, 1])

    def child() -> list[Any]:
        empty = len(queue.run(60_000))
        queue.push(exchange=0, param=["GetDepth"])
        return [empty, queue.run(60_000).ok, len(venue.placed)]

    with hold_all(locks_of(queue)):
        assert in_fork(child) == [0, True, 0]
    assert queue.run(60_000).ok
    assert len(venue.placed) == 1
    exchange.close()


def test_an_event_queue_and_a_shared_context() -> None:
    queue, context = EventQueue(), SharedContext({"a": 1})
    queue.wait(-1)
    queue.post("of the parent")

    def child() -> list[Any]:
        nothing = queue.wait(-1)
        queue.post("of the child")
        context["a"] += 1
        event = queue.wait(60_000)
        return [nothing, event and event.Event, context["a"]]

    with hold_all({**locks_of(queue), **locks_of(context)}):
        assert in_fork(child) == [None, "of the child", 2]
    event = queue.wait(60_000)
    assert event is not None
    assert event.Event == "of the parent"
    assert context["a"] == 1


# -- a connection with TLS


def test_a_tls_connection_of_the_parent_goes_on_and_the_child_opens_its_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    numbers = count(1)

    def numbered(peer: Peer) -> None:
        number = str(next(numbers)).encode()
        while peer.request() is not None:
            peer.reply(number)

    with FaultServer(numbered, tls=context) as server:
        client = HttpClient(
            f"https://localhost:{server.port}", options=HttpOptions(verify=str(tmp_path / "ca.pem"), timeout_ms=60_000)
        )

        def connection_used() -> str:
            return client.call(lambda: HttpRequest("GET", client.base), lambda reply: reply.text, idempotent=False)

        mine = connection_used()
        theirs = [in_fork(lambda: [connection_used(), connection_used()]) for _ in range(2)]
        assert all(first == second != mine for first, second in theirs)
        assert connection_used() == mine
        assert ends_of_children(client) == mine
        assert connection_used() == mine
        client.close()


def ends_of_children(client: HttpClient) -> str:
    """A child that closes what it inherited, and whose interpreter destroys the rest; then a call of the parent."""

    def child() -> None:
        client.close()
        gc.collect()

    in_fork(child)
    return client.call(lambda: HttpRequest("GET", client.base), lambda reply: reply.text, idempotent=False)


# -- a strategy's own state


def test_every_lock_of_a_strategy_is_held_by_another_thread_at_the_fork(tmp_path: Path) -> None:
    with quiet_runtime(database=tmp_path / "run.db") as runtime:
        channels, folders = BotChannels(tmp_path / "channels.db"), _Locks()
        channels.publish("a", 1)
        channels.read("a")
        chart = runtime.charts.chart({"series": [{"name": "price", "data": []}]})
        chart.add(0, [1, 1.0])
        assert runtime.order_log is not None
        locks = locks_of([runtime, channels, folders, chart], skip=(Database,))
        found = " ".join(locks)
        for part in ("_commands", "_guard", "_order_log._turn", "_writer", "_points", "hub", "stop", "_notices"):
            assert part in found, (part, sorted(locks))

        def child() -> list[Any]:
            runtime.journal.log("of the child")
            runtime.store.put("key", 1)
            chart.add(0, [2, 2.0])
            file = folders.take(tmp_path)
            runtime.send_command("a command")
            return [channels.read("a"), runtime.take_command(), file is not None]

        with hold_all(locks) as held:
            assert len(held) > 10
            assert in_fork(child) == [1, "a command", True]
        channels.close()


def test_a_copy_of_the_output_that_another_thread_writes_to_at_the_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmzthreads.fork._HOLD_S", 0.01)
    files = [RotatingFile(tmp_path / name) for name in ("held.log", "free.log")]
    with hold_all(locks_of(files[0])):
        in_fork(lambda: [file.write("of the child\n") for file in files])
    for file in files:
        file.write("of the parent\n")
        file.close()
    for name in ("held.log", "free.log"):
        assert sorted((tmp_path / name).read_text().splitlines()) == ["of the child", "of the parent"]
