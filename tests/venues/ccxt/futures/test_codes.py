"""Which day each code of a dated contract means."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fmzthreads.venues.ccxt.futures.codes import CODES, delivery_date, expiry_date


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("code", "day"),
    [
        ("this_week", (2026, 12, 4)),
        ("next_week", (2026, 12, 11)),
        ("third_week", (2026, 12, 18)),
        ("month", (2026, 12, 25)),
        ("next_month", (2027, 1, 29)),
        ("quarter", (2026, 12, 25)),
        ("next_quarter", (2027, 3, 26)),
        ("third_quarter", (2027, 6, 25)),
        ("fourth_quarter", (2027, 9, 24)),
    ],
)
def test_the_fridays_of_the_codes(code: str, day: tuple[int, int, int]) -> None:
    assert code in CODES
    assert delivery_date(code, ms(2026, 11, 30, 12), []) == date(*day)


def test_a_delivery_of_today_counts_until_it_is_over() -> None:
    friday = ms(2026, 12, 25, 8)
    assert delivery_date("quarter", friday - 1, [friday]) == date(2026, 12, 25)
    assert delivery_date("quarter", friday, [friday]) == date(2027, 3, 26)
    late = ms(2026, 12, 25, 16)  # where the venue delivers in the afternoon
    assert delivery_date("this_week", late - 1, [late]) == date(2026, 12, 25)
    assert delivery_date("this_week", late, [late]) == date(2027, 1, 1)
    # Without a contract of today, the usual hour decides.
    assert delivery_date("month", ms(2026, 12, 25, 7, 59), []) == date(2026, 12, 25)
    assert delivery_date("month", ms(2026, 12, 25, 8), [late + 86_400_000]) == date(2027, 1, 29)


def test_the_day_of_an_expiry() -> None:
    assert expiry_date(ms(2026, 12, 25, 8)) == date(2026, 12, 25)
