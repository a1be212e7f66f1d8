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

    def _factor(key: str, default: int) -> int:
        found = nano(number(row, key, default, where, least=0))
        if not found and contract:  # of a spot pair it means nothing
            raise InputError(f"{where}: {key} is {short_repr(row.get(key))}, expected a number above 0")
        return found or default * ONE

    funding, index = row.get("symbolFunding"), row.get("symbolIndex")
    quote_precision = _places("quotePrecision")
    liquidation_fee = _step("liquidationFee")
    if liquidation_fee >= ONE:
        raise InputError(
            f"{where}: liquidationFee is {short_repr(row['liquidationFee'])}, expected a share of less than 1 (0.0125 is 1.25 %)"
        )
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
        volume_multiple=_factor("volumeMultiple", 1),
        margin_level=_factor("marginLevel", 10),
        contract_type=str(row.get("contractType") or contract),
        symbol_funding=None if funding is None else str(funding),
        symbol_index=None if index is None else str(index),
        symbol_mark=str(row.get("symbolMark") or ""),
        tiers=tiers_of(row.get("brackets"), where),
        liquidation_fee=liquidation_fee,
        raw=dict(row),
    )


def tiers_of(rows: Any, where: str) -> tuple[MaintenanceTier, ...]:
    """The tiers of the maintenance margin from ``brackets``, with the keys of Binance's endpoint ``leverageBracket``.

    Args:
        rows: Objects with ``notionalCap`` (``qtyCap`` of coin-margined contracts; the last one may have none), ``maintMarginRatio``, and perhaps ``cum``, the deduction; where no tier has a
            ``cum``, the deductions follow from the ratios. None for no tiers.
        where: Where they came from, for messages.

    Raises:
        InputError: They are not such a list, tiers overlap or leave a gap, or ratios fall.
    """
    if rows is None or rows == "":
        return ()
    if not isinstance(rows, (list, tuple)) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"{where}: brackets is {short_repr(rows)}, expected a list of objects with notionalCap")
    found: list[MaintenanceTier] = []
    given = any("cum" in row for row in rows)
    cap, rate, deduction = 0, 0, 0
    for place, row in enumerate(sorted(rows, key=lambda row: _cap_of(row, where))):
        above, own = cap, nano(number(row, "maintMarginRatio", -1, where))
        if not 0 <= own < ONE or (place and own < rate):
            raise InputError(
                f"{where}: maintMarginRatio is {short_repr(row.get('maintMarginRatio'))}, expected a share that grows with notionalCap"
            )
        if given and place and row.get("cum") in (None, ""):
            raise InputError(
                f"{where}: cum is missing for notionalCap {short_repr(row.get('notionalCap'))}; give it for each tier or for none"
            )
        deduction = nano(number(row, "cum", 0, where)) if given else deduction + above * (own - rate) // ONE
        last = place == len(rows) - 1
        cap, rate = 0 if last else _cap_after(above, row, where), own
        _check_floor(above, row, where)
        found.append(MaintenanceTier(up_to=None if last else cap, rate=own, deduction=deduction))
    return tuple(found)


def _cap_of(row: Mapping[str, Any], where: str) -> float:
    # Binance's coin-margined endpoint calls it qtyCap, which is in coins.
    return number(row, "notionalCap" if "notionalCap" in row else "qtyCap", math.inf, where)


def _cap_after(above: int, row: Mapping[str, Any], where: str) -> int:
    cap = _cap_of(row, where)
    if math.isinf(cap) or nano(cap) <= above:
        raise InputError(
            f"{where}: brackets has a tier with notionalCap {short_repr(row.get('notionalCap', row.get('qtyCap')))} after one up to {above / ONE:g}; "
            "each needs a larger one, and only the last may have none"
        )
    return nano(cap)


def _check_floor(above: int, row: Mapping[str, Any], where: str) -> None:
    name = "notionalFloor" if "notionalFloor" in row else "qtyFloor"
    if nano(number(row, name, above / ONE, where)) != above:
        raise InputError(
            f"{where}: brackets has a tier from {name} {short_repr(row[name])} on, but the one before it ends at {above / ONE:g}"
        )
