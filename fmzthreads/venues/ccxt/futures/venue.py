"""FMZ's face of contracts over any exchange of ccxt: ``Futures_Bybit`` and its kind."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

from ....clock import Clock
from ....errors import (
    InputError,
    InsufficientFunds,
    NotSupported,
    RateLimited,
    UnknownName,
    VenueRejected,
    nearest,
    short_repr,
)
from ....exchange.contracts.closing import closes
from ....exchange.contracts.port import PositionMode
from ....exchange.contracts.scopes import scope_includes
from ....exchange.keys.credentials import Credentials
from ....exchange.venue import OrderIntent
from ....fork import after_fork_in_child
from ....http.client import HttpOptions
from ....structures import Account, Asset, Order, Position
from .. import convert
from ..objects import LoadedMarkets
from ..venue import CcxtVenue, keeps_apart, open_orders, sorted_by_time
from .contract_market import CcxtContractMarket
from .kinds import ContractKind
from .modes import read_mode
from .names import CLOSING, HEDGED, ID_ASKED, ID_SENT, LEVEL_SENT, WALLET_TOTALS
from .rows import account_with_profit, marked_offset, position_with_level, unrealized_profit

__all__ = ["CcxtFutures"]

# Options that could turn an order that closes into one that opens, or lift it above the position.
_OPENING = frozenset({
    "amount", "closeOnTrigger", "closePosition", "hedged", "holdSide", "offset", "oneWayMode", "posSide", "positionIdx", "positionMode",
    "positionSide", "position_side", "qty", "quantity", "reduceOnly", "reduce_only", "side", "size", "sz", "tradeSide", "volume",
})  # fmt: skip
_UNCHANGED = frozenset({"MarginModeAlreadySet", "NoChange"})  # ccxt's classes for "it is so already"


class CcxtFutures(CcxtContractMarket, CcxtVenue):
    """Perpetual and dated contracts of an exchange of the ccxt library; an amount is a number of contracts.

    The codes are ``swap``, where ccxt lists dated contracts of the pair also ``this_week``, ``next_week``, ``third_week``, ``month``,
    ``next_month``, ``quarter``, ``next_quarter``, ``third_quarter`` and ``fourth_quarter``, the date (``BTC_USD.261225``), or the
    venue's own name of the contract.

    Args:
        exchange_id: ccxt's id of the exchange, such as ``bybit``.
        position_mode: The account's position mode, ``one_way`` or ``hedge``, where it cannot be read; None to read it.
        credentials: See ``CcxtVenue``, as for all others.
        base: Another scheme and host for all of ccxt's URLs of this exchange; empty for ccxt's own.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        ccxt_options: ccxt's own ``options`` of the exchange.
        paced: Whether calls keep to the average pace that ccxt knows of the venue.
        settling_s: See ``Venue``; None for ccxt's ``recvWindow`` of the exchange and one second, or 10 where it has none.
        client_order_ids: Whether a client order id is sent with orders; None for where it is known to be right.
        one_at_a_time: Whether private requests are sent one after the other; None for where growing nonces require it.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        MissingExtra: ccxt is not installed.
        UnknownName: ccxt has no such exchange, or there is no such position mode.
        InputError: ``base`` is not valid.
    """

    _ids_sent = ID_SENT
    _ids_asked = ID_ASKED

    def __init__(
        self,
        exchange_id: str,
        *,
        position_mode: PositionMode | None = None,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        ccxt_options: Mapping[str, Any] | None = None,
        paced: bool = True,
        settling_s: float | None = None,
        client_order_ids: bool | None = None,
        one_at_a_time: bool | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        known = get_args(PositionMode)
        if position_mode is not None and position_mode not in known:
            raise UnknownName(
                f"no position mode {short_repr(position_mode)}; valid: {', '.join(known)}{nearest(position_mode, known)}"
            )
        self._codes = {}
        self._margin: dict[str, str] = {}  # cross or isolated by ccxt's name, where it is sent with each order
        self._levels: dict[str, int] = {}  # the leverage by ccxt's name, where it is sent with each order
        self._given_mode = position_mode
        self._mode: PositionMode | None = None
        self._set_up()
        super().__init__(
            exchange_id,
            credentials=credentials,
            base=base,
            clock=clock,
            options=options,
            ccxt_options=ccxt_options,
            paced=paced,
            settling_s=settling_s,
            client_order_ids=client_order_ids,
            one_at_a_time=one_at_a_time,
            allow_plain_http=allow_plain_http,
        )
        after_fork_in_child(self._set_up)

    def _set_up(self) -> None:
        self._mode_turn = threading.Lock()  # one thread reads the mode; the first orders of others wait for it

    def set_base(self, url: str) -> None:
        """Also forgets codes, position mode and margin modes; see ``Venue.set_base``."""
        super().set_base(url)
        self._codes, self._margin, self._levels, self._mode = {}, {}, {}, None

    # Account

    def account(self, symbol: str) -> Account:
        """``fetch_balance``, and ``fetch_positions`` for the unrealized profit; see ``Venue.account``."""
        name, loaded = self._market(symbol)
        market = loaded.owner.markets[name]
        more = ContractKind.of(market).balance(self.exchange_id)

        def _balance(api: Any) -> Account:
            return convert.account_of(api.fetch_balance(more), market)

        found = self.calls.read(_balance, signed=True, markets=loaded)
        unrealized = 0.0
        if self._has.get("fetchPositions"):
            rows = self._held(loaded, f"{market['quote']}.swap")
            owned = [row for row in rows if loaded.owner.markets[row["symbol"]]["settle"] == market["settle"]]
            unrealized = unrealized_profit(owned)
        return account_with_profit(found, unrealized, in_wallet=self.exchange_id in WALLET_TOTALS)

    def margin_assets(self, symbol: str) -> list[Asset]:
        """What ``fetch_balance`` of the contract's kind holds; see ``ContractPort.margin_assets``."""
        name, loaded = self._market(symbol)
        more = ContractKind.of(loaded.owner.markets[name]).balance(self.exchange_id)
        return self.calls.read(lambda api: convert.asset_rows(api.fetch_balance(more)), signed=True, markets=loaded)

    def positions(self, symbol: str | None = None) -> list[Position]:
        """``fetch_positions``; see ``Venue.positions``."""
        self._can("fetchPositions", "GetPositions")
        name, loaded = self._in_scope(symbol)

        def _read(row: dict[str, Any]) -> Position:
            shown = str(symbol) if name is not None else self._shown_as(row["symbol"], loaded)
            return position_with_level(row, shown)

        rows = self._rows(loaded, [name], {}) if name is not None else self._held(loaded, symbol)
        held = [row for row in rows if name is None or row["symbol"] == name]
        found = self._odd.read(held, "a position", "symbol", _read)
        return [one for one in found if scope_includes(symbol, one["Symbol"])]

    def _held(self, loaded: LoadedMarkets, scope: str | None) -> list[dict[str, Any]]:
        """The open positions of a kind of contracts, and of others that come with them."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for more in self._kinds(loaded, scope, ContractKind.positions):
            found.update(((str(row["symbol"]), str(row.get("side"))), row) for row in self._rows(loaded, None, more))
        return list(found.values())

    def _rows(self, loaded: LoadedMarkets, names: list[str] | None, more: dict[str, Any]) -> list[dict[str, Any]]:
        def _work(api: Any) -> list[dict[str, Any]]:
            return [row for row in api.fetch_positions(names, more) if row.get("contracts") and row.get("symbol")]

        return self.calls.read(_work, signed=True, markets=loaded)

    # Settings of the account

    def position_mode(self) -> PositionMode:
        """Read once, of a perpetual contract where the venue keeps one for each; see ``ContractPort.position_mode``."""
        return self._mode_of(None)

    def _mode_of(self, name: str | None) -> PositionMode:
        if self._given_mode is not None:
            return self._given_mode
        known = self._mode
        if known is not None:
            return known
        with self._mode_turn:
            known = self._mode
            if known is not None:  # another thread has read it meanwhile
                return known
            loaded = self._markets()
            asked = name if name is not None else self._any_swap(loaded)
            found: PositionMode = self.calls.read(
                lambda api: read_mode(api, self.name, self.exchange_id, asked), signed=True, markets=loaded
            )
            self._mode = found
            return found

    def _any_swap(self, loaded: LoadedMarkets) -> str:
        for market in loaded.table.markets.values():
            if market.get("swap") and market.get("active") is not False:
                return str(market["symbol"])
        raise NotSupported(
            f"{self.name}: ccxt lists no perpetual contract there, by which the position mode could be read"
        )

    def set_cross(self, symbol: str, cross: bool) -> None:
        """Kept for orders where ccxt sends it with each, else ``set_margin_mode``; see ``ContractPort.set_cross``."""
        name, loaded = self._market(symbol)
        mode = "cross" if cross else "isolated"
        if loaded.owner.feature_value(name, "createOrder", "marginMode"):
            self._margin[name] = mode
            return
        self._can("setMarginMode", "IO('cross')")
        try:
            self.calls.send_once(lambda api: api.set_margin_mode(mode, name), markets=loaded)
        except VenueRejected as error:
            if error.code not in _UNCHANGED:
                raise

    def set_margin_level(self, symbol: str, level: int) -> float:
        """``set_leverage``, and what ``fetch_leverage`` then says; see ``ContractPort.set_margin_level``."""
        self._can("setLeverage", "SetMarginLevel")
        if not self._has.get("fetchLeverage"):
            raise NotSupported(
                f"{self.name} does not support SetMarginLevel: ccxt cannot read back there which leverage is set; nothing was sent"
            )
        name, loaded = self._market(symbol)
        most = ((loaded.owner.markets[name].get("limits") or {}).get("leverage") or {}).get("max")
        if most and level > float(most):
            raise InputError(
                f"the leverage of {symbol} is at most {float(most):g} at {self.name}, got {level}; nothing was sent"
            )
        more = {"marginMode": self._margin[name]} if name in self._margin else {}
        refused: VenueRejected | None = None
        for side in self._leverage_sides(name):

            def _work(api: Any, params: dict[str, str] = {**more, **side}) -> Any:  # noqa: B006 (it is not changed)
                return api.set_leverage(level, name, params)

            try:
                self.calls.send_once(_work, markets=loaded)
            except VenueRejected as error:  # some venues refuse what is set already: what is read now decides
                refused = error
        found = self._leverage(name, loaded, more, level)
        if refused is not None and found != level:
            raise refused
        if found == level and self.exchange_id in LEVEL_SENT:
            self._levels[name] = level
        return found

    def _leverage_sides(self, name: str) -> list[dict[str, str]]:
        """OKX sets the leverage of an isolated position for each side in hedge mode."""
        if "okx" in self.exchange_id and self._margin.get(name) == "isolated" and self._mode_of(name) == "hedge":
            return [{"posSide": "long"}, {"posSide": "short"}]
        return [{}]

    def _leverage(self, name: str, loaded: LoadedMarkets, more: Mapping[str, Any], wanted: int) -> float:
        """The leverage that the venue has; of two sides that differ the one that is not as wanted."""

        def _work(api: Any) -> float:
            row = api.fetch_leverage(name, dict(more))
            sides = [float(row[side]) for side in ("longLeverage", "shortLeverage") if row.get(side)]
            if not sides:
                raise NotSupported(f"{self.name} does not tell the leverage of {name}")
            return next((side for side in sides if side != wanted), float(wanted))

        return self.calls.read(_work, signed=True, markets=loaded)

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once; see ``Venue.place``. After a refusal the position mode is read again."""
        try:
            return super().place(intent)
        except VenueRejected as error:
            if not isinstance(error, (InsufficientFunds, RateLimited)):
                self._mode = None  # it may have been changed outside
            raise

    def _order_params(self, intent: OrderIntent, name: str) -> Mapping[str, Any]:
        closing = closes(intent.side)
        if closing:
            turning = sorted(_OPENING & intent.options.keys())
            if turning:
                raise InputError(
                    f"the option {turning[0]!r} could make a {intent.side} open a position; leave it out; nothing was sent"
                )
            if self.exchange_id not in CLOSING:
                raise NotSupported(
                    f"{self.name} does not support {intent.side}: ccxt has no order there that only closes; nothing was sent"
                )
        more: dict[str, Any] = {"reduceOnly": True} if closing else {}
        if self._mode_of(name) == "hedge":
            if self.exchange_id not in HEDGED:
                raise NotSupported(
                    f"{self.name} is in hedge mode, in which ccxt cannot place orders there; nothing was sent"
                )
            more.update(HEDGED[self.exchange_id])
        if name in self._margin:
            more["marginMode"] = self._margin[name]
        if name in self._levels and "leverage" not in intent.options:
            more["leverage"] = self._levels[name]
        return more

    def orders(self, symbol: str | None = None) -> list[Order]:
        """``fetch_open_orders``, with condition orders where the venue keeps them apart; see ``Venue.orders``."""
        name, loaded = self._in_scope(symbol)
        calls: list[dict[str, Any]] = [{}] if name is not None else self._kinds(loaded, symbol, ContractKind.listing)
        found: dict[str, Order] = {}
        for more in calls:
            apart = keeps_apart(loaded.owner, name or str(more["type"]))
            for trigger in (False, True) if apart else (False,):
                asked = {**more, "trigger": True} if trigger else more
                rows = self._orders(partial(open_orders, name=name, more=asked), loaded, trigger=trigger)
                found.update((order["Id"], order) for order in rows)
        if name is not None:
            for order in found.values():
                order["Symbol"], order["ContractType"] = str(symbol), str(symbol).partition(".")[2]
        return sorted_by_time(order for order in found.values() if scope_includes(symbol, order["Symbol"]))

    def _order(self, row: Mapping[str, Any], loaded: LoadedMarkets, *, trigger: bool = False) -> Order:
        return marked_offset(super()._order(row, loaded, trigger=trigger), row)
