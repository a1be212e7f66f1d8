"""The condition and the options of an intent as JSON, for its row in the order log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from ...contracts.intents import ConditionTerms

__all__ = ["read_terms", "terms_text"]

_PRICES = ("tp_trigger", "tp_price", "sl_trigger", "sl_price")


def terms_text(terms: ConditionTerms | None, options: Mapping[str, str]) -> str:
    """The JSON text of a condition and of options."""
    found: dict[str, object] = {"options": dict(options)}
    if terms is not None:
        prices = {name: getattr(terms, name) for name in _PRICES}
        found["terms"] = {
            "kind": terms.kind,
            **{name: str(value) for name, value in prices.items() if value is not None},
        }
    return json.dumps(found)


def read_terms(text: str) -> tuple[ConditionTerms | None, dict[str, str]]:
    """The condition (None without one) and the options of such a text.

    Raises:
        ValueError: It is not such a text.
        KeyError: A field is missing.
    """
    found = json.loads(text)
    terms = found.get("terms")
    if terms is None:
        return None, found["options"]
    prices = {name: Decimal(terms[name]) for name in _PRICES if name in terms}
    return ConditionTerms(kind=terms["kind"], **prices), found["options"]
