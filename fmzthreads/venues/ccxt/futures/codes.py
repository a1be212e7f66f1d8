"""Contract codes of dated contracts: which Friday ``this_week``, ``month`` or ``quarter`` means."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

__all__ = ["CODES", "delivery_date", "expiry_date"]

_FRIDAY = 4
_WEEKS = ("this_week", "next_week", "third_week")
_MONTHS = ("month", "next_month")
_QUARTERS = ("quarter", "next_quarter", "third_quarter", "fourth_quarter")
_USUAL_HOUR = 8  # of the delivery, in UTC, where the venue lists no contract of that day

CODES = (*_WEEKS, *_MONTHS, *_QUARTERS)
"""The codes of dated contracts that are known."""


def expiry_date(expires_ms: int) -> date:
    """The day (UTC) on which a contract is delivered."""
    return datetime.fromtimestamp(expires_ms / 1000, UTC).date()


def delivery_date(code: str, now_ms: int, expiries_ms: list[int]) -> date:
    """The day on which the contract of a code is delivered.

    ``this_week`` is delivered on the next Friday, ``month`` on the last Friday of a month, ``quarter`` on the last Friday of March, June,
    September or December; the others are the weeks, months and quarters after it.

    Args:
        code: One of ``CODES``.
        now_ms: The venue's time, in ms since the epoch.
        expiries_ms: When the contracts of the pair are delivered; they tell whether a delivery of today is over.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    todays = [expiry for expiry in expiries_ms if expiry_date(expiry) == now.date()]
    over = max(todays) <= now_ms if todays else now.hour >= _USUAL_HOUR
    first = now.date() + timedelta(days=1) if over else now.date()
    if code in _WEEKS:
        friday = first + timedelta(days=(_FRIDAY - first.weekday()) % 7)
        return friday + timedelta(weeks=_WEEKS.index(code))
    months, row = (1, _MONTHS) if code in _MONTHS else (3, _QUARTERS)
    year, month, left = first.year, first.month, row.index(code)
    while True:
        last = _last_friday(year, month)
        if month % months == 0 and last >= first:
            if left == 0:
                return last
            left -= 1
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _last_friday(year: int, month: int) -> date:
    next_month = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
    last = next_month - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - _FRIDAY) % 7)
