"""How the messages of a shared connection are passed on."""

from __future__ import annotations

import json
from typing import Any

from fmzthreads.clock import WallClock
from fmzthreads.streams.buffer.buffer import MessageBuffer
from fmzthreads.streams.sharing.distributor import Distributor
from fmzthreads.venues.okx.streams import OKX_WIRE


class Line:
    """A line that is no more than its buffer."""

    def __init__(self) -> None:
        self.buffer = MessageBuffer(WallClock())


def push(name: str, number: int) -> str:
    return json.dumps({"arg": {"channel": "books", "instId": name}, "data": [number]})


def test_the_messages_of_a_book_and_answers_stay_in_order() -> None:
    lines: dict[str, Any] = {"A": (Line(),), "B": (Line(), Line())}
    ended: list[int] = []

    def answered(message: str | bytes) -> None:
        for some in lines.values():
            for line in some:
                line.buffer.push([message])

    distributor = Distributor(OKX_WIRE, lambda: lines, answered, lambda: ended.append(1))
    distributor.push([push("A", 1), push("B", 1), "answer", push("A", 2), push("X", 1), push("B", 2), push("A", 3)])
    distributor.push([push("B", 3)])
    distributor.push(["again"])
    for name, some in lines.items():
        wanted = [push(name, 1), "answer", *(push(name, number) for number in (2, 3)), "again"]
        for line in some:
            assert [line.buffer.read(-1) for _ in range(6)] == [*wanted, None]
            line.buffer.close()
    assert distributor.received == 9
    assert distributor.stats().received == distributor.stats().delivered == 9
    assert not distributor.is_blocked()
    distributor.finish()
    assert ended == [1]
