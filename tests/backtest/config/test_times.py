from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from fmzthreads.backtest.config.times import (
    default_base_period_ms,
    default_snapshot_ms,
    moment_ms,
    period_ms,
    zone_of,
)
from fmzthreads.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1m", 60_000), ("15m", 900_000), ("1h", 3_600_000), ("4H", 14_400_000), ("1d", 86_400_000), ("30s", 30_000), ("1w", 604_800_000),
     ("60", 60_000), (300, 300_000), (60.0, 60_000)],
)  # fmt: skip
def test_periods(text: object, expected: int) -> None:
    assert period_ms(text, "period") == expected


@pytest.mark.parametrize("value", ["", "0m", "m", "1y", "-5m", None, True, 0, 1.5, [60]])
def test_a_period_that_is_none_is_named(value: object) -> None:
    with pytest.raises(InputError, match=r"basePeriod is .*expected a period such as 1m"):
        period_ms(value, "basePeriod")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2024-01-31 12:00:00", 1706702400000), ("2024-01-31", 1706659200000), ("2024/01/31 12:00", 1706702400000),
     ("2024-01-31T12:00:00+08:00", 1706673600000), (1706702400, 1706702400000), (1706702400000, 1706702400000), ("1706702400", 1706702400000)],
)  # fmt: skip
def test_moments(text: object, expected: int) -> None:
    assert moment_ms(text, UTC, "start") == expected


def test_moments_go_by_the_zone() -> None:
    assert moment_ms("2024-01-31 12:00:00", zone_of("+08:00", "timezone"), "start") == 1706673600000


def test_what_is_no_moment_is_named() -> None:
    with pytest.raises(InputError, match=r"start is 'soon', expected a time such as"):
        moment_ms("soon", UTC, "start")


def test_zones() -> None:
    assert zone_of("UTC", "") == UTC
    assert zone_of("-05:30", "") == timezone(-timedelta(hours=5, minutes=30))
    assert zone_of("UTC+8", "") == timezone(timedelta(hours=8))
    with pytest.raises(InputError, match="timezone is 'Mars/Olympus'"):
        zone_of("Mars/Olympus", "timezone")


def test_named_zones() -> None:
    try:
        expected = ZoneInfo("Asia/Shanghai")
    except KeyError:
        pytest.skip("this system has no time zone data")
    assert zone_of("Asia/Shanghai", "") == expected


def test_defaults_as_fmz_chooses_them() -> None:
    hours = 3_600_000
    assert [default_base_period_ms(p) for p in (24 * hours, hours, 1_800_000, 900_000, 300_000, 60_000)] == [
        hours, 1_800_000, 900_000, 300_000, 60_000, 60_000,
    ]  # fmt: skip
    assert default_base_period_ms(4 * hours) == hours
    assert default_base_period_ms(1000) == 1000
    spans = (2 * hours, 48 * hours, 49 * hours, 30 * 24 * hours)
    assert [default_snapshot_ms(span) for span in spans] == [60_000, 300_000, hours, 24 * hours]
