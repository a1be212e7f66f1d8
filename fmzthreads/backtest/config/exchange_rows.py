"""The exchanges of a backtest, from the header's form or that of FMZ's engine.

Source: FMZ's user guide, "Backtest" (the keys of ``exchanges``), and the published engine, github.com/fmzquant/backtest_javascript (the keys that
begin with capital letters).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...errors import InputError, UnknownName, nearest, short_repr
from ..nano import ONE, nano
from .details import detail_of, number
from .settings import ExchangeSettings, MarketDetail

__all__ = ["engine_row", "exchange_of"]

_DEFAULT_FEES = {
    "Binance": (0.15, 0.2), "Huobi": (0.15, 0.2), "OKX": (0.15, 0.2), "Futures_BitMEX": (0.008, 0.01), "Futures_OKX": (0.03, 0.03),
    "Futures_HuobiDM": (0.03, 0.03), "Futures_CTP": (0.025, 0.025), "Futures_XTP": (0.03, 0.13),
}  # fmt: skip
"""Maker and taker fee in percent, where FMZ's site fills them in."""

_KEYS = {
    "balance": "Balance", "stocks": "Stocks", "feeMin": "FeeMin", "minFee": "FeeMin", "feeder": "Feeder", "depthDeep": "DepthDeep",
    "depthAmount": "DepthAmount", "slipPoint": "SlipPoint", "faultTolerant": "FaultTolerant", "preBarLen": "PreBarLen", "maxBarLen": "MaxBarLen",
    "label": "Label", "marginCurrency": "MarginCurrency", "timezoneOffset": "TimezoneOffset", "basePeriod": "BasePeriod",
}  # fmt: skip
"""The header's keys by the engine's."""

_OWN = frozenset({"eid", "currency", "fee", "details", "raw", "tradesMode", "quotePrecision", "basePrecision"})
_ENGINE = frozenset({
    *_KEYS.values(), "Id", "BaseCurrency", "QuoteCurrency", "FeeMaker", "FeeTaker", "FeeDenominator", "Details", "Mode", "TradesMode",
})  # fmt: skip


def engine_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """An exchange with the engine's keys; one that has them already is checked only.

    Raises:
        InputError: It is not an object with an id, or a value is not valid.
        UnknownName: A key is not known.
    """
    if not isinstance(row, Mapping):
        raise InputError(f"{where} is {short_repr(row)}, expected an object with eid and currency")
    if "Id" in row and "eid" not in row:
        _check_keys(row, _ENGINE, where)
        return dict(row)
    _check_keys(row, _OWN | _KEYS.keys(), where)
    eid = row.get("eid")
    if not isinstance(eid, str) or not eid:
        raise InputError(f"{where}: eid is {short_repr(eid)}, expected FMZ's id of an exchange, such as Binance")
    pair = str(row.get("currency") or "BTC_USD")
    base, _, quote = pair.partition("_")
    maker, taker = _fees(row.get("fee"), eid, where)
    engine = {
        "Id": eid,
        "Label": eid,
        "Balance": 10_000,
        "Stocks": 3,
        "BaseCurrency": base,
        "QuoteCurrency": quote or ("CNY" if "CTP" in eid else "USD"),
        "FeeMaker": _plain(Decimal(str(maker)) * 1000),
        "FeeTaker": _plain(Decimal(str(taker)) * 1000),
        "FeeDenominator": 5,
        **{_KEYS[key]: value for key, value in row.items() if key in _KEYS and value is not None},
        "Details": _details(row, where),
    }
    raw = row.get("raw") or {}
    if not isinstance(raw, Mapping):
        raise InputError(f"{where}: raw is {short_repr(raw)}, expected an object with the engine's keys")
    _check_keys(raw, _ENGINE, f"{where}: raw")
    return {**engine, **raw}


def _check_keys(row: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key in row:
        if key not in known:
            raise UnknownName(f"{where} has the unknown key {key!r}{nearest(str(key), known)}")


def _fees(fee: Any, eid: str, where: str) -> tuple[Any, Any]:
    if fee is None:
        return _DEFAULT_FEES.get(eid, (0.2, 0.2))
    if not isinstance(fee, (list, tuple)) or len(fee) != 2:
        raise InputError(f"{where}: fee is {short_repr(fee)}, expected [maker, taker] in percent")
    row = {"fee[0]": fee[0], "fee[1]": fee[1]}
    return number(row, "fee[0]", 0, where), number(row, "fee[1]", 0, where)


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _details(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    details = row.get("details") or {}
    if not isinstance(details, Mapping) or not all(isinstance(value, Mapping) for value in details.values()):
        raise InputError(
            f"{where}: details is {short_repr(details)}, expected an object: the market's details by symbol"
        )
    found = {str(symbol): dict(detail) for symbol, detail in details.items()}
    if not found and (row.get("quotePrecision") is not None or row.get("basePrecision") is not None):
        found["*"] = {key: row[key] for key in ("quotePrecision", "basePrecision") if row.get(key) is not None}
    return found


def exchange_of(row: Mapping[str, Any], index: int, where: str) -> ExchangeSettings:
    """The settings of an exchange from the engine's keys.

    Raises:
        InputError: A value is not valid; names ``where`` and the key.
    """
    eid = str(row["Id"])
    base, quote = str(row.get("BaseCurrency") or "BTC"), str(row.get("QuoteCurrency") or "USDT")
    denominator = int(number(row, "FeeDenominator", 5, where, least=0))
    pre_bar_len = row.get("PreBarLen")
    levels = int(number(row, "DepthDeep", 20, where, least=1))
    if levels > 20:
        raise InputError(f"{where}: DepthDeep is {levels}, expected 1 to 20")
    fault = number(row, "FaultTolerant", 0, where, least=0)
    details = row.get("Details") or {}
    decimals = details.get("*") or {}
    rest = detail_of(decimals, f"{base}_{quote}", where)
    return ExchangeSettings(
        index=index,
        eid=eid,
        label=str(row.get("Label") or eid),
        currency=f"{base}_{quote}",
        balance=nano(number(row, "Balance", 10_000, where, least=0)),
        stocks=nano(number(row, "Stocks", 0, where, least=0)),
        margin_currency=str(row["MarginCurrency"]) if row.get("MarginCurrency") else None,
        fee_maker=_rate(row, "FeeMaker", denominator, where),
        fee_taker=_rate(row, "FeeTaker", denominator, where),
        fee_min=nano(number(row, "FeeMin", 0, where, least=0)),
        slip_point=int(number(row, "SlipPoint", 0, where, least=0)),
        depth_levels=levels,
        depth_amount=nano(number(row, "DepthAmount", 200, where, least=0)),
        fault_tolerant=fault,
        pre_bar_len=None if pre_bar_len is None else int(number(row, "PreBarLen", 200, where, least=0)),
        max_bar_len=int(number(row, "MaxBarLen", 1000, where, least=1)),
        timezone_offset_ms=int(number(row, "TimezoneOffset", 28_800_000, where)),
        feeder=str(row.get("Feeder") or ""),
        details=_markets(details, where),
        quote_precision=rest.quote_precision if "quotePrecision" in decimals else None,
        base_precision=rest.base_precision if "basePrecision" in decimals else None,
    )


def _markets(details: Mapping[str, Any], where: str) -> dict[str, MarketDetail]:
    return {
        symbol: detail_of(detail, symbol, f"{where}: details of {symbol}")
        for symbol, detail in details.items()
        if symbol != "*"
    }


def _rate(row: Mapping[str, Any], key: str, denominator: int, where: str) -> int:
    """A fee as a share, rounded to nine decimals; the default is 0.2 percent."""
    if row.get(key) is None:
        return 2_000_000
    value = number(row, key, 0, where)
    return int((Decimal(str(value)) * ONE / Decimal(10) ** denominator).to_integral_value())
