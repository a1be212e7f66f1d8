"""The commands of ``exchange.IO``: those of every venue, and the venue's own."""

from __future__ import annotations

from typing import Any, cast

from ..errors import InputError, short_repr
from ..http.url import redact
from .call_limits import Kind
from .live_books import DEFAULT_MAX_AGE_MS
from .state import Core

__all__ = ["run_command"]


def run_command(core: Core, command: Any, args: tuple[Any, ...]) -> Any:
    """Runs one command.

    Args:
        core: The shared state of the exchange object.
        command: ``api``, ``base``, ``currency``, ``mbase``, ``rate``, ``quota``, ``rest``, ``status``, ``websocket``, or one of the venue's own.
        args: Its arguments.

    Raises:
        UnknownName: There is no such command.
        InputError: The arguments do not fit the command.
        FmzError: What the venue raised.
    """
    if not isinstance(command, str):
        raise InputError(f"a command of IO must be text such as 'api', got {short_repr(command)}")
    if command == "api":
        return _api(core, args)
    if command == "currency":
        (pair,) = _exactly(command, args, ("pair",))
        return core.set_currency(pair)
    if command == "base":
        (url,) = _exactly(command, args, ("url",))
        return core.set_base(url)
    if command == "mbase":
        (url,) = _exactly(command, args, ("url",))
        return core.set_market_base(url)
    if (
        command == "status"
    ):  # whether there is a connection, for exchanges that keep one; REST has one whenever it needs one
        _exactly(command, args, ())
        return True
    if command == "websocket":  # older strategies switch their prices to a stream with it
        _exactly(command, args, ())
        name = core.settings.symbol
        core.markets.prefetch(name)
        core.live.subscribe(name, DEFAULT_MAX_AGE_MS / 1000, 0.0)
        return True
    if command == "rest":  # and back with this one
        _exactly(command, args, ())
        core.live.unsubscribe(core.settings.symbol)
        return True
    if command == "cross" and core.settings.contracts_of:
        (cross,) = _exactly(command, args, ("cross",))
        if not isinstance(cross, bool):
            raise InputError(f"IO('cross') takes True or False, got {short_repr(cross)}")
        core.venue.set_cross(core.settings.symbol_of(""), cross)
        return True
    if command in {"rate", "quota"}:
        if len(args) > 4:
            raise InputError(
                f"IO({short_repr(command)}) takes (names, maxCalls, period[, 'delay']), got {len(args)} arguments"
            )
        core.limits.set(cast(Kind, command), *args)
        return True
    result = core.venue.io(command, *args)
    core.live.renew()  # a venue's command may change its addresses, such as to demo trading
    return result


def _api(core: Core, args: tuple[Any, ...]) -> Any:
    if not 2 <= len(args) <= 4:
        raise InputError(f"IO('api') takes (httpMethod, resource[, params[, raw]]), got {len(args)} arguments")
    names = ("httpMethod", "resource", "params", "raw")
    for name, value in zip(names, args, strict=False):
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name} of IO('api') must be text, got {type(value).__name__}")
    method, resource, params, raw = (*(arg or "" for arg in args), "", "")[:4]
    if not method.isalpha() or not resource:
        shown = resource.partition("?")[0].rpartition("@")[2]
        raise InputError(
            f"IO('api') needs an HTTP method and a resource, got {short_repr(method)} and {short_repr(shown)}"
        )
    core.limits.acquire("IO/api")
    method = method.upper()
    if not core.venue.places_order(method, resource):
        return core.venue.request(method, resource, params, raw)
    path, _, query = resource.partition("?")
    sent = " ".join(part for part in (query, params, raw) if part)
    if core.credentials is not None:
        sent = core.credentials.cut_out(sent)
    return core.orders.raw(
        method, redact("", path).strip(), sent, lambda: core.venue.request(method, resource, params, raw)
    )


def _exactly(command: str, args: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    if len(args) != len(names):
        raise InputError(f"IO({short_repr(command)}) takes ({', '.join(names)}), got {len(args)} arguments")
    return args
