"""Faults to inject into a simulated venue; they can be changed while it runs.

A ``Faults`` object is only a plan: before and after it serves a request, a dialect server asks ``plan(path)`` which faults to inject and
does it. Each fault may be limited to paths by a pattern, and the object counts what it injected.

=====================  ====================================================================================================
``latency_ms``         every reply waits so long
``jitter_ms``          and up to so much longer, at random
``refuse``             connections are closed without a reply: true, a probability below 1, or the next n requests
``error_5xx``          503 instead of an answer; the request is not carried out
``rate_limit_429``     429 with Retry-After; the request is not carried out
``ban_418_s``          418 for so many seconds from now on
``cut_reply``          the connection closes in the middle of the reply; the request **is** carried out
``hang``               the request waits until ``release()``, and is then carried out
``lose_order_reply``   an order is accepted and the connection closes without a reply
``clock_offset_ms``    the venue's clock is so far ahead (negative: behind)
=====================  ====================================================================================================

The faults of requests also apply to websocket handshakes. Messages have their own faults, by the path of the connection:

=====================  ====================================================================================================
``ws_close``           the connection is closed with a close frame instead of a message
``ws_cut``             it ends without a close frame instead of a message
``ws_cut_frame``       it ends in the middle of a message
``ws_silent``          it goes silent for good, half open: nothing is sent any more, no pong either, and nothing is read
``ws_no_data``         heartbeats and answers go on, messages are lost
``ws_skip``            a message that carries a sequence is lost
``ws_bad_checksum``    a checksum in a message is wrong, where one is sent
``ws_garbage``         a binary frame with a gzip header and rubbish behind it comes instead of a message
``ws_split``           a message travels in many small TCP packets
``ws_huge``            a message of 16 MiB comes before a message
``ws_flood``           the last message is repeated so many times a second
``ws_refuse_s``        handshakes are refused with 503 for so many seconds from now on
=====================  ====================================================================================================

All but the last two have a rate that counts messages.

Where a fault has a *rate*: 0 or false is off, a number between 0 and 1 a probability, true always, an integer of 1 or more "the next n
requests that match, then off". (So 1 means one request and true, or 1.0, all of them.)
"""

from __future__ import annotations

import fnmatch
import json
import math
import random
import threading
from collections.abc import Mapping
from typing import Any

import attrs

from ..clock import Clock, Signal, WallClock
from ..errors import InputError, UnknownName, nearest

__all__ = ["FaultPlan", "Faults", "parse_fault"]

Value = bool | int | float

_STREAM_RATES = (
    "ws_close", "ws_cut", "ws_cut_frame", "ws_silent", "ws_no_data", "ws_skip", "ws_bad_checksum", "ws_garbage", "ws_split", "ws_huge",
)  # fmt: skip
_RATES = ("refuse", "error_5xx", "rate_limit_429", "cut_reply", "hang", "lose_order_reply", *_STREAM_RATES)
_UNTIL = ("ban_418_s", "ws_refuse_s")
_NUMBERS = ("latency_ms", "jitter_ms", "clock_offset_ms", "ws_flood", *_UNTIL)
_NAMES = _NUMBERS + _RATES
_WORDS: Mapping[str, bool] = {
    "true": True,
    "on": True,
    "yes": True,
    "always": True,
    "false": False,
    "off": False,
    "no": False,
}
_LONGEST_MS = 86_400_000
_OFF: Value = 0


@attrs.frozen(kw_only=True)
class FaultPlan:
    """The faults to inject into one request.

    Attributes:
        delay_s: How long to wait before the reply, in seconds.
        refuse: Close the connection at once.
        status: 0, or the HTTP status to answer with instead of carrying the request out: 503, 429 or 418.
        retry_after_s: The Retry-After header of 429 and 418, in seconds.
        cut_reply: Carry it out, send half of the reply and close the connection.
        lose_order_reply: Carry it out, send nothing and close the connection; only ever set for order placements.
        hang: None, or the event to wait for before the request is executed.
    """

    delay_s: float = 0.0
    refuse: bool = False
    status: int = 0
    retry_after_s: int = 0
    cut_reply: bool = False
    lose_order_reply: bool = False
    hang: Signal | None = None


_NOTHING = FaultPlan()


class Faults:
    """The faults of one venue; thread-safe.

    Args:
        seed: The seed of jitter and probabilities; the same seed repeats exactly.
        clock: Measures the end of a ban; a wall clock if None.
    """

    def __init__(self, seed: int = 0, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else WallClock()
        self._lock = threading.Lock()  # guards everything below
        self._random = random.Random(seed)
        self._rules: dict[tuple[str, str], Value] = {}  # (fault, path pattern) -> value
        self._until: dict[tuple[str, str], float] = {}  # (fault, path pattern) -> the clock's monotonic time
        self._counts: dict[str, int] = {}
        self._release = Signal()
        self._hanging = 0

    # --- setting ---

    def set(self, path: str = "*", **faults: Value) -> None:
        """Switches faults on or off.

        Args:
            path: The request paths that they apply to, as a shell pattern such as ``/api/v3/order*``; each pattern has its own values, and
                the first active one, in the order in which they were set, applies.
            **faults: Names and values, as in the module's table.

        Raises:
            UnknownName: There is no such fault.
            InputError: The value is not valid; nothing has changed.
        """
        checked = {name: _check(name, value) for name, value in faults.items()}
        with self._lock:
            for name, value in checked.items():
                if name in _UNTIL:
                    self._until.pop((name, path), None)
                    if value:
                        self._until[name, path] = self._clock.monotonic() + float(value)
                elif value is False or value == 0:
                    self._rules.pop((name, path), None)
                    if name == "hang":
                        self._let_go()
                else:
                    self._rules[name, path] = value

    def set_text(self, text: str) -> None:
        """Switches one fault on from ``name=value`` or ``name=value@path`` (see ``parse_fault``)."""
        name, value, path = parse_fault(text)
        self.set(path, **{name: value})

    def clear(self) -> None:
        """Switches all faults off and releases hanging requests; keeps the counts."""
        with self._lock:
            self._rules.clear()
            self._until.clear()
            self._let_go()

    def release(self) -> int:
        """Releases all hanging requests.

        Later requests still hang while the fault is on.

        Returns:
            The number of released requests.
        """
        with self._lock:
            return self._let_go()

    def _let_go(self) -> int:
        count, self._hanging = self._hanging, 0
        self._release.set()
        self._release = Signal()
        return count

    # --- reading ---

    def clock_offset_ms(self) -> int:
        """The offset of the venue's clock in milliseconds; negative if behind."""
        with self._lock:
            for (name, _), value in self._rules.items():
                if name == "clock_offset_ms":
                    return int(value)
        return 0

    def plan(self, path: str, *, places_order: bool = False) -> FaultPlan:
        """The faults to inject into a request; counts them.

        Args:
            path: The request's path, without the query string.
            places_order: Whether it places an order; ``lose_order_reply`` applies only then.
        """
        if not self._rules and not self._until:  # read without the lock: a fault set this instant may miss this request
            return _NOTHING
        with self._lock:
            delay_s = self._delay_s(path)
            if self._strikes("refuse", path):
                return FaultPlan(delay_s=delay_s, refuse=True)
            banned_s = self._still_s("ban_418_s", path)
            if banned_s:
                return FaultPlan(delay_s=delay_s, status=418, retry_after_s=banned_s)
            if self._strikes("rate_limit_429", path):
                return FaultPlan(delay_s=delay_s, status=429, retry_after_s=1)
            if self._strikes("error_5xx", path):
                return FaultPlan(delay_s=delay_s, status=503)
            hang: Signal | None = None
            if self._strikes("hang", path):
                hang = self._release
                self._hanging += 1
            lose = places_order and self._strikes("lose_order_reply", path)
            cut = not lose and self._strikes("cut_reply", path)
            return FaultPlan(delay_s=delay_s, cut_reply=cut, lose_order_reply=lose, hang=hang)

    # --- websockets ---

    @property
    def active(self) -> bool:
        """Whether any fault is on.

        Read without the lock, so a fault set this instant may miss a message.
        """
        return bool(self._rules)

    def strikes(self, name: str, path: str) -> bool:
        """Whether to inject a message fault now.

        Uses up one of the next n, and counts it.

        Args:
            name: One of the faults with a rate.
            path: The path of the connection.
        """
        if not self._rules:  # as in plan()
            return False
        with self._lock:
            return self._strikes(name, path)

    def number(self, name: str, path: str) -> float:
        """The number of a fault for a path.

        0 if it is off.
        """
        if not self._rules:  # as in plan()
            return 0.0
        with self._lock:
            return float(self._value(name, path))

    def refuses_streams(self, path: str) -> bool:
        """Whether handshakes on a path are refused now; counts it."""
        if not self._until:  # as in plan()
            return False
        with self._lock:
            return bool(self._still_s("ws_refuse_s", path))

    def _delay_s(self, path: str) -> float:
        latency = self._value("latency_ms", path)
        jitter = self._value("jitter_ms", path)
        if not latency and not jitter:
            return 0.0
        self._count("latency_ms")
        return (float(latency) + self._random.uniform(0, float(jitter))) / 1000

    def _value(self, name: str, path: str) -> Value:
        for (rule, pattern), value in self._rules.items():
            if rule == name and fnmatch.fnmatchcase(path, pattern):
                return value
        return _OFF

    def _strikes(self, name: str, path: str) -> bool:
        """Whether to inject a fault with a rate now.

        Uses up one of the next n.
        """
        for (rule, pattern), value in list(self._rules.items()):
            if rule != name or not fnmatch.fnmatchcase(path, pattern):
                continue
            if value is True:
                struck = True
            elif isinstance(value, int):
                struck = True
                if value == 1:
                    del self._rules[rule, pattern]
                else:
                    self._rules[rule, pattern] = value - 1
            else:
                struck = self._random.random() < value
            if struck:
                self._count(name)
                return True
        return False

    def _still_s(self, name: str, path: str) -> int:
        """The remaining seconds of a timed fault; 0 if it is off."""
        now = self._clock.monotonic()
        for (rule, pattern), until in list(self._until.items()):
            if until <= now:
                del self._until[rule, pattern]
            elif rule == name and fnmatch.fnmatchcase(path, pattern):
                self._count(name)
                return max(1, round(until - now))
        return 0

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1

    # --- reporting ---

    def counts(self) -> dict[str, int]:
        """How often each fault was injected since the start.

        Faults that were never injected are left out.
        """
        with self._lock:
            return dict(self._counts)

    def settings(self) -> list[dict[str, Any]]:
        """The active faults, ready for JSON: ``[{"path": "*", "latency_ms": 50}, ...]``."""
        with self._lock:
            now = self._clock.monotonic()
            by_path: dict[str, dict[str, Any]] = {}
            for (name, path), value in self._rules.items():
                by_path.setdefault(path, {"path": path})[name] = value
            for (name, path), until in self._until.items():
                if until > now:
                    by_path.setdefault(path, {"path": path})[name] = round(until - now, 3)
            return list(by_path.values())

    def to_json(self) -> str:
        """The active faults and the counts, as JSON text."""
        return json.dumps({"faults": self.settings(), "injected": self.counts()})

    def apply_json(self, text: str | bytes) -> None:
        """Switches faults on or off from JSON.

        The body is one object such as ``{"path": "*", "latency_ms": 50}`` (path is optional) or a list of them.

        Raises:
            InputError: It is not JSON, does not have this format, or a value is not valid; nothing has changed.
            UnknownName: There is no such fault; nothing has changed.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError(f"malformed JSON of faults: {error}") from None
        entries = data if isinstance(data, list) else [data]
        wanted: list[tuple[str, dict[str, Value]]] = []
        for entry in entries:
            if not isinstance(entry, dict):
                raise InputError(f'a fault must be an object such as {{"latency_ms": 50}}, got {entry!r}')
            path = entry.pop("path", "*")
            if not isinstance(path, str):
                raise InputError(f"path must be text, got {path!r}")
            wanted.append((path, {name: _check(name, value) for name, value in entry.items()}))
        for path, faults in wanted:
            self.set(path, **faults)


def parse_fault(text: str) -> tuple[str, Value, str]:
    """Reads ``name=value`` or ``name=value@path``, as on a command line.

    Returns:
        The name, the value and the path pattern (``*`` if not given).

    Raises:
        UnknownName: There is no such fault.
        InputError: The ``=`` is missing, or the value is not valid.
    """
    name, equals, rest = text.partition("=")
    name = name.strip()
    if not equals:
        raise InputError(f"a fault must have the form name=value, got {text!r}")
    raw, _, path = rest.partition("@")
    raw = raw.strip()
    value: Any = _WORDS.get(raw.lower())
    if value is None:
        try:
            value = int(raw)
        except ValueError:
            try:
                value = float(raw)
            except ValueError:
                raise InputError(f"{name} must be a number, on or off, got {raw!r}") from None
    return name, _check(name, value), path.strip() or "*"


def _check(name: str, value: Any) -> Value:
    if name not in _NAMES:
        raise UnknownName(f"unknown fault {name!r}{nearest(name, _NAMES)}")
    if not isinstance(value, (bool, int, float)) or math.isnan(value):
        raise InputError(f"{name} must be a number, true or false, got {value!r}")
    if name in _RATES:
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and value >= 0:
            return value
        if 0 <= value <= 1:
            return True if value == 1 else float(value)
        raise InputError(
            f"{name} must be true, false, a probability from 0 to 1 or a whole number of requests, got {value!r}"
        )
    if isinstance(value, bool):
        if value:
            raise InputError(f"{name} must be a number, got true or false")
        return 0
    lowest = -_LONGEST_MS if name == "clock_offset_ms" else 0
    if not lowest <= value <= _LONGEST_MS:
        raise InputError(f"{name} must be between {lowest} and {_LONGEST_MS}, got {value!r}")
    return value
