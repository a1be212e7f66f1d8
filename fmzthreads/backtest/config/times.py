"""Times and periods as a backtest's settings write them, in milliseconds.

Source: FMZ's user guide, "Backtest" (``start: 2024-01-01 00:00:00``, ``period: 15m``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from ...errors import InputError, short_repr

__all__ = ["DAY_MS", "default_base_period_ms", "default_snapshot_ms", "moment_ms", "period_ms", "zone_of"]

DAY_MS = 86_400_000
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_PERIOD = re.compile(r"(\d+)\s*([smhdw]?)\Z")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?\Z")
_BASE = {DAY_MS: 3_600_000, 3_600_000: 1_800_000, 1_800_000: 900_000, 900_000: 300_000, 300_000: 60_000, 60_000: 60_000}


def period_ms(value: object, where: str) -> int:
    """A period such as ``15m``, ``1h``, ``1d``, or a number of seconds, in milliseconds.

    Raises:
        InputError: It is not one; names ``where``.
    """
    found = _PERIOD.match(value.strip().lower()) if isinstance(value, str) else None
    if found is not None:
        length = int(found[1]) * _UNITS[found[2] or "s"]
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer():
        length = int(value) * 1000
    else:
        length = 0
    if length <= 0:
        raise InputError(
            f"{where} is {short_repr(value)}, expected a period such as 1m, 15m, 1h, 1d, or a number of seconds"
        )
    return length


def zone_of(name: object, where: str) -> tzinfo:
    """A time zone: ``UTC``, ``+08:00``, or a name such as ``Asia/Shanghai``.

    Raises:
        InputError: There is no such zone; names ``where``.
    """
    text = str(name).strip()
    if text.upper() in {"UTC", "GMT", "Z", ""}:
        return UTC
    found = _OFFSET.match(text)
    if found is not None:
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=minutes if found[1] == "+" else -minutes))
    from zoneinfo import ZoneInfo  # UTC and offsets do not need it

    try:
        return ZoneInfo(text)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise InputError(f"{where} is {short_repr(name)}, which is not a time zone: {error}") from error
    except KeyError:
        raise InputError(
            f"{where} is {short_repr(name)}, expected a time zone such as UTC, +08:00 or Asia/Shanghai"
        ) from None


def moment_ms(value: object, zone: tzinfo, where: str) -> int:
    """A time such as ``2024-01-31 12:00:00`` in milliseconds since the epoch.

    Args:
        value: The time, by ``zone`` unless it names an offset itself; the time of day may be left out. A number is in seconds since the epoch,
            or in milliseconds when it is 100,000,000,000 or more.
        zone: The time zone of times without one.
        where: Where the value came from, for the message.

    Raises:
        InputError: It is not a time.
    """
    if isinstance(value, str) and re.fullmatch(r"\d{9,}", value.strip()):
        value = int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value) if value >= 1e11 else int(value * 1000)
    try:
        moment = datetime.fromisoformat(str(value).strip().replace("/", "-"))
    except ValueError:
        raise InputError(f"{where} is {short_repr(value)}, expected a time such as 2024-01-31 12:00:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def default_base_period_ms(period: int) -> int:
    """The period of the bars that ticks are made from, when only the period of records is said; as FMZ's local engines choose it."""
    return min(_BASE.get(period, 3_600_000), period)


def default_snapshot_ms(span_ms: int) -> int:
    """The time between two snapshots of the accounts, by the length of the backtest; as FMZ's local engines choose it."""
    if span_ms <= 7_200_000:
        return 60_000
    if span_ms <= 2 * DAY_MS:
        return 300_000
    return 3_600_000 if span_ms < 30 * DAY_MS else DAY_MS
