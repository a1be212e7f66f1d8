"""Trading pairs from text such as ``BTC_USDT`` or ``SOL_USDT=150``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import product as combined

import attrs

from ..errors import InputError, UnknownName, nearest
from .engine.instruments import Instrument, Kind, binance_spot, okx_spot
from .engine.margin.listings import binance_coin_margined, binance_usd_margined, okx_contract

__all__ = ["DEFAULT_PAIRS", "TradedPair", "contract_pairs", "quarter_end_ms", "read_pairs", "swap_pairs"]

DEFAULT_PAIRS = ("BTC_USDT", "ETH_USDT")
_INSTRUMENTS: Mapping[str, Callable[[], tuple[Instrument, ...]]] = {"binance": binance_spot, "okx": okx_spot}
_FRIDAY = 4
_START_PRICES = {"BTC_USDT": Decimal(60_000), "ETH_USDT": Decimal(3_000)}
_FORM = re.compile(r"([A-Z0-9]{1,20})_([A-Z0-9]{1,20})", re.ASCII)
_LOWEST, _HIGHEST = Decimal("1e-6"), Decimal(10) ** 7
_DOLLARS = ("USDT", "USDC", "USD", "FDUSD", "DAI")
# The default account's balance of the base asset of a pair that was given with its price, in quote.
_ENDOWMENT = 600_000


@attrs.frozen
class TradedPair:
    """One pair of a simulated venue.

    Attributes:
        instrument: Its steps and limits.
        price: The starting price.
    """

    instrument: Instrument
    price: Decimal

    @property
    def endowment(self) -> Decimal:
        """The default balance of the base asset, rounded to two digits."""
        amount = _ENDOWMENT / self.price
        return amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1))


def read_pairs(venue: str, symbols: Iterable[str], *, priced: bool = False) -> list[TradedPair]:
    """The pairs of symbols, in the order given.

    Args:
        venue: The venue whose steps are used.
        symbols: ``BASE_QUOTE``, or ``BASE_QUOTE=PRICE`` with the starting price; BTC_USDT and ETH_USDT need no price.
        priced: Whether the first pair's price comes from recorded bars, so that it needs no price either.

    Raises:
        UnknownName: A pair requires a price that is missing.
        InputError: The form or the price is malformed, a pair is repeated, or the list is empty.
    """
    known = {instrument.id: instrument for instrument in _INSTRUMENTS[venue]()}
    pairs: dict[str, TradedPair] = {}
    for text in [symbols] if isinstance(symbols, str) else symbols:
        symbol, equals, price_text = text.partition("=")
        match = _FORM.fullmatch(symbol)
        if match is None or match[1] == match[2]:
            raise InputError(
                f"malformed symbol {text!r}; expected BASE_QUOTE or BASE_QUOTE=PRICE, such as SOL_USDT=150"
            )
        if symbol in pairs:
            raise InputError(f"symbol {symbol!r} is given twice")
        price = _price(text, price_text) if equals else _START_PRICES.get(symbol)
        if price is None and priced and not pairs:
            price = Decimal(1)  # the bars contain the real price; this one only determines the steps
        if price is None:
            raise UnknownName(f"no starting price for {symbol!r} (expected {symbol}=PRICE){nearest(symbol, known)}")
        instrument = known.get(symbol)
        if instrument is None:
            instrument = _instrument(venue, match[1], match[2], price)
        pairs[symbol] = TradedPair(instrument, price)
    if not pairs:
        raise InputError("no symbols to trade; expected at least one, such as BTC_USDT")
    return list(pairs.values())


def quarter_end_ms(now_ms: int) -> int:
    """When quarterly contracts end: the last Friday of a quarter, 8:00 UTC; the first one that is more than a day away.

    Args:
        now_ms: Milliseconds since the epoch.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    for number in range(now.month - 1, now.month + 6):
        if number % 3 == 2:  # March, June, September, December
            after = datetime(now.year + (number + 1) // 12, (number + 1) % 12 + 1, 1, 8, tzinfo=UTC)
            end = after - timedelta(days=(after.weekday() - _FRIDAY - 1) % 7 + 1)
            if end - now > timedelta(days=1):
                break
    return int(end.timestamp() * 1000)


def _contract_code(expiry_ms: int) -> str:
    return "quarter" if expiry_ms else "swap"


def contract_pairs(product: str, pairs: Iterable[TradedPair], expiries_ms: Iterable[int] = (0,)) -> list[TradedPair]:
    """Binance's contracts on the coins of spot pairs, at the same prices.

    Args:
        product: ``um`` (in USDT) or ``cm`` (in the coin).
        pairs: The spot pairs; only those in dollars have contracts, and each coin once.
        expiries_ms: When the contracts of a coin end, in milliseconds since the epoch; 0 for a perpetual one.

    Raises:
        InputError: No pair is in dollars.
    """
    make = binance_usd_margined if product == "um" else binance_coin_margined
    expiries, found = tuple(expiries_ms), dict[str, TradedPair]()
    for pair in pairs:
        base, spot = pair.instrument.base, pair.instrument
        for expiry_ms in expiries if spot.quote in _DOLLARS else ():
            instrument = make(base, expiry_ms=expiry_ms, suffix=_contract_code(expiry_ms))
            if f"{base}_USDT" not in _START_PRICES:
                instrument = _fitted(instrument, spot)
            found.setdefault(instrument.id, TradedPair(instrument, pair.price))
    if not found:
        raise InputError(f"none of the pairs has contracts of {product!r}; expected one in dollars, such as BTC_USDT")
    return list(found.values())


def swap_pairs(pairs: Iterable[TradedPair], expiries_ms: Iterable[int] = (0,)) -> list[tuple[TradedPair, str]]:
    """OKX's contracts on the coins of spot pairs, at the same prices: linear ones on each pair, and inverse ones on each coin.

    Args:
        pairs: The spot pairs; only those in USDT or USDC have contracts.
        expiries_ms: When the contracts of a pair end, in milliseconds since the epoch; 0 for a swap.

    Returns:
        Each contract, and the id of the spot pair whose price it follows.

    Raises:
        InputError: No pair is in USDT or USDC.
    """
    expiries, found = tuple(expiries_ms), dict[str, tuple[TradedPair, str]]()
    for pair in pairs:
        spot = pair.instrument
        if spot.quote not in {"USDT", "USDC"}:
            continue
        for quote, expiry_ms in combined((spot.quote, "USD"), expiries):
            instrument = okx_contract(spot.base, quote, expiry_ms=expiry_ms, suffix=_contract_code(expiry_ms))
            if spot.id not in _START_PRICES:
                instrument = attrs.evolve(instrument, tick=spot.tick, min_price=spot.tick, max_price=spot.max_price)
            found.setdefault(instrument.id, (TradedPair(instrument, pair.price), spot.id))
    if not found:
        raise InputError("none of the pairs has contracts; expected one in USDT or USDC, such as BTC_USDT")
    return list(found.values())


def _fitted(instrument: Instrument, spot: Instrument) -> Instrument:
    """A contract with the price step of a spot pair, and its quantity step where quantities are in coins."""
    steps = {name: getattr(spot, name) for name in ("tick", "max_price")}
    if instrument.kind is Kind.LINEAR:
        steps.update(
            {name: getattr(spot, name) for name in ("step", "min_quantity", "max_quantity", "max_market_quantity")}
        )
    return attrs.evolve(instrument, min_price=spot.tick, **steps)


def _price(text: str, price: str) -> Decimal:
    try:
        value = Decimal(price)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not _LOWEST <= value <= _HIGHEST:
        raise InputError(f"malformed starting price in {text!r}; expected a number from {_LOWEST:f} to {_HIGHEST:f}")
    return value


def _instrument(venue: str, base: str, quote: str, price: Decimal) -> Instrument:
    """Steps and limits by the size of the price.

    Prices have five digits; a lot is worth about one to ten cents.
    """
    digits = price.adjusted()
    tick = Decimal(1).scaleb(max(digits - 4, -8))
    step = Decimal(1).scaleb(max(-digits - 2 if quote in _DOLLARS else -digits - 6, -8))
    most = Decimal(1).scaleb(7 - digits)
    rates = {name: getattr(_INSTRUMENTS[venue]()[0], name) for name in ("maker_fee", "taker_fee")}
    return Instrument(
        id=f"{base}_{quote}", base=base, quote=quote, tick=tick, step=step, min_quantity=step, max_quantity=most,
        max_market_quantity=most, min_notional=Decimal(5) if quote in _DOLLARS else tick * step,
        max_price=max(Decimal(1_000_000), price * 1000), **rates,
    )  # fmt: skip
