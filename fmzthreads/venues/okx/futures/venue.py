"""OKX's contracts, composed of their channel, their dialect and their streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import attrs

from ....clock import Clock
from ....constants import PD_LONG, PD_SHORT
from ....errors import FmzError, InputError, StopRequested, VenueRejected, short_repr
from ....exchange.contracts.closing import closes
from ....exchange.contracts.intents import ConditionIntent, ModifyIntent
from ....exchange.contracts.port import FundingPayment, PositionMode
from ....exchange.keys.credentials import Credentials
from ....exchange.live_account.events import StreamFill
from ....exchange.venue import OrderIntent
from ....http.client import HttpOptions
from ....structures import Account, Funding, Order, Position, Ticker
from ...rest.ask import VenueQuery, walk
from ...rest.channel import Channel
from ...rest.contract_venue import CONDITION_MARK, ContractVenue, sorted_orders
from ...rest.dialect import IoCommand, Listing
from ...rest.parsing import Malformed, first, number
from ...rest.rows import OddRows
from ...rest.streams.stream_home import StreamHome
from ...rest.symbols import split_order_id
from ..dialect import countdown, endpoint, single
from ..protocol import OKXProtocol, data_of
from ..streams import OKXStreams
from .account_stream import OKXAccountSource
from .dialect import CONTRACTS, KINDS, NAME, OKXContractCalls
from .replies import expiry_ms, read_account, read_fee_rates, read_funding, read_payment, read_position

__all__ = ["FuturesOKX"]

_CONFIG = endpoint("account/config", 5, signed=True)
_SET_MODE = endpoint("account/set-position-mode", 5, method="POST", signed=True)
_POSITIONS = endpoint("account/positions", 10, signed=True)
_LEVEL = endpoint("account/leverage-info", 20, signed=True)
_SET_LEVEL = endpoint("account/set-leverage", 20, method="POST", signed=True)
_FEES = endpoint("account/trade-fee", 5, signed=True)
_FUNDING = endpoint("public/funding-rate", 10)
_BILLS = endpoint("account/bills", 10, signed=True)
_OLD_BILLS = endpoint("account/bills-archive", 10, signed=True)

_NO_POSITION = "51169"  # of a closing order: no position of its side in its margin mode
_FUNDING_BILL = "8"
_PAGE = 100
_WEEK_MS = 7 * 86_400_000
_MODES: dict[str, PositionMode] = {"net_mode": "one_way", "long_short_mode": "hedge"}
_OLDEST_REQUEST_S = 30.0  # OKX takes requests that are no older; condition orders have no time of expiry of their own


class FuturesOKXProtocol(OKXProtocol):
    """The protocol of OKX, under the name of its contracts."""

    name = NAME


class FuturesOKX(ContractVenue):
    """OKX's swaps (``BTC_USDT.swap``, ``BTC_USD.swap``) and futures with a delivery (``BTC_USD.quarter``).

    The codes are ``swap``, ``this_week``, ``next_week``, ``month``, ``next_month``, ``quarter`` and ``next_quarter``, or the date in a contract's
    name (``BTC_USD.260925``). An amount is a number of contracts, of all of them.

    Args:
        credentials: Key, secret and passphrase; None for public calls only.
        base: The REST base, such as ``https://eea.okx.com``; empty for ``https://openapi.okx.com``.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        simulated: Whether calls go to OKX's demo trading (header ``x-simulated-trading: 1``).
        margin_mode: ``cross`` or ``isolated``, until ``IO("cross", ...)`` sets it for a contract.
        order_lifetime_ms: OKX refuses an order that arrives later than this after it was signed; 1 to 60000.
        share_limits: Whether requests are counted together with other processes of this user.
        stream_base: The base of the streams; empty to derive it from ``base``.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        InputError: An argument is not valid.
    """

    dialect: OKXContractCalls
    streams: OKXStreams
    dead_man: Literal["", "symbol", "account"] = "account"

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        simulated: bool = False,
        margin_mode: str = "cross",
        order_lifetime_ms: int = 5000,
        share_limits: bool = True,
        stream_base: str = "",
        allow_plain_http: bool = False,
    ) -> None:
        self._protocol = FuturesOKXProtocol(
            simulated=simulated, order_lifetime_ms=order_lifetime_ms, account_orders=CONTRACTS.account_orders
        )
        channel = Channel(
            self._protocol,
            credentials=credentials,
            base=base,
            clock=clock,
            options=options,
            allow_plain_http=allow_plain_http,
            share_limits=share_limits,
        )
        super().__init__(
            channel=channel,
            dialect=OKXContractCalls(OddRows(channel.name), margin_mode, self.position_mode),
            streams=OKXStreams(StreamHome(channel, stream_base), self._protocol),
            commands={"simulate": IoCommand(bool, self._simulate), "dual": IoCommand(bool, self._set_mode)},
            settling_s=order_lifetime_ms / 1000 + 1.0,
        )
        self.condition_settling_s = max(order_lifetime_ms / 1000, _OLDEST_REQUEST_S) + 1.0

    def _simulate(self, on: bool) -> None:
        """Sends further calls to demo trading, or to real trading; what was learnt is dropped."""
        self._protocol.simulated = on
        self.symbols.forget()
        self.forget_mode()

    # Symbols

    def _fetch_all(self) -> list[Listing]:
        return [one for kind in KINDS for one in self.channel.get(self.dialect.listings_of(kind))]

    def _expiry_ms(self, listing: Listing) -> int:
        return expiry_ms(listing)

    def _margin_currency(self, symbol: str) -> str:
        return str(self._listing_of_past(symbol).market["Info"].get("settleCcy"))

    def _in_coins(self, symbol: str) -> bool:
        return symbol.partition("_")[0] == self._margin_currency(symbol)

    # Market data

    def tickers(self) -> list[Ticker]:
        """A request for each kind of contracts; see ``Venue.tickers``."""
        known = self.symbols.all()

        def _symbol_of(name: str) -> str | None:
            listing = known.get(name)
            return listing.symbol if listing is not None and listing.listed else None

        return [one for kind in KINDS for one in self.channel.get(self.dialect.tickers_of(kind, _symbol_of))]

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """``public/funding-rate``; of all swaps where none is named, and none of a delivered contract. See ``Venue.fundings``."""
        if self._is_delivered(symbol):
            return []
        name = self._one(symbol)

        def _read(payload: Any) -> list[Funding]:
            return self.dialect.odd.read(data_of(payload), "a funding rate", "instId", read_funding)

        door = f"public/funding-rate:{name or 'ANY'}"
        found = self.channel.call(_FUNDING.of(("instId", name or "ANY"), door=door), _read)
        listed = self.symbols.all()
        return self._placed([one for one in found if one["Symbol"] in listed], symbol)

    # Account

    def account(self, symbol: str) -> Account:
        """The balance of the contract's margin currency; see ``Venue.account``."""
        currency = self._margin_currency(symbol)
        holdings = self.channel.get(self.dialect.holdings((currency,)))
        return read_account(holdings.by_currency.get(currency), holdings.info, in_coins=self._in_coins(symbol))

    def positions(self, symbol: str | None = None) -> list[Position]:
        """``account/positions``; see ``Venue.positions``."""
        name = self._one(symbol)
        ask = _POSITIONS if name is None else _POSITIONS.of(("instId", name))

        def _read(payload: Any) -> list[Position]:
            held = [row for row in data_of(payload) if isinstance(row, dict) and row.get("instType") in KINDS]
            found = self.dialect.odd.read(held, "a position", "instId", read_position)
            return [one for one in found if one["Amount"]]

        return self._placed(self.channel.call(ask, _read), symbol)

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """``account/trade-fee`` of the contract's family; see ``Venue.fee_rates``."""
        row = self._listing(symbol).market["Info"]
        ask = _FEES.of(("instType", row.get("instType")), ("instFamily", row.get("instFamily")))
        quote = symbol.partition(".")[0].rpartition("_")[2]

        def _read(payload: Any) -> tuple[float, float]:
            return read_fee_rates(single(payload), str(row.get("groupId")), quote)

        return self._get(symbol, VenueQuery(ask, _read))

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """``account/bills`` of funding (a week), or their archive (three months); see ``Venue.funding_payments``."""
        found = sorted(self._payments(since_ms, limit), key=lambda one: (one["Time"], one["Id"]))
        kept = self._placed(found, symbol)
        return kept if not limit else kept[:limit] if since_ms else kept[-limit:]

    def _payments(self, since_ms: int, limit: int) -> Iterable[FundingPayment]:
        """All pages from ``since_ms`` on; without it the newest page."""
        old = since_ms and since_ms < self.channel.time.now_ms() - _WEEK_MS
        asked = [("type", _FUNDING_BILL), ("begin", since_ms or None), ("limit", _PAGE)]
        after: str | None = None
        while True:
            ask = (_OLD_BILLS if old else _BILLS).of(*asked, ("after", after))
            raw = self.channel.call(ask, data_of)
            page = self.dialect.odd.read(raw, "a bill", "billId", read_payment) if raw else []
            yield from page
            if len(raw) < _PAGE or not since_ms or not page:
                return
            after = page[-1]["Id"]

    # Settings of the account

    def _read_position_mode(self) -> PositionMode:
        def _read(payload: Any) -> PositionMode:
            said = str(single(payload).get("posMode"))
            if said not in _MODES:
                raise Malformed(f"the field 'posMode' is {short_repr(said)}")
            return _MODES[said]

        return self.channel.call(_CONFIG, _read)

    def _is_wrong_mode(self, error: VenueRejected) -> bool:
        return error.code == "51000" and "posSide" in str(error.args[0])

    def _set_mode(self, hedge: bool) -> None:
        """Changes the position mode; open orders and positions prevent it."""
        mode = "long_short_mode" if hedge else "net_mode"
        self.channel.call(_SET_MODE.of(("posMode", mode)), data_of)
        self.forget_mode()

    def set_cross(self, symbol: str, cross: bool) -> None:
        """Sends nothing: OKX takes the margin mode from each order. See ``Venue.set_cross``."""
        self.dialect.set_margin_mode(self._name(symbol), "cross" if cross else "isolated")

    def set_margin_level(self, symbol: str, level: int) -> float:
        """The change, and what the venue then has; see ``Venue.set_margin_level``."""
        listing = self._listing(symbol)
        name, most = listing.venue_symbol, number(listing.market["Info"], "lever")
        if level > most:
            raise InputError(f"the leverage of {symbol} is at most {most:g} at {NAME}, got {level}; nothing was sent")
        mode = self.dialect.margin_mode(name)
        sides: tuple[str | None, ...] = (None,)
        if mode == "isolated" and self.position_mode() == "hedge":
            sides = ("long", "short")
        for side in sides:
            params = [("instId", name), ("lever", str(level)), ("mgnMode", mode)]
            params += [("posSide", side)] if side is not None else []
            self.channel.call(_SET_LEVEL.of(*params), data_of)

        def _read(payload: Any) -> float:
            return number(first(data_of(payload), "the field 'data'"), "lever")

        return self.channel.call(_LEVEL.of(("instId", name), ("mgnMode", mode)), _read)

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        """``cancel-all-after``, of all orders of the account; see ``Venue.cancel_all_after``."""
        self.channel.call(countdown(NAME, timeout_s), data_of)

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once; see ``Venue.place``.

        OKX takes the margin mode from each order and refuses one that closes in another mode than its position has. Such an order is sent
        again, in the position's mode: it is certain that the refused one is not in the book.
        """
        try:
            return self._send(intent)
        except VenueRejected as error:
            mode = self._other_mode(intent) if error.code == _NO_POSITION and closes(intent.side) else None
            if mode is None:
                raise
        return self._send(attrs.evolve(intent, options={**intent.options, "tdMode": mode}))

    def _send(self, intent: OrderIntent) -> str:
        return self._checking_mode(lambda: super(FuturesOKX, self).place(intent))

    def _other_mode(self, intent: OrderIntent | ConditionIntent) -> str | None:
        """The margin mode of the position that an order closes, if it is another than that of orders; else None."""
        if "tdMode" in intent.options:
            return None
        kind = PD_LONG if intent.side == "closebuy" else PD_SHORT
        try:
            rows = [one for one in self.positions(intent.symbol) if one["Type"] == kind]
        except StopRequested:
            raise
        except FmzError:
            return None  # the order is sent as it would have been
        modes = {str(one["Info"].get("mgnMode")) for one in rows} & {"cross", "isolated"}
        return None if self.dialect.margin_mode(self._name(intent.symbol)) in modes else next(iter(modes), None)

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders; of both kinds of contracts where no contract is named. See ``Venue.orders``."""
        name = self._one(symbol)
        lists = [self.dialect.open_orders(name)] if name is not None else map(self.dialect.open_orders_of, KINDS)
        found = [order for pages in lists for order in walk(self.channel.call, pages)]
        return sorted_orders(self._scoped(self._put_symbols(found), symbol))

    def modify(self, intent: ModifyIntent) -> str:
        """One request; see ``Venue.modify``."""
        name, number_ = split_order_id(intent.order_id)
        query = self.dialect.modify(intent, name, number_)
        return f"{name},{self.channel.send_once(query.ask, query.read)}"

    # Condition orders

    def place_condition(self, intent: ConditionIntent) -> str:
        """Sends a condition order once, a closing one in the margin mode of its position; see ``Venue.place_condition``."""
        mode = self._other_mode(intent) if closes(intent.side) else None
        if mode is not None:
            intent = attrs.evolve(intent, options={**intent.options, "tdMode": mode})
        name = self._listing(intent.symbol).venue_symbol
        order = self.dialect.place_condition(intent, name)
        number_ = self._checking_mode(lambda: self.channel.send_once(order.ask, order.read, order.client_order_id))
        return f"{name},{number_}"

    def modify_condition(self, intent: ModifyIntent) -> str:
        """One request; see ``Venue.modify_condition``."""
        name, number_ = split_order_id(intent.order_id)
        query = self.dialect.modify_condition(intent, name, number_)
        return f"{name},{self.channel.send_once(query.ask, query.read)}"

    def cancel_condition(self, order_id: str) -> None:
        """One request; see ``Venue.cancel_condition``."""
        query = self.dialect.cancel_condition(*split_order_id(order_id))
        self.channel.send_once(query.ask, query.read)

    def condition_order(self, order_id: str) -> Order:
        """One request, and one more for the order that it has placed; see ``Venue.condition_order``."""
        number_ = split_order_id(order_id)[1].removeprefix(CONDITION_MARK)
        query = self.dialect.condition(("algoId", number_))
        return self._with_child(self.channel.call(query.ask, query.read))

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One request, and one more for the order that it has placed; see ``Venue.condition_by_client_id``."""
        return self._with_child(self._get(symbol, self.dialect.condition(("algoClOrdId", client_order_id))))

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """Those that have not triggered, of every type; see ``Venue.condition_orders``."""
        lists = self.dialect.open_conditions(self._one(symbol))
        found = [order for pages in lists for order in walk(self.channel.call, pages)]
        return sorted_orders(self._scoped(self._put_symbols(found), symbol))

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Those that have triggered or ended, of every type and state; see ``Venue.history_condition_orders``."""
        self._check_history(since_ms, limit)
        plan = self.dialect.past_conditions(self._name_of_past(symbol), limit)
        return self._past_conditions(plan, since_ms, lambda order: True)

    # The user stream

    def account_source(self, symbol: str) -> OKXAccountSource:
        """The stream of all contracts of the account; see ``Venue.account_source``."""
        self.dialect.name_of(symbol)
        calls = self._account_calls(self.position_mode)
        return OKXAccountSource(self.streams.home, calls, self.streams.base, self.channel.keys)

    def _fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        """``trade/fills`` of both kinds of contracts, whatever the symbols."""
        now_ms = self.channel.time.now_ms()
        found = [
            StreamFill(
                order_id=f"{fill['Info']['instId']},{fill['Info']['ordId']}",
                symbol=self._known_symbol(fill["Info"]["instId"]),
                fill=fill,
            )
            for kind in KINDS
            for fill in walk(self.channel.call, self.dialect.fills_since(kind, since_ms, now_ms))
        ]
        return sorted(found, key=lambda one: (one.fill["Time"], one.fill["Id"]))

    def client_id_of(self, order: Order) -> str:
        """The order's own field, or that of a condition order; see ``Venue.client_id_of``."""
        row = order["Info"]
        return str(row.get("clOrdId") or row.get("algoClOrdId") or "")
