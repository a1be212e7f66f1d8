"""Call limits of an exchange object: ``IO("rate", ...)`` and ``IO("quota", ...)``.

A *rate* is a token bucket: it starts full, holds ``burst`` calls, and refills at ``count`` a period. A *quota* counts calls in windows that
are aligned to the clock (``1m`` begins at second 0, ``1d`` at 00:00 UTC, ``@0800`` at 08:00 in Beijing). Beyond the limit a call fails,
or with ``"delay"`` waits for its turn. (FMZ API reference, ``exchange.IO``.)

All arithmetic uses whole nanoseconds, so that ten calls a second are ten, not nine because of float rounding. A waiting call has its place
in the queue: calls proceed in their order, and each sleeps once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, Protocol

import attrs

from ..arguments import exact_decimal
from ..clock import Clock
from ..errors import InputError, RateLimited, UnknownName, nearest, short_repr
from ..fork import after_fork_in_child

__all__ = ["CallLimits", "Period", "parse_period"]

Kind = Literal["rate", "quota"]

_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_PART = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ns|us|µs|ms|s|m|h|d)")
_LONGEST_TEXT = 64  # of a period or a count
_MOST_DAYS = 36_600
_MOST_CALLS = Decimal(10) ** 12
_LEAST_CALLS = Decimal(10) ** -12
_DAY_NS = _NS["d"]
_BEIJING_NS = 8 * _NS["h"]

# One rule for each group: FMZ's Buy and Sell are counted as CreateOrder, and both account calls are one request.
_ALIASES = {"Buy": "CreateOrder", "Sell": "CreateOrder", "GetAssets": "GetAccount", "GetPosition": "GetPositions"}


@attrs.frozen
class Period:
    """The period of a limit.

    Attributes:
        text: The period as given.
        length_ns: Its length, in nanoseconds.
        offset_ns: Where windows begin, in nanoseconds after a multiple of the length since the epoch (UTC).
        daily: Whether it is a reset at a time of day.
    """

    text: str
    length_ns: int
    offset_ns: int = 0
    daily: bool = False


def parse_period(text: Any) -> Period:
    """Reads a period: ``500ms``, ``1s``, ``1h30m``, ``1d``, or a daily reset ``@HHMM`` or ``@HHMMSS`` in Beijing time.

    Raises:
        InputError: It is in none of these forms, not longer than 0, or longer than 100 years.
    """
    wrong = InputError(
        f"a period must be like '500ms', '1s', '1h30m', '1d' or '@HHMM' (Beijing time), got {short_repr(text)}"
    )
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise wrong
    if text.startswith("@"):
        digits = text[1:]
        if not re.fullmatch(r"[0-9]{4}([0-9]{2})?", digits):
            raise wrong
        hour, minute, second = int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0)
        if hour > 23 or minute > 59 or second > 59:
            raise wrong
        at = hour * _NS["h"] + minute * _NS["m"] + second * _NS["s"]
        return Period(text, _DAY_NS, (at - _BEIJING_NS) % _DAY_NS, True)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise wrong
    length = sum((Fraction(number) * _NS[unit] for number, unit in parts), Fraction(0))
    if not 1 <= length <= _MOST_DAYS * _DAY_NS:
        raise wrong
    return Period(text, int(length))


class _Rule(Protocol):
    """A limit of either kind; its methods are called under the lock of ``CallLimits``."""

    text: str
    delays: bool

    def wait_ns(self, clock: Clock) -> int:
        """Returns how long a call made now has to wait; 0 if it may proceed."""

    def take(self) -> None:
        """Counts one call; ``wait_ns`` must have been called before."""

    def give_back(self) -> None:
        """Uncounts one call that was not made."""


class _Bucket:
    """A token bucket; calls that wait make it negative."""

    def __init__(self, count: Fraction, burst: Fraction, period: Period, text: str, delays: bool, clock: Clock) -> None:
        self.text = text
        self.delays = delays
        # One nanosecond adds `gain` units and one call costs `cost`: whole numbers, so that nothing is rounded.
        self._gain = count.numerator * burst.denominator
        self._cost = period.length_ns * count.denominator * burst.denominator
        self._full = burst.numerator * period.length_ns * count.denominator
        self._units = self._full
        self._at = _monotonic_ns(clock)

    def wait_ns(self, clock: Clock) -> int:
        """Refills, then returns the time until there are enough units for a call."""
        now = _monotonic_ns(clock)
        self._units = min(self._full, self._units + max(0, now - self._at) * self._gain)
        self._at = max(self._at, now)
        lacking = self._cost - self._units
        return max(0, -(-lacking // self._gain))

    def take(self) -> None:
        """Takes the units of one call; the bucket may become negative."""
        self._units -= self._cost

    def give_back(self) -> None:
        """Returns the units of one call, at most up to the burst."""
        self._units = min(self._full, self._units + self._cost)


class _Window:
    """A count in aligned windows; waiting calls count in later windows."""

    def __init__(self, count: int, period: Period, text: str, delays: bool, clock: Clock) -> None:
        self.text = text
        self.delays = delays
        self._count = count
        self._period = period
        self._index = self._window(clock.now_ns())
        self._used = 0

    def _window(self, now_ns: int) -> int:
        return (now_ns - self._period.offset_ns) // self._period.length_ns

    def wait_ns(self, clock: Clock) -> int:
        """Moves to the current window, then returns the time until the first one with room."""
        now = clock.now_ns()
        index = self._window(now)
        passed = index - self._index
        if passed > 0:
            self._used = max(0, self._used - passed * self._count)
            self._index = index
        elif passed < -1:
            # The clock was set back by more than a window; a small correction across a boundary gives no second quota.
            self._used, self._index = 0, index
        ahead = self._used // self._count
        if ahead == 0:
            return 0
        return (self._index + ahead) * self._period.length_ns + self._period.offset_ns - now

    def take(self) -> None:
        """Counts one call in the first window with room."""
        self._used += 1

    def give_back(self) -> None:
        """Uncounts one call."""
        self._used = max(0, self._used - 1)


def _monotonic_ns(clock: Clock) -> int:
    return round(clock.monotonic() * 1e9)


class CallLimits:
    """The limits of one exchange object; thread-safe.

    Args:
        clock: Measures and waits.
        known: The names that rules may be set for, besides ``*`` and ``IO/api``.
    """

    def __init__(self, clock: Clock, known: Collection[str]) -> None:
        self._clock = clock
        self._known = {*known, "*", "IO/api"}
        self._lock = threading.Lock()  # guards _rules and the state of every rule in it
        self._rules: dict[tuple[Kind, str], _Rule] = {}
        self.active = False
        """Whether there is any rule. Read without the lock: a call that races with the first rule may go uncounted."""
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the rules stay, and each process counts its own calls from there."""
        self._lock = threading.Lock()

    def set(
        self, kind: Kind, names: str = "", max_calls: Any = 0, period: Any = "", behavior: str | None = None
    ) -> None:
        """Sets, replaces or deletes a rule.

        Args:
            kind: ``rate`` or ``quota``.
            names: Comma-separated function names that share the rule; ``*`` for all functions without a rule (they share it too);
                ``IO/api`` for ``IO("api", ...)``; empty deletes all rules of both kinds.
            max_calls: The number of calls a period; 0 or less deletes the rule of this kind for these names. For a rate also
                ``"count/burst"``.
            period: See ``parse_period``. A rate with a daily reset counts like a quota.
            behavior: None to fail beyond the limit, ``"delay"`` to wait.

        Raises:
            InputError: A value is not valid.
            UnknownName: There is no such function or behavior.
        """
        if not isinstance(names, str):
            raise InputError(f"names must be text such as 'GetTicker,GetDepth', got {short_repr(names)}")
        if not names.strip():
            with self._lock:
                self._rules.clear()
                self.active = False
            return
        keys = self._keys(names)
        if behavior is not None and (not isinstance(behavior, str) or behavior not in {"", "delay"}):
            raise UnknownName(
                f"no behavior {short_repr(behavior)}; valid: 'delay' to wait, or nothing to fail beyond the limit"
            )
        count, burst = _counts(kind, max_calls)
        rule = self._make(kind, count, burst, max_calls, period, behavior == "delay") if count > 0 else None
        with self._lock:
            for key in keys:
                if rule is None:
                    self._rules.pop((kind, key), None)
                else:
                    self._rules[kind, key] = rule
            self.active = bool(self._rules)

    def _keys(self, names: str) -> list[str]:
        keys = []
        for name in map(str.strip, names.split(",")):
            if name not in self._known:
                raise UnknownName(f"no function {short_repr(name)} to limit{nearest(name, self._known)}")
            keys.append(_ALIASES.get(name, name))
        return keys

    def _make(self, kind: Kind, count: Fraction, burst: Fraction, max_calls: Any, period: Any, delays: bool) -> _Rule:
        span = parse_period(period)
        text = f"{max_calls.strip() if isinstance(max_calls, str) else f'{float(count):g}'}/{span.text}"
        if kind == "quota" or span.daily:
            return _Window(max(1, int(count)), span, text, delays, self._clock)
        return _Bucket(count, burst, span, text, delays, self._clock)

    def acquire(self, name: str) -> None:
        """Counts one call, and waits for its turn where the rule delays.

        Args:
            name: The function's name, or ``IO/api``.

        Raises:
            RateLimited: The call is beyond a limit; it was not counted.
            StopRequested: The strategy is being stopped; the call is not counted.
        """
        if not self.active:
            return
        with self._lock:
            rules = self._of(_ALIASES.get(name, name))
            waits = [rule.wait_ns(self._clock) for rule in rules]
            for rule, wait_ns in zip(rules, waits, strict=True):
                if wait_ns > 0 and not rule.delays:
                    raise RateLimited(f"rate limit exceeded: {name} {rule.text}", retry_after_s=wait_ns / 1e9)
            for rule in rules:
                rule.take()
        longest = max(waits, default=0)
        if longest <= 0:
            return
        try:
            self._clock.sleep(longest / 1e9)
        except BaseException:  # a stop, Ctrl-C or anything else: the place in the queue is given back first
            self._give_back(rules)
            raise

    def _give_back(self, rules: Iterable[_Rule]) -> None:
        with self._lock:
            for rule in rules:
                rule.give_back()

    def _of(self, name: str) -> list[_Rule]:
        kinds: tuple[Kind, Kind] = ("rate", "quota")
        found = (self._rules.get((kind, name)) or self._rules.get((kind, "*")) for kind in kinds)
        return [rule for rule in found if rule is not None]


def _counts(kind: Kind, max_calls: Any) -> tuple[Fraction, Fraction]:
    wrong = InputError(
        f"maxCalls must be a number{' or text like 10/5' if kind == 'rate' else ' of whole calls'}, got {short_repr(max_calls)}"
    )
    slash = ""
    try:
        if isinstance(max_calls, str):
            count_text, slash, burst_text = max_calls.partition("/")
            count = _read_count(count_text)
        else:
            count, burst_text = _bounded(exact_decimal("maxCalls", max_calls)), ""
        burst = _read_count(burst_text) if slash else max(count, Fraction(1))
    except (ValueError, ArithmeticError):  # an InputError is a ValueError, what Decimal raises an ArithmeticError
        raise wrong from None
    if slash and (kind == "quota" or burst < 1):
        raise wrong
    if kind == "quota" and count > 0 and count.denominator != 1:
        raise wrong
    return count, burst


def _read_count(text: str) -> Fraction:
    if len(text) > _LONGEST_TEXT:
        raise ValueError
    return _bounded(Decimal(text.strip()))


def _bounded(number: Decimal) -> Fraction:
    """The number as a fraction; only of a usual size, because a fraction writes out every digit."""
    if number > 0 and not _LEAST_CALLS <= number <= _MOST_CALLS:
        raise ValueError
    return Fraction(number) if number > 0 else Fraction(0)
