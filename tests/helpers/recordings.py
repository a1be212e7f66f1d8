"""The order books in the real recordings, message by message, in the order in which they arrived."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fmzthreads.streams.book.rules import BookUpdate
from fmzthreads.venues.binance.streams import read_book_event, read_book_snapshot
from fmzthreads.venues.okx.streams import read_book_push
from tests.helpers.shared_data import shared_data

__all__ = ["binance_capture", "cryptofeed_binance", "cryptofeed_okx", "nautilus_futures"]

Best = tuple[int, float, float, float, float]
"""A bookTicker event: update id, bid, its size, ask, its size."""


@lru_cache(maxsize=4)
def binance_capture(name: str) -> tuple[BookUpdate | Best, ...]:
    """``spot/btcusdt``, ``spot/ethusdt`` or ``usdm/btcusdt``: book updates, the REST snapshot, and the best prices between them."""
    found: list[BookUpdate | Best] = []
    with gzip.open(shared_data(f"hftbacktest/{name}_20240808.gz"), "rt") as file:
        for line in file:
            message = json.loads(line.split(" ", 1)[1])
            stream = message.get("stream", "")
            if not stream:
                asked = max(len(message["bids"]), len(message["asks"]))
                found.append(read_book_snapshot(message, asked))
            elif "@depth" in stream:
                found.append(read_book_event(message["data"]))
            elif "@bookTicker" in stream:
                event = message["data"]
                found.append((event["u"], *(float(event[key]) for key in "bBaA")))
    return tuple(found)


def _lines(name: str) -> Iterator[tuple[float, str]]:
    for line in shared_data(f"cryptofeed/{name}").read_text().splitlines():
        when, colon, text = line.partition(": ")
        if colon and when.replace(".", "").isdigit():
            yield float(when), text


@lru_cache(maxsize=2)
def cryptofeed_binance(name: str) -> dict[str, list[BookUpdate]]:
    """``BINANCE`` or ``BINANCE_FUTURES``: each symbol's updates, its REST snapshots at the moment when they arrived."""
    events: list[tuple[float, str, BookUpdate]] = []
    for when, text in _lines(f"{name}.ws.1.0"):
        message = json.loads(text)
        if "@depth" in message.get("stream", ""):
            events.append((when, message["data"]["s"], read_book_event(message["data"])))
    for line in shared_data(f"cryptofeed/{name}.http.0.0").read_text().splitlines():
        url, arrow, rest = line.partition(" -> ")
        when_text, colon, text = rest.partition(": ")
        if arrow and colon and "/depth?" in url:
            query = dict(pair.split("=") for pair in url.partition("?")[2].split("&"))
            snapshot = read_book_snapshot(json.loads(text), int(query["limit"]))
            events.append((float(when_text), query["symbol"], snapshot))
    books: dict[str, list[BookUpdate]] = {}
    for _, symbol, update in sorted(events, key=lambda event: event[0]):
        books.setdefault(symbol, []).append(update)
    return books


@lru_cache(maxsize=1)
def cryptofeed_okx() -> dict[str, list[BookUpdate]]:
    """Each instrument's ``books`` pushes; they have checksums and no sequence ids."""
    books: dict[str, list[BookUpdate]] = {}
    for _, text in _lines("OKX.ws.1.0"):
        message: dict[str, Any] = json.loads(text)
        if message.get("arg", {}).get("channel") == "books" and "data" in message:
            for item in message["data"]:
                books.setdefault(message["arg"]["instId"], []).append(read_book_push(message["action"], item))
    return books


def nautilus_futures() -> tuple[list[list[str]], list[list[str]]]:
    """The rows of the depth snapshot and of the depth updates, headers first."""
    found = []
    for name in ("snap", "update"):
        with shared_data(f"nautilus/btcusdt-depth-{name}.csv").open() as file:
            found.append(list(csv.reader(file)))
    return found[0], found[1]
