"""Contracts with steps, tiers and fees like those of real exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from ..instruments import Instrument, Kind
from .terms import ContractTerms, Tier

__all__ = ["binance_coin_margined", "binance_usd_margined", "okx_contract", "tiers"]


def tiers(*rows: tuple[str, int, str]) -> tuple[Tier, ...]:
    """Brackets from ``(cap, leverage, maintenance rate)``, with the amounts that make the maintenance margin continuous.

    Binance computes ``cum`` likewise: ``floor * (rate - rate before) + cum before``.
    """
    found: list[Tier] = []
    floor = rate = amount = Decimal(0)
    for cap, leverage, text in rows:
        amount += floor * (Decimal(text) - rate) if found else 0
        rate = Decimal(text)
        found.append(
            Tier(floor=floor, cap=Decimal(cap), max_leverage=leverage, maintenance_rate=rate, amount=amount.normalize())
        )
        floor = Decimal(cap)
    return tuple(found)


_BTC_TIERS = tiers(
    ("300000", 125, "0.004"), ("800000", 100, "0.005"), ("3000000", 75, "0.0065"), ("12000000", 50, "0.01"), ("70000000", 25, "0.02"),
    ("100000000", 20, "0.025"), ("230000000", 10, "0.05"), ("480000000", 5, "0.1"), ("600000000", 4, "0.125"), ("800000000", 3, "0.15"),
    ("1200000000", 2, "0.25"), ("1800000000", 1, "0.5"),
)  # fmt: skip
_USUAL_TIERS = tiers(
    ("50000", 75, "0.005"), ("600000", 50, "0.01"), ("3000000", 25, "0.02"), ("6000000", 20, "0.025"), ("15000000", 10, "0.05"),
    ("30000000", 5, "0.1"), ("60000000", 2, "0.25"), ("100000000", 1, "0.5"),
)  # fmt: skip
_COIN_TIERS = tiers(
    ("5", 125, "0.004"), ("10", 100, "0.005"), ("20", 50, "0.01"), ("50", 20, "0.025"), ("100", 10, "0.05"), ("200", 5, "0.1"),
    ("400", 4, "0.125"), ("1000", 2, "0.25"), ("1500", 1, "0.5"),
)  # fmt: skip


def binance_usd_margined(base: str = "BTC", *, expiry_ms: int = 0, suffix: str = "swap") -> Instrument:
    """A contract of Binance USDⓈ-M on BTC, ETH or another coin, in USDT.

    Args:
        base: The coin.
        expiry_ms: When it is delivered; 0 for a perpetual contract.
        suffix: The last part of its id, such as ``swap`` or ``quarter``.
    """
    fine = base == "BTC"
    step = Decimal("0.001") if base in {"BTC", "ETH"} else Decimal("0.01")
    return Instrument(
        id=f"{base}_USDT.{suffix}", kind=Kind.LINEAR, base=base, quote="USDT", tick=Decimal("0.10") if fine else Decimal("0.01"), step=step,
        min_quantity=step, max_quantity=Decimal(1000) if fine else Decimal(10_000), max_market_quantity=Decimal(120) if fine else Decimal(2000),
        min_notional=Decimal(100) if fine else Decimal(20), maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"),
        terms=_terms(_BTC_TIERS if base in {"BTC", "ETH"} else _USUAL_TIERS, expiry_ms, "0.0125"),
    )  # fmt: skip


def binance_coin_margined(base: str = "BTC", *, expiry_ms: int = 0, suffix: str = "swap") -> Instrument:
    """A contract of Binance COIN-M: 100 USD of BTC, or 10 USD of another coin, settled in the coin."""
    fine = base == "BTC"
    return Instrument(
        id=f"{base}_USD.{suffix}", kind=Kind.INVERSE, base=base, quote="USD", contract_value=Decimal(100) if fine else Decimal(10),
        tick=Decimal("0.1") if fine else Decimal("0.01"), step=Decimal(1), min_quantity=Decimal(1), max_quantity=Decimal(1_000_000),
        max_market_quantity=Decimal(60_000), min_notional=Decimal(1), maker_fee=Decimal("0.0001"), taker_fee=Decimal("0.0005"),
        terms=_terms(_COIN_TIERS, expiry_ms, "0.015"),
    )  # fmt: skip


def _terms(rows: Sequence[Tier], expiry_ms: int, liquidation_fee: str) -> ContractTerms:
    return ContractTerms(
        tiers=tuple(rows), liquidation_fee=Decimal(liquidation_fee), expiry_ms=expiry_ms, funding_interval_s=0 if expiry_ms else 28_800,
        settlement_s=1_800,
    )  # fmt: skip


# OKX's tiers count contracts: of 0.01 BTC or 0.1 ETH, or of 100 or 10 USD.
_OKX_LINEAR_TIERS = tiers(
    ("2500", 100, "0.004"), ("7500", 75, "0.005"), ("15000", 50, "0.0075"), ("30000", 33, "0.01"), ("60000", 25, "0.015"),
    ("120000", 20, "0.02"), ("250000", 10, "0.04"), ("500000", 5, "0.08"), ("1000000", 3, "0.15"), ("2000000", 1, "0.4"),
)  # fmt: skip
_OKX_INVERSE_TIERS = tiers(
    ("1500", 100, "0.004"), ("5000", 75, "0.005"), ("20000", 50, "0.01"), ("50000", 25, "0.02"), ("100000", 20, "0.025"),
    ("200000", 10, "0.05"), ("500000", 5, "0.1"), ("1000000", 2, "0.25"), ("2000000", 1, "0.5"),
)  # fmt: skip


def okx_contract(base: str = "BTC", quote: str = "USDT", *, expiry_ms: int = 0, suffix: str = "swap") -> Instrument:
    """A contract of OKX: in USDT it is linear, in USD it is inverse and settled in the coin.

    Steps and sizes are those of ``GET /api/v5/public/instruments``; tiers are like its position tiers, whose maintenance rate holds for
    the whole position.

    Args:
        base: The coin.
        quote: ``USD`` for an inverse contract; anything else for a linear one.
        expiry_ms: When it is delivered; 0 for a perpetual contract.
        suffix: The last part of its id, such as ``swap``.
    """
    inverse, fine = quote == "USD", base == "BTC"
    step = Decimal("0.1") if inverse else Decimal("0.01")
    rows = [attrs.evolve(tier, amount=Decimal(0)) for tier in (_OKX_INVERSE_TIERS if inverse else _OKX_LINEAR_TIERS)]
    if inverse:
        value = Decimal(100) if fine else Decimal(10)
    else:
        value = Decimal("0.01") if fine else Decimal("0.1") if base == "ETH" else Decimal(1)
    return Instrument(
        id=f"{base}_{quote}.{suffix}", kind=Kind.INVERSE if inverse else Kind.LINEAR, base=base, quote=quote, contract_value=value,
        tick=Decimal("0.1") if fine else Decimal("0.01"), step=step, min_quantity=step, max_quantity=Decimal(100_000_000),
        max_market_quantity=Decimal(54_000) if inverse else Decimal(34_000), min_notional=Decimal("0.000001"),
        maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"), fee_digits=8,
        terms=ContractTerms(
            tiers=tuple(rows), by_contracts=True, default_leverage=3, liquidation_fee=Decimal("0.0005"), expiry_ms=expiry_ms,
            funding_interval_s=0 if expiry_ms else 28_800,
        ),
    )  # fmt: skip
