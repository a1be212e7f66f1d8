"""Where the brackets of a contract come from: the settings, the venue's public list, what is kept of it, or a default."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ....clock import Clock
from ....errors import FmzError, StopRequested
from ....exchange.contracts.converter import Contract
from ....exchange.venue import Venue
from ..account.account import PaperAccount
from ..money.brackets import MarginBracket, MarginBrackets

__all__ = ["BracketSource"]

_AGAIN_S = 3600.0


class BracketSource:
    """Finds the brackets of contracts; thread-safe: two threads that ask at once do no harm.

    OKX publishes its position tiers. Binance tells its brackets only to accounts with keys, so that without ``Paper.brackets`` there is
    one bracket with ``Paper.maintenance_rate``.

    Args:
        market: The venue.
        account: The account, whose settings and file are read.
        clock: Tells when a list that could not be read is asked for again.
        warn: Takes one warning.
    """

    def __init__(self, market: Venue, account: PaperAccount, clock: Clock, warn: Callable[[str], object]) -> None:
        self._market = market
        self._account = account
        self._clock = clock
        self._warn = warn
        self._default = MarginBrackets.flat(account.paper.maintenance_rate)
        self._known: dict[str, MarginBrackets] = {}
        self._asked: dict[str, float] = {}

    def of(self, contract: Contract) -> MarginBrackets:
        """The brackets of a contract; at most one request an hour."""
        given = self._account.paper.brackets.get(contract.symbol)
        if given is not None:
            return given
        known = self._known.get(contract.symbol)
        if self._market.name != "Futures_OKX" or (known is not None and not self._is_due(contract.symbol)):
            return known or self._default
        found = self._fetch(contract)
        kept = found or known or self._kept(contract.symbol)
        if found is None:
            words = (
                "those of the last time are used"
                if kept
                else f"a maintenance rate of {self._account.paper.maintenance_rate} is used"
            )
            self._warn(f"the position tiers of {contract.symbol} could not be read; {words}")
        self._known[contract.symbol] = kept or self._default
        return self._known[contract.symbol]

    def _is_due(self, symbol: str) -> bool:
        return self._clock.monotonic() - self._asked.get(symbol, 0.0) >= _AGAIN_S

    def _fetch(self, contract: Contract) -> MarginBrackets | None:
        self._asked[contract.symbol] = self._clock.monotonic()
        name = contract.venue_symbol
        kind = "SWAP" if name.endswith("-SWAP") else "FUTURES"
        family = "-".join(name.split("-")[:2])
        try:
            reply = self._market.request(
                "GET", "/api/v5/public/position-tiers", f"instType={kind}&tdMode=cross&instFamily={family}"
            )
            found = _read_tiers(reply)
        except StopRequested:
            raise
        except (FmzError, KeyError, TypeError, ArithmeticError, ValueError):  # away, or not such a reply
            return None
        self._account.keep(f"brackets {contract.symbol}", json.dumps(found.plain()))
        return found

    def _kept(self, symbol: str) -> MarginBrackets | None:
        text = self._account.store.facts().get(f"brackets {symbol}")
        return None if text is None else MarginBrackets.of_plain(json.loads(text), by_contracts=True)


def _read_tiers(reply: Any) -> MarginBrackets:
    """The tiers of ``public/position-tiers`` ("Get position tiers" in OKX's API guide), whose sizes are contracts."""
    rows = sorted(reply["data"], key=lambda row: int(row["tier"]))
    found = [
        MarginBracket(cap=Decimal(row["maxSz"]), leverage=Decimal(row["maxLever"]), rate=Decimal(row["mmr"]))
        for row in rows
    ]
    if not found or any(not (row.rate.is_finite() and row.rate > 0 and row.leverage >= 1) for row in found):
        raise ValueError("no tiers")
    return MarginBrackets(rows=tuple(found), by_contracts=True)
