"""Reads what triggers a condition order: its condition, and the options that its venue has for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

import attrs

from ....constants import ORDER_CONDITION_TYPE_GENERIC, ORDER_CONDITION_TYPE_OCO, ORDER_CONDITION_TYPE_TP
from ....errors import InputError, InvalidOrder, NotSupported, short_repr
from ....exchange.contracts.directions import is_buy
from ....exchange.contracts.intents import ConditionTerms
from ..venue_ways import VenueWays
from .condition import PaperTrail, TriggerLeg, TriggerSource

__all__ = ["BINANCE_TYPES", "ConditionReader", "Triggers"]

BINANCE_TYPES = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
"""Binance's types of condition orders; ``CreateOrder`` takes them too on its futures."""

_OKX_TYPES = frozenset({"conditional", "oco", "trigger", "move_order_stop"})
_BINANCE_OPTIONS = frozenset({"type", "workingType", "callbackRate", "activatePrice", "activationPrice", "triggerPrice", "stopPrice"})  # fmt: skip
_OKX_OPTIONS = frozenset(
    {
        *("ordType", "tpTriggerPxType", "slTriggerPxType", "triggerPxType", "callbackRatio", "callbackSpread", "activePx"),
        *("newTpTriggerPxType", "newSlTriggerPxType", "newTriggerPxType"),
    }
)  # fmt: skip
_BINANCE_SOURCES: Mapping[str, TriggerSource] = {"CONTRACT_PRICE": "last", "MARK_PRICE": "mark"}
_OKX_SOURCES: Mapping[str, TriggerSource] = {"last": "last", "mark": "mark", "index": "index"}
_MOST_CALLBACK = Decimal(20)  # percent; Binance's range since 2026-10-23 is 0.1 to 20
_LEAST_CALLBACK = Decimal("0.1")

# "Error Code" in OKX's API guide; by leg and whether the order buys.
_OKX_WORDS = {
    ("tp", True): ("51277", "TP trigger price cannot be higher than the {} price"),
    ("sl", True): ("51278", "SL trigger price cannot be lower than the {} price"),
    ("tp", False): ("51279", "TP trigger price cannot be lower than the {} price"),
    ("sl", False): ("51280", "SL trigger price cannot be higher than the {} price"),
}


@attrs.frozen
class Triggers:
    """What triggers a condition order, and the condition as FMZ shows it."""

    terms: ConditionTerms
    legs: tuple[TriggerLeg, ...] = ()
    trail: PaperTrail | None = None


class ConditionReader:
    """Reads the triggers of one condition order.

    Args:
        ways: The venue's ways.
        price_of: The current price of a source; raises NotSupported for one that the market lacks.
    """

    def __init__(self, ways: VenueWays, price_of: Callable[[TriggerSource], Decimal]) -> None:
        self._ways = ways
        self._price_of = price_of

    def read(self, terms: ConditionTerms, side: str, options: Mapping[str, str]) -> Triggers:
        """What triggers it.

        Args:
            terms: The condition.
            side: What its order will do.
            options: The venue's own parameters.

        Raises:
            NotSupported: The venue has no such condition orders, or paper trading does not know an option.
            InputError: An option is missing or not valid.
            InvalidOrder: A trigger lies on the wrong side of the price.
        """
        self._check_options(options)
        found = (
            self._binance(terms, side, options)
            if self._ways.options == "binance"
            else self._other(terms, side, options)
        )
        for leg in found.legs:
            if leg.reached(self._price_of(leg.source)):
                raise self._wrong_side(leg, side, found.terms)
        if found.trail is not None:
            return attrs.evolve(found, trail=found.trail.after(self._price_of(found.trail.source)))
        return found

    def _check_options(self, options: Mapping[str, str]) -> None:
        known = {"binance": _BINANCE_OPTIONS, "okx": _OKX_OPTIONS}.get(self._ways.options, frozenset[str]())
        for name in options:
            if name not in known:
                raise NotSupported(
                    f"paper trading does not know the option {short_repr(name)} of a condition order of {self._ways.speaker} "
                    f"(it knows {', '.join(sorted(known)) or 'none'}); nothing was sent"
                )

    def _wrong_side(self, leg: TriggerLeg, side: str, terms: ConditionTerms) -> InvalidOrder:
        about = f"the trigger price {leg.trigger.normalize():f} of a {side} has been reached by the {leg.source} price {self._price_of(leg.source).normalize():f}"
        said = self._ways.would_trigger
        if not said[1]:
            takes = leg.trigger == terms.tp_trigger and leg.rising is not is_buy(side)
            code, text = _OKX_WORDS["tp" if takes else "sl", is_buy(side)]
            said = (code, text.format(leg.source))
        return self._ways.refusal(InvalidOrder, said, about)

    # Legs

    @staticmethod
    def _legs(terms: ConditionTerms, side: str, tp: TriggerSource, sl: TriggerSource) -> tuple[TriggerLeg, ...]:
        """Taking profit first: of two that are reached at once it counts."""
        buys, found = is_buy(side), []
        if terms.tp_trigger is not None:
            found.append(TriggerLeg(trigger=terms.tp_trigger, rising=not buys, source=tp, price=terms.tp_price))
        if terms.sl_trigger is not None:
            found.append(TriggerLeg(trigger=terms.sl_trigger, rising=buys, source=sl, price=terms.sl_price))
        return tuple(found)

    # Binance

    def _binance(self, terms: ConditionTerms, side: str, options: Mapping[str, str]) -> Triggers:
        source = _source(options, "workingType", _BINANCE_SOURCES)
        if terms.kind == ORDER_CONDITION_TYPE_OCO:
            if not self._ways.has_oco:
                raise NotSupported(
                    "Futures_Binance has no OCO condition orders; nothing was sent: place one order of ORDER_CONDITION_TYPE_TP and one of _SL"
                )
            return Triggers(terms, self._legs(terms, side, source, source))
        kind = options.get("type")
        if kind is None:
            if terms.kind == ORDER_CONDITION_TYPE_GENERIC:
                raise InputError(
                    "a GENERIC condition order of Binance needs the option 'type', such as TRAILING_STOP_MARKET; nothing was sent"
                )
            return Triggers(terms, self._legs(terms, side, source, source))
        if kind not in BINANCE_TYPES:
            raise InputError(f"the option type is one of {', '.join(sorted(BINANCE_TYPES))}, got {short_repr(kind)}")
        if kind == "TRAILING_STOP_MARKET":
            percent = _number(options, "callbackRate")
            if not _LEAST_CALLBACK <= percent <= _MOST_CALLBACK:
                raise InputError(
                    f"callbackRate is from {_LEAST_CALLBACK} to {_MOST_CALLBACK} percent, got {percent}; nothing was sent"
                )
            name = "activationPrice" if "activationPrice" in options else "activatePrice"
            return self._trailing(
                side, source, percent / 100, None, _number(options, name) if name in options else None
            )
        return self._typed(terms, side, kind, source, options)

    def _typed(
        self, terms: ConditionTerms, side: str, kind: str, source: TriggerSource, options: Mapping[str, str]
    ) -> Triggers:
        takes, at_limit = kind.startswith("TAKE_PROFIT"), not kind.endswith("_MARKET")
        trigger = terms.tp_trigger if terms.kind == ORDER_CONDITION_TYPE_TP else terms.sl_trigger or terms.tp_trigger
        for name in ("triggerPrice", "stopPrice"):
            if name in options:
                trigger = _number(options, name)
        price = (terms.tp_price or terms.sl_price) if at_limit else None
        if trigger is None or (at_limit and price is None):
            raise InputError(
                f"a condition order of type {kind} needs {'a trigger price' if trigger is None else 'a price'}; nothing was sent"
            )
        rising = is_buy(side) is not takes
        which = {"tp_trigger": trigger, "tp_price": price} if takes else {"sl_trigger": trigger, "sl_price": price}
        shown = ConditionTerms(kind=ORDER_CONDITION_TYPE_GENERIC, **which)
        return Triggers(shown, (TriggerLeg(trigger=trigger, rising=rising, source=source, price=price),))

    # OKX, and venues without options

    def _other(self, terms: ConditionTerms, side: str, options: Mapping[str, str]) -> Triggers:
        kind = options.get("ordType", "")
        if kind and kind not in _OKX_TYPES:
            raise InputError(
                f"the option ordType is one of {', '.join(sorted(_OKX_TYPES))}, got {short_repr(kind)}; nothing was sent"
            )
        if kind == "move_order_stop":
            ratio = _number(options, "callbackRatio") if "callbackRatio" in options else None
            spread = _number(options, "callbackSpread") if "callbackSpread" in options else None
            if (ratio is None) == (spread is None) or (ratio is not None and ratio >= 1):
                raise InputError("a move_order_stop needs callbackRatio (below 1) or callbackSpread; nothing was sent")
            return self._trailing(
                side, "last", ratio, spread, _number(options, "activePx") if "activePx" in options else None
            )
        tp = _source(
            options, "newTpTriggerPxType" if "newTpTriggerPxType" in options else "tpTriggerPxType", _OKX_SOURCES
        )
        sl = _source(
            options, "newSlTriggerPxType" if "newSlTriggerPxType" in options else "slTriggerPxType", _OKX_SOURCES
        )
        both = terms.tp_trigger is not None and terms.sl_trigger is not None
        if terms.kind != ORDER_CONDITION_TYPE_GENERIC or both:
            return Triggers(terms, self._legs(terms, side, tp, sl))
        trigger = terms.sl_trigger or terms.tp_trigger
        if trigger is None:
            raise InputError(
                f"a GENERIC condition order of {self._ways.speaker} needs a trigger price, or the option 'ordType'; nothing was sent"
            )
        source = _source(
            options, "newTriggerPxType" if "newTriggerPxType" in options else "triggerPxType", _OKX_SOURCES
        )
        price = terms.sl_price if terms.sl_trigger is not None else terms.tp_price
        # It triggers when the price crosses it, from either side.
        now = self._price_of(source)
        if now == trigger:
            raise self._ways.refusal(
                InvalidOrder, ("51000", "Parameter triggerPx error"), f"the {source} price is {now.normalize():f}"
            )
        shown = ConditionTerms(kind=terms.kind, sl_trigger=trigger, sl_price=price)
        return Triggers(shown, (TriggerLeg(trigger=trigger, rising=trigger > now, source=source, price=price),))

    @staticmethod
    def _trailing(
        side: str, source: TriggerSource, ratio: Decimal | None, spread: Decimal | None, active: Decimal | None
    ) -> Triggers:
        shown = ConditionTerms(kind=ORDER_CONDITION_TYPE_GENERIC, sl_trigger=active)
        return Triggers(
            shown, (), PaperTrail(rising=is_buy(side), ratio=ratio, spread=spread, active=active, source=source)
        )


def _source(options: Mapping[str, str], name: str, known: Mapping[str, TriggerSource]) -> TriggerSource:
    given = options.get(name)
    if given is None:
        return "last"
    if given not in known:
        raise InputError(f"the option {name} is one of {', '.join(known)}, got {short_repr(given)}; nothing was sent")
    return known[given]


def _number(options: Mapping[str, str], name: str) -> Decimal:
    if name not in options:
        raise InputError(f"this condition order needs the option {name!r}; nothing was sent")
    try:
        found = Decimal(options[name])
    except InvalidOperation:
        found = Decimal(0)
    if not (found.is_finite() and found > 0):
        raise InputError(
            f"the option {name} must be a number above 0, got {short_repr(options[name])}; nothing was sent"
        )
    return found
