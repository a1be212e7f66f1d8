"""The settings of an exchange object at one moment, and the symbols and base URLs that they are made from."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Literal

import attrs

from ..errors import InputError, short_repr
from .contracts.intents import Side

__all__ = ["DEFAULT_BAR_CAP", "Settings", "split_base", "split_symbol"]

_LONGEST_SYMBOL = 100
# Each request names its own path, such as /api/v3/depth. A path before that one (of a gateway, say) is kept.
_WHOLE_ADDRESS = "Exchange"  # the general protocol, whose plugins choose their path themselves
_API_PATH = re.compile(r"(?<=[^/:])/+[a-z]?api(/v\d+)?/*$")

DEFAULT_BAR_CAP = 5000  # FMZ's documented number of bars kept by a live robot


def split_base(url: str, venue: str = "") -> tuple[str, str]:
    """Splits a base URL and the API path that it ends in, such as ``/api/v3``; the path may be empty.

    Args:
        url: The base URL.
        venue: FMZ's id of the venue: the service address of the general protocol is never split.
    """
    if venue == _WHOLE_ADDRESS:
        return url, ""
    found = _API_PATH.search(url)
    return (url[: found.start()], found.group()) if found is not None else (url, "")


def split_symbol(text: Any) -> tuple[str, str]:
    """Splits FMZ's symbol into the pair, in upper case, and the contract code (empty for spot).

    Args:
        text: ``BTC_USDT``, or ``BTC_USDT.swap``.

    Raises:
        InputError: It is not of that form.
    """
    if not isinstance(text, str):
        raise InputError(f"a symbol must be text such as 'BTC_USDT', got {short_repr(text)}")
    pair, _, code = text.partition(".")
    base, underscore, quote = pair.partition("_")
    odd = len(text) > _LONGEST_SYMBOL or not text.isprintable() or any(map(str.isspace, text))
    if odd or not (base and underscore and quote) or "_" in quote:
        raise InputError(
            f"a symbol must be like 'BTC_USDT' (or 'BTC_USDT.swap' for a contract), got {short_repr(text)}"
        )
    return pair.upper(), code


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of an exchange object at one moment; a call keeps those that it began with.

    Attributes:
        pair: The current pair, such as ``BTC_USDT``.
        contract: The current contract code; empty for spot, and where none was chosen yet.
        contracts_of: The venue's name if each of its symbols names a contract; else empty.
        direction: What ``Buy`` and ``Sell`` do with contracts; empty to buy and sell.
        period_s: The default length of a bar, in seconds.
        price_digits: Decimals of prices; None for the market's own.
        amount_digits: Decimals of amounts; None for the market's own.
        rate: The factor of prices that the strategy sees; prices of orders are divided by it.
        bar_cap: How many bars are kept of each symbol and period.
        first_bars: How many bars the first request asks for; None for one full request.
    """

    pair: str
    contract: str = ""
    contracts_of: str = ""
    direction: Side | Literal[""] = ""
    period_s: int = 60
    price_digits: int | None = None
    amount_digits: int | None = None
    rate: Decimal = Decimal(1)
    bar_cap: int = DEFAULT_BAR_CAP
    first_bars: int | None = None
    symbol: str = attrs.field(init=False)
    """The pair, with the contract where there is one."""

    @symbol.default
    def _symbol(self) -> str:
        return f"{self.pair}.{self.contract}" if self.contract else self.pair

    def symbol_of(self, text: Any) -> str:
        """Returns the symbol that an argument means; empty text means the current one.

        Raises:
            InputError: It is not a symbol, or names no contract where one is needed.
        """
        if text is None or (isinstance(text, str) and not text):
            pair, code = self.pair, self.contract
        else:
            pair, code = split_symbol(text)
        if code:
            return f"{pair}.{code}"
        if self.contracts_of:
            raise InputError(f"symbol {pair} not set contract on {self.contracts_of}")
        return pair
