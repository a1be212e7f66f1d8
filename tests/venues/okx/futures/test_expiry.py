"""Which requests of OKX's carry ``expTime``: orders and their changes, so that a late one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.venues.okx.futures.venue import FuturesOKXProtocol
from fmzthreads.venues.rest.ask import Ask

KEYS = Credentials(access_key="key", secret_key="secret", passphrase="phrase")


class Noon:
    """A server time that stands still."""

    def now(self) -> float:
        return 1_700_000_000.0

    def now_ms(self) -> int:
        return 1_700_000_000_000


@pytest.mark.parametrize(
    ("path", "method", "expires"),
    [
        ("order", "POST", "1700000002500"),
        ("amend-order", "POST", "1700000002500"),
        ("order", "GET", None),
        ("cancel-order", "POST", None),
        ("order-algo", "POST", None),
        ("amend-algos", "POST", None),
    ],
)
def test_orders_and_their_changes_expire(path: str, method: Any, expires: str | None) -> None:
    protocol = FuturesOKXProtocol(simulated=False, order_lifetime_ms=2500)
    ask = Ask(path=f"/api/v5/trade/{path}", method=method, signed=True)
    time: Any = Noon()
    request = protocol.build(ask, f"https://okx.example/api/v5/trade/{path}", KEYS, time)
    assert request.headers.get("expTime") == expires
