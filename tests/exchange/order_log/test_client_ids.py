"""Client order ids: their alphabet, their length, and that none is made twice."""

import re

from fmzthreads.exchange.order_log import ClientIds
from tests.helpers.exchange_room import run_threads
from tests.helpers.forked import in_fork, needs_fork


def test_they_fit_every_venue_and_begin_with_the_strategy() -> None:
    """OKX takes up to 32 letters and digits, Binance up to 36 (the venues' pages on placing an order)."""
    ids = ClientIds("grid-btc")
    ids._count = iter(range(36**12 - 2, 36**12))
    first, last = ids.new(), ids.new()
    assert re.fullmatch(r"fz[0-9a-z]{18}[0-9a-z]{12}", first)
    assert len(last) == 32
    assert ClientIds("grid-btc").new()[:7] == first[:7]
    assert ClientIds("grid-eth").new()[:7] != first[:7]


def test_two_runs_of_one_strategy_share_no_id() -> None:
    first, second = ClientIds("x"), ClientIds("x")
    assert first.run != second.run
    assert not {first.new() for _ in range(1000)} & {second.new() for _ in range(1000)}


def test_no_thread_gets_the_id_of_another() -> None:
    ids = ClientIds("x")
    made: list[str] = []
    run_threads(8, lambda _: made.extend([ids.new() for _ in range(2000)]))
    assert len(set(made)) == 16_000


@needs_fork
def test_a_forked_child_makes_others() -> None:
    ids = ClientIds("x")
    ids.new()
    of_child = in_fork(lambda: [ids.new() for _ in range(5)])
    assert not set(of_child) & {ids.new() for _ in range(10)}
