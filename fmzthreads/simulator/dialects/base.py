"""The dialect port: one exchange's wire protocol over the engine.

A dialect is a table of routes. A handler takes ``(account, params)``, or only ``(params)`` for a public call, and serves REST and
websocket alike: both pass a ``Visit`` to ``Dialect.call``, which counts, reads the parameters, finds the account and runs the handler. A
product (spot, linear or inverse futures) adds rows to the tables of its dialect.

A dialect works in memory and takes well under a millisecond, so it runs in the event loop; latency, hangs and lost replies are added by
the transport. What takes longer, such as a first page of old bars, is made in steps before the handler runs (``Dialect.ahead``), and the
loop serves others between two steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import attrs

from ..engine.accounts import TradingAccount
from ..engine.exchange import SimulatedExchange
from ..engine.instruments import Instrument
from ..engine.reasons import Reason
from ..faults import Faults
from ..transport.requests import WireReply, WireRequest
from .fields import VenueRefusal

__all__ = ["Dialect", "InstrumentNames", "Outcome", "Route", "Visit"]

ParamsT = TypeVar("ParamsT")


@attrs.frozen(kw_only=True)
class Route(Generic[ParamsT]):
    """One call of an exchange, over REST or websocket.

    Attributes:
        method: The HTTP method.
        path: The HTTP path.
        public: The handler of a call that needs no account.
        private: The handler of a call that needs an account.
        weight: The weight of the call, or how many such calls a window allows: as the exchange defines its limits.
        places: Whether it places orders.
        bucket: The name of the limit that it counts towards.
        single: For a list of orders: the bucket and limit for a list with one order.
        public_ahead: For a public call that may have much to make: makes it in steps of about two milliseconds, before the handler runs.
        private_ahead: Likewise for a call that an account makes.
    """

    method: str
    path: str
    public: Callable[[ParamsT], Any] | None = None
    private: Callable[[TradingAccount, ParamsT], Any] | None = None
    weight: int = 1
    places: bool = False
    bucket: str = ""
    single: tuple[str, int] | None = None
    public_ahead: Callable[[ParamsT], Iterator[None]] | None = None
    private_ahead: Callable[[TradingAccount, ParamsT], Iterator[None]] | None = None


class Visit(Protocol[ParamsT]):
    """One received call: the caller, and how to read its parameters and account."""

    @property
    def client(self) -> str:
        """The IP address, for limits per IP."""

    @property
    def now_ms(self) -> int:
        """The exchange's time when the call arrived."""

    def params(self, route: Route[ParamsT]) -> ParamsT:
        """Reads the parameters.

        Raises:
            VenueRefusal: They are malformed.
        """

    def account(self, route: Route[ParamsT], params: ParamsT) -> TradingAccount:
        """Finds the account that makes the call.

        Raises:
            VenueRefusal: Its key, time or signature is wrong.
        """


@attrs.frozen(kw_only=True)
class Outcome(Generic[ParamsT]):
    """A handler's result, to be rendered for REST or websocket.

    Attributes:
        route: The route of the call.
        result: The value to encode as JSON (Any: any JSON value).
        account: The account that made the call; None for a public call.
        params: Its parameters.
    """

    route: Route[ParamsT]
    result: Any
    account: TradingAccount | None
    params: ParamsT


class Dialect(ABC, Generic[ParamsT]):
    """One exchange's REST interface, and the calls that its websockets share with it.

    Not thread-safe: one event loop calls it.

    Args:
        exchange: The simulated exchange.
        faults: The faults, with the offset of the exchange's clock.
        rate_scale: All limits are multiplied by it; 0 switches them off.

    Attributes:
        name: The exchange's name.
        refusals: Code and text for each of the engine's reasons.
    """

    name: ClassVar[str]
    refusals: ClassVar[Mapping[Reason, tuple[int | str, str]]]

    def __init__(self, exchange: SimulatedExchange, faults: Faults, *, rate_scale: float = 1.0) -> None:
        self.exchange = exchange
        self.faults = faults
        self.rate_scale = rate_scale
        self._routes: dict[tuple[str, str], Route[ParamsT]] = {}
        self._paths: set[str] = set()

    def now_ms(self) -> int:
        """The exchange's time, with the clock offset of the faults."""
        return self.exchange.server_time_ms() + self.faults.clock_offset_ms()

    # --- routes ---

    def add(self, routes: Iterable[Route[ParamsT]]) -> None:
        """Adds routes; a later one replaces an earlier one of the same method and path."""
        for route in routes:
            self._routes[route.method, route.path] = route
            self._paths.add(route.path)

    def route(self, method: str, path: str) -> Route[ParamsT]:
        """The route of a method and path.

        Raises:
            VenueRefusal: Not found.
        """
        found = self._routes.get((method, path))
        if found is None:
            raise self.not_served(path_known=path in self._paths)
        return found

    def places_order(self, request: WireRequest) -> bool:
        """Whether a request places an order."""
        route = self._routes.get((request.method, request.path))
        return route is not None and route.places

    # --- one call ---

    def steps(self, request: WireRequest) -> Iterator[None]:
        """What is to be made before a request can be answered fast; the caller lets others run between two steps."""
        route = self._routes.get((request.method, request.path))
        if route is not None:
            yield from self.ahead(route, lambda: self.visit(request))

    def ahead(self, route: Route[ParamsT], begin: Callable[[], Visit[ParamsT]]) -> Iterator[None]:
        """Makes in steps what the handler of a route needs and has not kept yet.

        A call that will be refused has nothing made for it.

        Args:
            route: The route of the call.
            begin: Makes the visit; called only where there may be something to make.
        """
        if route.public_ahead is None and route.private_ahead is None:
            return
        visit = begin()
        try:
            self.admit(visit)
            params = visit.params(route)
            if route.public_ahead is not None:
                yield from route.public_ahead(params)
            elif route.private_ahead is not None:
                yield from route.private_ahead(visit.account(route, params), params)
        except VenueRefusal:
            return  # the call itself is refused for the same reason

    def handle(self, request: WireRequest) -> WireReply:
        """Answers a request; a refusal is also returned as a reply."""
        visit = self.visit(request)
        try:
            self.admit(visit)
            route = self.route(request.method, request.path)
            return self.reply(self.call(route, visit), visit)
        except VenueRefusal as error:
            return self.refusal_reply(error, visit)

    def call(self, route: Route[ParamsT], visit: Visit[ParamsT]) -> Outcome[ParamsT]:
        """Runs the handler of a route for a call from REST or websocket.

        Raises:
            VenueRefusal: The call is refused.
        """
        self.count_call(route, visit)
        params: ParamsT | None = None
        account: TradingAccount | None = None
        try:
            params = visit.params(route)
            if route.private is None:
                assert route.public is not None  # a route has one of the two
                result = route.public(params)
            else:
                account = visit.account(route, params)
                self.count_account(route, account, params, visit)
                result = route.private(account, params)
        except VenueRefusal as error:
            self.refused_call(error, account, params)
            raise
        finally:
            self.after_call(route, visit, params)
        return Outcome(route=route, result=result, account=account, params=params)

    # --- what differs between exchanges ---

    @abstractmethod
    def visit(self, request: WireRequest) -> Visit[ParamsT]:
        """Begins an HTTP call."""

    @abstractmethod
    def not_served(self, *, path_known: bool) -> VenueRefusal:
        """The refusal of an unknown path, or of a method that the path does not allow."""

    @abstractmethod
    def reply(self, outcome: Outcome[ParamsT], visit: Visit[ParamsT]) -> WireReply:
        """Renders a handler's result."""

    @abstractmethod
    def refusal_reply(self, error: VenueRefusal, visit: Visit[ParamsT]) -> WireReply:
        """Renders a refusal."""

    @abstractmethod
    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """Renders an injected refusal: 500, 503, 429 or 418."""

    def admit(self, visit: Visit[ParamsT]) -> None:
        """Refuses every call from a banned IP address."""

    def count_call(self, route: Route[ParamsT], visit: Visit[ParamsT]) -> None:
        """Counts a call before its parameters are read, or refuses it."""

    def count_account(
        self, route: Route[ParamsT], account: TradingAccount, params: ParamsT, visit: Visit[ParamsT]
    ) -> None:
        """Counts a call of an account, or refuses it."""

    def refused_call(self, error: VenueRefusal, account: TradingAccount | None, params: ParamsT | None) -> None:
        """Adds further fields or headers to a refusal's reply."""

    def after_call(self, route: Route[ParamsT], visit: Visit[ParamsT], params: ParamsT | None) -> None:
        """Counts what is only known after the call."""


class InstrumentNames:
    """The exchange's instruments under the names of one dialect.

    Args:
        exchange: The simulated exchange.
        spell: Returns the dialect's name of an instrument.
        unknown: The refusal of an unknown name.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        spell: Callable[[Instrument], str],
        unknown: Callable[[], VenueRefusal],
    ) -> None:
        self._by_name = {spell(instrument): instrument for instrument in exchange.instruments()}
        self._names = {instrument.id: name for name, instrument in self._by_name.items()}
        self._unknown = unknown

    def find(self, name: str) -> Instrument | None:
        """The instrument of a name; None if not found."""
        return self._by_name.get(name)

    def instrument(self, name: str) -> Instrument:
        """The instrument of a name.

        Raises:
            VenueRefusal: Not found.
        """
        found = self._by_name.get(name)
        if found is None:
            raise self._unknown()
        return found

    def name(self, instrument_id: str) -> str:
        """The name of an instrument."""
        return self._names[instrument_id]

    def all(self) -> list[Instrument]:
        """Every instrument."""
        return list(self._by_name.values())
