"""The result of a demo run: figures, text and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import attrs

__all__ = ["Spread", "Summary", "percentile"]


def percentile(values: Iterable[float], fraction: float) -> float:
    """The nearest-rank percentile; 0 for an empty sample.

    Args:
        values: The sample, in any order.
        fraction: Between 0 and 1, such as 0.99.
    """
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


@attrs.frozen
class Spread:
    """The median, 99th percentile and size of a sample."""

    median: float
    p99: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarises a sample."""
        sample = list(values)
        return cls(round(percentile(sample, 0.5), 4), round(percentile(sample, 0.99), 4), len(sample))


@attrs.frozen(kw_only=True)
class Summary:
    """The result of a run.

    Attributes:
        base: The coin.
        quote: The currency of prices, fees and profits.
        seconds: How long the bot ran.
        loops: Looks at both books.
        calls: Calls made to both exchanges together.
        pair_over_slower: Wall time of a pair of calls over the time of the slower of the two.
        start_skew_ms: Between the starts of the two calls of a pair.
        leg_ms: The time of a single call, by exchange.
        hedges: Hedges begun.
        failed_legs: Legs that failed, with the reason and how each was repaired.
        fees: The fees of each exchange, in quote currency at the price of each fill.
        funding: The funding that each account of contracts received, negative when paid; empty without contracts.
        profit: The gain of each account, in quote currency; coins valued at one price for both.
        exposure: Coins held beyond those at the start, by what the exchanges hold.
        lot: The smallest amount that both exchanges trade.
        differences: By exchange and currency: what the exchange holds less what its own fills add up to; all zero when reconciled.
        problems: Reasons why the audit could not be completed.
    """

    base: str
    quote: str
    seconds: float
    loops: int
    calls: int
    pair_over_slower: Spread
    start_skew_ms: Spread
    leg_ms: dict[str, Spread]
    hedges: int
    failed_legs: list[dict[str, str]]
    fees: dict[str, float]
    funding: dict[str, float] = attrs.field(factory=dict)
    profit: dict[str, float]
    exposure: float
    lot: float
    differences: dict[str, dict[str, str]]
    problems: list[str]

    @property
    def reconciled(self) -> bool:
        """Whether every account was audited and every difference is zero."""
        return not self.problems and all(
            float(value) == 0 for account in self.differences.values() for value in account.values()
        )

    @property
    def hedged(self) -> bool:
        """Whether the remaining exposure is within one lot."""
        return abs(self.exposure) <= self.lot

    @property
    def ok(self) -> bool:
        """Whether the run ended hedged and reconciled."""
        return self.hedged and self.reconciled

    def to_json(self) -> str:
        """One line of JSON."""
        fields: dict[str, Any] = attrs.asdict(self)
        fields.update(
            profit_sum=round(sum(self.profit.values()), 8), reconciled=self.reconciled, hedged=self.hedged, ok=self.ok
        )
        return json.dumps(fields)

    def lines(self) -> list[str]:
        """The summary for a person, one fact a line, each with its unit and meaning."""
        pair, skew = self.pair_over_slower, self.start_skew_ms
        hedged = "hedged" if self.hedged else "NOT hedged"
        lines = [
            f"ran                 {self.seconds:.1f} s, looked at both books {self.loops} times, made {self.calls} REST calls",
            f"hedges              {self.hedges} (bought on one exchange and sold on the other at the same moment)",
            f"failed legs         {len(self.failed_legs)} (an order that failed, or filled in part)",
        ]
        lines += [
            f"  {leg['exchange']}: {leg['leg']} {self.base}: {leg['why']}; repaired by: {leg['repair'] or 'nothing, the accounts were even'}"
            for leg in self.failed_legs[:20]
        ]
        if len(self.failed_legs) > 20:
            lines.append(f"  and {len(self.failed_legs) - 20} more (--json lists all)")
        lines.append(self._amounts("fees", self.fees, "valued at the price of each fill"))
        if self.funding:
            lines.append(self._amounts("funding", self.funding, "received by the position, negative when paid"))
        lines.append(self._amounts("profit", self.profit, "after fees, coins valued at one price for both"))
        lines.append(
            f"exposure            {self.exposure:+.8f} {self.base} more than at the start, one lot is {self.lot:g}: {hedged}"
        )
        width = max(map(len, [*self.leg_ms, *self.differences]), default=0)
        lines += [
            f"one call, {name:{max(9, width)}} median {leg.median:.2f} ms, p99 {leg.p99:.2f} ms, of {leg.count}"
            for name, leg in self.leg_ms.items()
        ]
        lines += [
            f"two calls at once   median {pair.median:.3f}, p99 {pair.p99:.3f} times the slower of the two (1 is ideal)",
            f"start skew          median {skew.median:.3f} ms, p99 {skew.p99:.3f} ms between the starts of two calls at once",
        ]
        for name, account in self.differences.items():
            each = ", ".join(f"{currency} {value}" for currency, value in account.items())
            lines.append(
                f"audit of {name:{max(10, width)}} {each} (holdings less the sum of all fills{' and funding' if name in self.funding else ''}; 0 is right)"
            )
        lines += [f"problem             {problem}" for problem in self.problems]
        lines.append(f"reconciliation      {'all books agree' if self.reconciled else 'THE BOOKS DO NOT AGREE'}")
        return lines

    def _amounts(self, title: str, amounts: dict[str, float], meaning: str) -> str:
        each = ", ".join(f"{name} {value:+.4f}" for name, value in amounts.items())
        return f"{title:19} {each}, together {sum(amounts.values()):+.4f} {self.quote} ({meaning})"
