"""A venue that offers signed calls, ``HMAC`` and ``Encode``; its market and trade calls are not built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...clock import Clock
from ...errors import InputError, NotSupported, nearest, short_repr
from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import parse_params, parse_typed_params
from ...http.client import HttpOptions
from ...structures import info
from ..rest.ask import Params, public_path
from ..rest.channel import Channel
from ..rest.channel_venue import ChannelVenue
from .protocol import RawAsk, RawProtocol

__all__ = ["RawVenue"]

_METHODS = ("GET", "POST", "PUT", "DELETE")


class RawVenue(ChannelVenue):
    """A venue over signed raw calls.

    Args:
        credentials: The keys; None for public calls only.
        base: The REST base; empty for the venue's own.
        clock: Tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        allow_plain_http: Whether keys may be sent to an ``http://`` base that is not this machine; a warning is written.

    Raises:
        InputError: ``base`` is not valid.
    """

    protocol_class: ClassVar[Callable[[], RawProtocol]]
    json_methods: ClassVar[frozenset[str]] = frozenset({"POST", "PUT"})
    exact_outcomes = True
    finds_client_ids = False
    lists_all_orders = False

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        self.protocol = type(self).protocol_class()
        self.protocol.name = self.name
        channel = Channel(
            self.protocol,
            credentials=credentials,
            base=base,
            clock=clock,
            options=options,
            allow_plain_http=allow_plain_http,
        )
        super().__init__(channel)

    def _no(self, call: str) -> NotSupported:
        return NotSupported(
            f"{self.name} does not support {call}: fmzthreads has only signed raw calls for it; use "
            "exchange.IO('api', method, path, params), or HttpQuery for public data"
        )

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """Any call of the REST interface; see ``Venue.request``. Only reads are repeated.

        Raises:
            InputError: There is no base URL, or the method or the parameters are not valid.
        """
        method = str(http_method).upper()
        if method not in _METHODS:
            raise InputError(f"unknown HTTP method {short_repr(http_method)}{nearest(method, _METHODS)}")
        path, _, query = str(resource).partition("?")
        full = "://" in path
        if not full and not self.base():  # also with a base for market data, which says nothing about where orders go
            raise InputError(
                f"{self.name} has no base URL: give base='https://...' to the exchange, or call exchange.SetBase(url); nothing was sent"
            )
        bare = public_path(path)
        signed = self.protocol.is_signed(method, bare)
        ask = RawAsk(
            path=path,
            method=method,
            params=self._params(method, query, params, raw),
            raw=raw,
            signed=signed,
            market=method == "GET" and not signed,
            patient=self.protocol.is_read(method, bare),
            reads=self.protocol.is_read(method, bare),
        )
        if ask.safe:
            return self.channel.call(ask, info)
        return self.channel.send_once(ask, info)

    def places_order(self, http_method: str, resource: str) -> bool:
        """Whether it is one of the venue's endpoints for orders; see ``Venue.places_order``."""
        return self.protocol.order_calls.includes(http_method, resource)

    def _params(self, method: str, query: str, params: str, raw: str) -> Params:
        """The parameters: text in a query string, typed by FMZ's rule in a JSON body."""
        if method not in self.json_methods or raw:
            return (*parse_params(query), *parse_params(params))
        pairs = (*parse_typed_params(query), *parse_typed_params(params))
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"a JSON body of {self.name} cannot repeat a parameter, got {short_repr(name)} {names.count(name)} times; "
                    "nothing was sent"
                )
        return pairs
