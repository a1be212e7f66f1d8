"""Market data, account and settings of one family of Binance's futures, composed of its channel, its dialect and its streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from ....clock import Clock
from ....errors import BadReply, InputError, VenueRejected, short_repr
from ....exchange.contracts.port import FundingPayment, PositionMode
from ....exchange.keys.credentials import Credentials
from ....http.client import HttpOptions
from ....structures import Account, Asset, Funding, Position, Structure, Ticker
from ...rest.ask import Ask, VenueQuery
from ...rest.channel import Channel
from ...rest.contract_venue import ContractVenue
from ...rest.dialect import Listing
from ...rest.parsing import Malformed, first, integer, mapping, number, rows
from ...rest.rows import OddRows
from ...rest.streams.stream_home import StreamHome
from ..limits import BinanceRateLimits, LimitRow
from .brackets import Bracket, most_leverage, read_brackets
from .dialect import FuturesCalls
from .products import FuturesProduct
from .protocol import FuturesProtocol
from .refusals import WRONG_POSITION_SIDE
from .replies import (
    expiry_ms,
    read_account,
    read_asset,
    read_funding,
    read_payment,
    read_position,
    read_ticker,
)
from .streams import FuturesStreams

__all__ = ["FuturesAccount"]

T = TypeVar("T")
S = TypeVar("S", bound=Structure)

_FUNDING_INFO_S = 3600.0  # how long the intervals of funding are believed
_ALREADY = frozenset({"-4046", "-4059"})  # no need to change the margin type, or the position mode


class FuturesAccount(ContractVenue):
    """Market data, account and settings of one family of Binance's contracts.

    Args:
        product: Which of the two.
        credentials: See ``FuturesBinance``.
        base: The REST base; empty for production.
        clock: See ``FuturesBinance``.
        options: See ``FuturesBinance``.
        recv_window_ms: See ``FuturesBinance``.
        share_limits: See ``FuturesBinance``.
        stream_base: The base of the streams; empty to derive it from ``base``.
        allow_plain_http: See ``FuturesBinance``.
        mode: The account's position mode, which both families share; None to read it here.
    """

    dead_man: Literal["", "symbol", "account"] = "symbol"
    replaces_conditions = True
    dialect: FuturesCalls
    streams: FuturesStreams

    def __init__(
        self,
        product: FuturesProduct,
        *,
        credentials: Credentials | None,
        base: str,
        clock: Clock | None,
        options: HttpOptions | None,
        recv_window_ms: int,
        share_limits: bool,
        stream_base: str,
        allow_plain_http: bool,
        mode: Callable[[], PositionMode] | None = None,
    ) -> None:
        channel = Channel(
            FuturesProtocol(product, recv_window_ms),
            credentials=credentials,
            base=base,
            clock=clock,
            options=options,
            allow_plain_http=allow_plain_http,
            share_limits=share_limits,
        )
        self.product = product
        dialect = FuturesCalls(
            product, OddRows(channel.name), channel.time.now_ms, self._learn_limits, mode or self.position_mode
        )
        super().__init__(
            channel=channel,
            dialect=dialect,
            streams=FuturesStreams(StreamHome(channel, stream_base), channel, product, lambda: self.limits.limit),
            commands={},
            settling_s=recv_window_ms / 1000 + 1.0,
        )
        self._hours: tuple[float, dict[str, int]] | None = None

    @property
    def limits(self) -> BinanceRateLimits:
        """The limits that both families share."""
        limits = self.channel.limits
        assert isinstance(limits, BinanceRateLimits)  # made by FuturesProtocol
        return limits

    def _learn_limits(self, found: tuple[LimitRow, ...]) -> None:
        if not self.product.coin:  # the coin-margined list has but a part of the limits that both share
            self.limits.learn(found)

    # Symbols

    def _expiry_ms(self, listing: Listing) -> int:
        return expiry_ms(listing)

    def _margin_currency(self, symbol: str) -> str:
        base, _, quote = symbol.partition(".")[0].partition("_")
        return base if self.product.coin else quote

    # Market data

    def ticker(self, symbol: str) -> Ticker:
        """Two requests: the day's statistics have no best bid and ask. See ``Venue.ticker``."""
        name = self._name(symbol)
        day, best = (
            self._get(symbol, VenueQuery(ask.of(("symbol", name)), _one_row))
            for ask in (self.product.ticker, self.product.best)
        )
        return self._read("GetTicker", lambda: read_ticker(day, best, symbol))

    def tickers(self) -> list[Ticker]:
        """Two requests for all symbols; see ``Venue.tickers``."""
        known = self.symbols.all()
        best = {
            row["symbol"]: row for row in self.channel.call(self.product.best.of(weight=5), _rows) if "symbol" in row
        }

        def _symbol_of(name: str) -> str | None:
            listing = known.get(name)
            return listing.symbol if listing is not None and listing.listed else None

        def _read(payload: Any) -> list[Ticker]:
            raw = rows(payload, "the reply")
            return self.dialect.odd.tickers(
                raw, "symbol", _symbol_of, lambda row, symbol: read_ticker(row, best.get(row["symbol"], {}), symbol)
            )

        return self.channel.call(self.product.tickers, _read)

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """``premiumIndex``, and the intervals that are not eight hours; none of a delivered contract. See ``Venue.fundings``."""
        if self._is_delivered(symbol):
            return []
        name = self._one(symbol)
        ask = self.product.premium if name is None else self.product.premium.of(("symbol", name))
        hours = self._funding_hours()

        def _read(payload: Any) -> list[Funding]:
            raw = payload if isinstance(payload, list) else [payload]
            found = self.dialect.odd.read(raw, "a funding rate", "symbol", lambda row: read_funding(row, hours))
            return [one for one in found if one is not None]

        return self._placed(self.channel.call(ask, _read), symbol)

    def _funding_hours(self) -> dict[str, int]:
        now = self.channel.clock.monotonic()
        known = self._hours
        if known is None or now - known[0] > _FUNDING_INFO_S:
            known = self._hours = (now, self.channel.call(self.product.funding_info, _read_hours))
        return known[1]

    # Account

    def account(self, symbol: str) -> Account:
        """The margin of the contract's currency; see ``Venue.account``."""
        self._name_of_past(symbol)
        currency = self._margin_currency(symbol)
        return self.channel.call(
            self.product.account, lambda payload: read_account(payload, currency, coin=self.product.coin)
        )

    def assets(self) -> list[Asset]:
        """The margin assets of this family that are not zero; see ``Venue.assets``."""

        def _read(payload: Any) -> list[Asset]:
            raw = rows(mapping(payload, "the reply").get("assets"), "the field 'assets'")
            return self.dialect.odd.read(raw, "a balance", "asset", read_asset)

        found = self.channel.call(self.product.account, _read)
        return [asset for asset in found if asset["Amount"] or asset["FrozenAmount"]]

    def positions(self, symbol: str | None = None) -> list[Position]:
        """``positionRisk``; see ``Venue.positions``."""
        name = self._one(symbol)
        ask = self.product.positions
        if name is not None:
            ask = ask.of(("pair", name.partition("_")[0]) if self.product.coin else ("symbol", name))

        def _read(payload: Any) -> list[Position]:
            found = self.dialect.odd.read(rows(payload, "the reply"), "a position", "symbol", read_position)
            return [one for one in found if one["Amount"]]

        return self._placed(self.channel.call(ask, _read), symbol)

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """``commissionRate``; see ``Venue.fee_rates``."""

        def _read(payload: Any) -> tuple[float, float]:
            row = mapping(payload, "the reply")
            return number(row, "makerCommissionRate"), number(row, "takerCommissionRate")

        return self._get(symbol, VenueQuery(self.product.fees.of(("symbol", self._name(symbol))), _read))

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """``income`` of funding; see ``Venue.funding_payments``."""
        name = self._one(symbol)
        kinds = ("FUNDING_FEE",) if self.product.coin else ("FUNDING_FEE", "SPECIAL_FUNDING_FEE")
        found: dict[tuple[str, str], FundingPayment] = {}
        for kind in kinds:
            for one in self._payments(kind, name, since_ms, limit):
                found[one["Symbol"], one["Id"]] = one
        ordered = sorted(found.values(), key=lambda one: (one["Time"], one["Id"]))
        kept = self._placed(ordered, symbol)
        return kept if not limit else kept[:limit] if since_ms else kept[-limit:]

    def _payments(self, kind: str, name: str | None, since_ms: int, limit: int) -> Iterable[FundingPayment]:
        """All pages from ``since_ms`` on; without it the newest page."""
        page = 1
        asked = ("symbol", name), ("incomeType", kind), ("startTime", since_ms or None), ("limit", _INCOME_ROWS)
        while True:
            raw = self.channel.call(self.product.income.of(*asked, ("page", page)), _rows)
            yield from self.dialect.odd.read(raw, "a payment", "symbol", read_payment) if raw else ()
            if len(raw) < _INCOME_ROWS or not since_ms or (limit and page * _INCOME_ROWS >= limit):
                return
            page += 1

    # Settings of the account

    def _read_position_mode(self) -> PositionMode:
        return self.channel.call(self.product.mode, _read_mode)

    def _is_wrong_mode(self, error: VenueRejected) -> bool:
        return error.code == WRONG_POSITION_SIDE

    def set_mode(self, hedge: bool) -> None:
        """Changes the position mode, of both families at once; open orders and positions of either prevent it."""
        self._set(self.product.set_mode.of(("dualSidePosition", "true" if hedge else "false")))
        self.forget_mode()

    def set_cross(self, symbol: str, cross: bool) -> None:
        """``marginType``; see ``Venue.set_cross``."""
        kind = "CROSSED" if cross else "ISOLATED"
        self._set(self.product.set_margin.of(("symbol", self._name(symbol)), ("marginType", kind)))

    def _set(self, ask: Ask) -> None:
        try:
            self.channel.call(ask, _accepted)
        except VenueRejected as error:
            if error.code not in _ALREADY:
                raise

    def set_margin_level(self, symbol: str, level: int) -> float:
        """Three requests: the brackets, the change, and what the venue then has; see ``Venue.set_margin_level``."""
        name = self._name(symbol)
        brackets = self._get(
            symbol, VenueQuery(self.product.brackets.of(("symbol", name)), lambda payload: read_brackets(payload, name))
        )
        self._check_level(symbol, level, brackets)
        self.channel.call(self.product.set_leverage.of(("symbol", name), ("leverage", level)), _accepted)
        by = ("pair", name.partition("_")[0]) if self.product.coin else ("symbol", name)
        return self.channel.call(self.product.level.of(by), lambda payload: _read_level(payload, name))

    def _check_level(self, symbol: str, level: int, brackets: list[Bracket]) -> None:
        """Refuses a leverage beyond the brackets: of the contract, and of the size of the position."""
        held = max((_worth(one) for one in self.positions(symbol)), default=0.0)
        most = most_leverage(brackets, held)
        if level > most:
            of = f"a position worth {held:g}" if held else "it"
            raise InputError(
                f"the leverage of {symbol} is at most {most} by Binance's brackets for {of}, got {level}; nothing was sent"
            )

    def set_base(self, url: str) -> None:
        """Sets the REST base and forgets what was learnt there; see ``Venue.set_base``."""
        super().set_base(url)
        self._hours = None

    def _read(self, call: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except Malformed as error:
            raise BadReply(f"{self.name} {call}: {error}") from error


_INCOME_ROWS = 1000


def _rows(payload: Any) -> list[Any]:
    return [one for one in rows(payload, "the reply") if isinstance(one, dict)]


def _one_row(payload: Any) -> dict[str, Any]:
    """One object, or the only one of a list: the coin-margined family answers with lists."""
    return first(payload, "the reply") if isinstance(payload, list) else mapping(payload, "the reply")


def _read_hours(payload: Any) -> dict[str, int]:
    return {str(row.get("symbol")): integer(row, "fundingIntervalHours") for row in _rows(payload)}


def _read_mode(payload: Any) -> PositionMode:
    dual = mapping(payload, "the reply").get("dualSidePosition")
    if dual in {True, "true"}:
        return "hedge"
    if dual in {False, "false"}:
        return "one_way"
    raise Malformed(f"the field 'dualSidePosition' is {short_repr(dual)}")


def _accepted(payload: Any) -> None:
    mapping(payload, "the reply")


def _read_level(payload: Any, name: str) -> float:
    raw = payload if isinstance(payload, list) else [payload]
    for row in raw:
        if isinstance(row, dict) and row.get("symbol") == name:
            return number(row, "leverage")
    raise Malformed(f"the reply has no leverage of {name}")


def _worth(position: Position) -> float:
    """The size of a position as brackets count it: in quote currency, or in coins."""
    row = position["Info"]
    for name in ("notional", "notionalValue"):
        try:
            return abs(float(row.get(name)))
        except (TypeError, ValueError):
            continue
    return 0.0
