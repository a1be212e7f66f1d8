"""Settings beyond FMZ's engine: partial fills (``participation``, ``queue``), the latency of each venue, how old the price of a fill may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError, UnknownName, nearest, short_repr
from ...structures.value_objects import evolve
from ..nano import ONE, nano
from .details import number
from .settings import ExchangeSettings, Latency, PartialFills

__all__ = ["LATENCY_KEYS", "latency_of", "partial_fills_of", "with_beyond"]

_MAX_PRICE_AGE_MS = 60_000
LATENCY_KEYS = ("median", "p99", "samples")
"""The keys of one latency."""


def with_beyond(
    exchange: ExchangeSettings, options: Mapping[str, Any], where: str, *, recorded: bool = False
) -> ExchangeSettings:
    """An exchange with the settings beyond FMZ's engine that the header or the options ask for.

    Args:
        exchange: The exchange.
        options: The header's keys and the options.
        where: Where they came from, for messages.
        recorded: Whether order books are recorded (``mode: 1``).

    Raises:
        InputError: A value is not valid, or does not fit the mode.
        UnknownName: ``latency`` has a key that is not known.
    """
    partial, latency = partial_fills_of(options, where), _venue_latency(exchange, options.get("latency"), where)
    if partial is not None and recorded:
        raise InputError(f"{where}: participation and queue share out the volume of bars; mode: 1 has recorded books")
    age_ms = _max_price_age_ms(options, where, recorded=recorded)
    if partial is None and latency is None and age_ms is None:
        return exchange
    return evolve(exchange, partial_fills=partial, latency=latency, max_price_age_ms=age_ms)


def _max_price_age_ms(options: Mapping[str, Any], where: str, *, recorded: bool) -> int | None:
    """The limit of ``maxPriceAge``; over bars only where it is given, so that results are FMZ's without it."""
    if options.get("maxPriceAge") in (None, "") and not recorded:
        return None
    return int(number(options, "maxPriceAge", _MAX_PRICE_AGE_MS, where, least=0))


def partial_fills_of(options: Mapping[str, Any], where: str) -> PartialFills | None:
    """The rule of partial fills; None when neither ``participation`` nor ``queue`` is given.

    Raises:
        InputError: ``participation`` is not more than 0 and at most 1, or ``queue`` is negative.
    """
    given = [options.get(key) not in (None, "") for key in ("participation", "queue")]
    if not any(given):
        return None
    share = number(options, "participation", 1, where)
    if not ONE >= nano(share) > 0:
        raise InputError(f"{where}: participation is {share:g}, expected a share of more than 0 and at most 1")
    return PartialFills(
        participation=nano(share), queue=nano(number(options, "queue", 0, where, least=0)) if given[1] else None
    )


def _venue_latency(exchange: ExchangeSettings, given: Any, where: str) -> Latency | None:
    if given in (None, ""):
        return None
    if isinstance(given, Mapping) and not any(key in LATENCY_KEYS for key in given):
        for name in (exchange.label, exchange.eid, "*"):
            if name in given:
                return latency_of(given[name], f"{where}: latency of {name}")
        return None
    return latency_of(given, f"{where}: latency")


def latency_of(given: Any, where: str) -> Latency:
    """A latency: milliseconds; a list of measured values; or ``{"median": ms, "p99": ms}``, a log-normal distribution.

    Raises:
        InputError: A value is negative or not a number, the list is empty, or ``p99`` is less than ``median``.
        UnknownName: It has a key that is not known.
    """
    if isinstance(given, Mapping):
        for key in given:
            if key not in LATENCY_KEYS:
                raise UnknownName(f"{where} has the unknown key {key!r}{nearest(str(key), LATENCY_KEYS)}")
        if "samples" in given:
            return latency_of(given["samples"], where)
        median = number(given, "median", 0, where, least=0)
        if given.get("p99") is None:
            return Latency(median_ms=median)
        p99 = number(given, "p99", 0, where)
        if not 0 < median <= p99:
            raise InputError(f"{where}: median {median:g} and p99 {p99:g}, expected 0 < median <= p99")
        return Latency(median_ms=median, p99_ms=p99)
    if isinstance(given, (list, tuple)):
        if not given:
            raise InputError(f"{where}: samples is {short_repr(given)}, expected at least one value in ms")
        return Latency(samples_ms=tuple(number({"samples": value}, "samples", 0, where, least=0) for value in given))
    return Latency(median_ms=number({"latency": given}, "latency", 0, where, least=0))
