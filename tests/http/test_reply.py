"""What a reply's header lines say."""

import pytest

from fmzthreads.http.reply import Headers, Reply, retry_after_s


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        ((("retry-after", "7"),), 7.0),
        ((("Retry-After", " 86400 "),), 86_400.0),
        ((("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),), None),
        ((("Retry-After", "-1"),), None),
        ((("Retry-After", "\u0663"),), None),
        ((("Retry-After", "9" * 400),), None),
    ],
)
def test_retry_after_is_whole_seconds_or_nothing(lines: tuple[tuple[str, str], ...], expected: float | None) -> None:
    assert retry_after_s(Reply(429, Headers(lines), b"", "GET https://venue.example/x")) == expected
