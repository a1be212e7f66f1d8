"""Market details as FMZ's data server gives them, as settings.

Source: FMZ's user guide, "Custom Data Source" (the object ``detail``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...errors import InputError, short_repr
from ..nano import ONE, nano
from .settings import MaintenanceTier, MarketDetail

__all__ = ["detail_of", "number", "tiers_of"]


def number(row: Mapping[str, Any], key: str, default: float, where: str, *, least: float = -math.inf) -> float:
    """A number of a JSON object; also as text.

    Raises:
        InputError: It is not a finite number, or less than ``least``; names ``where`` and the key.
    """
    value = row.get(key)
    if value is None or value == "":
        return default
    try:
        if isinstance(value, bool):
            raise ValueError
        found: float = value if isinstance(value, int) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found) or found < least:
        expected = "a number" if least == -math.inf else f"a number of at least {least:g}"
        raise InputError(f"{where}: {key} is {short_repr(value)}, expected {expected}")
    return found


def detail_of(row: Mapping[str, Any], symbol: str, where: str) -> MarketDetail:
    """The market that a server's ``detail`` object, or the one in the settings, describes.

    Args:
        row: The object.
        symbol: FMZ's symbol, which the object need not repeat.
        where: Where it came from, for messages.

    Raises:
        InputError: A value has the wrong type or is out of its range.
    """
    pair, _, contract = symbol.partition(".")
    base, _, quote = pair.partition("_")

    def _places(key: str) -> int:
        value = number(row, key, 8, where, least=0)
        if value != int(value) or value > 9:
            raise InputError(f"{where}: {key} is {short_repr(row.get(key))}, expected a whole number of 0 to 9")
        return int(value)

    def _step(key: str, default: float = 0) -> int:
        return nano(number(row, key, default, where, least=0))

    margin_level = number(row, "marginLevel", 10, where, least=0)
    funding, index = row.get("symbolFunding"), row.get("symbolIndex")
    quote_precision = _places("quotePrecision")
    return MarketDetail(
        symbol=symbol,
        alias=str(row.get("alias") or symbol),
        base_currency=str(row.get("baseCurrency") or base),
        quote_currency=str(row.get("quoteCurrency") or quote),
        margin_currency=str(row.get("marginCurrency") or ""),
        base_precision=_places("basePrecision"),
        quote_precision=quote_precision,
        price_tick=_step("priceTick", 10.0**-quote_precision),
        volume_tick=_step("volumeTick"),
        volume_multiple=nano(number(row, "volumeMultiple", 1, where, least=0)) or ONE,
        margin_level=nano(margin_level) or 10 * ONE,
        contract_type=str(row.get("contractType") or contract),
        symbol_funding=None if funding is None else str(funding),
        symbol_index=None if index is None else str(index),
        symbol_mark=str(row.get("symbolMark") or ""),
        tiers=tiers_of(row.get("brackets"), where),
        liquidation_fee=_step("liquidationFee"),
        raw=dict(row),
    )


def tiers_of(rows: Any, where: str) -> tuple[MaintenanceTier, ...]:
    """The tiers of the maintenance margin from ``brackets``, with the keys of Binance's endpoint ``leverageBracket``.

    Args:
        rows: Objects with ``notionalCap`` (the last one may have none), ``maintMarginRatio``, and perhaps ``cum``, the deduction; where no tier has a
            ``cum``, the deductions follow from the ratios. None for no tiers.
        where: Where they came from, for messages.

    Raises:
        InputError: They are not such a list in ascending order.
    """
    if not rows:
        return ()
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"{where}: brackets is {short_repr(rows)}, expected a list of objects with notionalCap")
    found: list[MaintenanceTier] = []
    given = any("cum" in row for row in rows)
    cap, rate, deduction = 0, 0, 0
    for place, row in enumerate(sorted(rows, key=_cap_of)):
        above, own = cap, nano(number(row, "maintMarginRatio", -1, where))
        if not 0 <= own < ONE or (place and own < rate):
            raise InputError(
                f"{where}: maintMarginRatio is {short_repr(row.get('maintMarginRatio'))}, expected a share that grows with notionalCap"
            )
        deduction = nano(number(row, "cum", 0, where)) if given else deduction + above * (own - rate) // ONE
        cap, rate = nano(number(row, "notionalCap", 0, where, least=0)), own
        last = place == len(rows) - 1
        found.append(MaintenanceTier(up_to=None if last else cap, rate=own, deduction=deduction))
    return tuple(found)


def _cap_of(row: Mapping[str, Any]) -> float:
    return number(row, "notionalCap", math.inf, "brackets")
