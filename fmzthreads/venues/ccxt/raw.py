"""A call to any path of a venue, by ccxt's endpoints and signature."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from ...errors import InputError, MissingCredentials, NotSupported, nearest, short_repr
from ...exchange.keys.signing import parse_params

__all__ = ["Endpoint", "RawCall", "candidates", "raw_call"]

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
_CLIENT_IDS = (
    "newClientOrderId",
    "clOrdId",
    "clientOid",
    "cl_ord_id",
    "orderLinkId",
    "client_order_id",
    "clientOrderId",
)
_PARAMETER = re.compile(r"\\\{([^}]*?)\\\}")
_KINDS = frozenset({"get", "post", "put", "delete", "patch"})


@attrs.frozen
class Endpoint:
    """One of ccxt's endpoints.

    Attributes:
        path: Its path in ccxt, such as ``market/{id}``.
        sections: Where ccxt keeps it, such as ``("private",)``.
        values: The parameters that the asked path has in it.
    """

    path: str
    sections: tuple[str, ...]
    values: Mapping[str, str]

    def section(self, api: Any) -> Any:
        """The section as the functions of this version of ccxt want it: a list, or earlier the name where there is one only."""
        usual = inspect.signature(api.sign).parameters["api"].default
        return list(self.sections) if isinstance(usual, list) or len(self.sections) > 1 else self.sections[0]


def candidates(api: Mapping[str, Any], method: str, resource: str) -> list[Endpoint]:
    """The endpoints that the end of a path may mean, the longest first.

    Args:
        api: ccxt's description of its endpoints.
        method: The HTTP method.
        resource: The path from the root, such as ``/api/v3/order``.
    """
    asked = urlsplit(resource).path.strip("/")
    found = []
    for sections, path in _walk(api, method.lower(), ()):
        pattern = _PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(path.strip("/")))
        try:
            hit = re.search(rf"(?:^|/){pattern}$", asked)
        except re.error:
            continue  # a name that is no group's name: such endpoints are not reached by their path
        if hit is not None:
            found.append(Endpoint(path, sections, hit.groupdict()))
    return sorted(found, key=lambda endpoint: len(endpoint.path), reverse=True)


def _walk(node: Any, method: str, sections: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(node, Mapping):
        return
    for name, below in node.items():
        if name.lower() in _KINDS:
            if name.lower() == method:
                for path in below:
                    yield sections, path
        else:
            yield from _walk(below, method, (*sections, name))


@attrs.frozen
class RawCall:
    """A call of one endpoint.

    Attributes:
        method: The HTTP method.
        run: Makes it with the object that it gets.
        client_order_id: The client order id in its parameters; empty for none.
    """

    method: str
    run: Callable[[Any], Any]
    client_order_id: str


def raw_call(api: Any, venue: str, http_method: str, resource: str, params: str, raw: str) -> RawCall:
    """The call for what ``IO("api", ...)`` was given.

    Args:
        api: One of ccxt's objects, with the keys; it makes no call here.
        venue: The venue's name, for messages.
        http_method: The HTTP method.
        resource: The path from the root, as the venue's documents write it.
        params: URL-encoded parameters; a name must not repeat.
        raw: Must be empty.

    Raises:
        InputError: There is no such endpoint, or a parameter repeats.
        NotSupported: A literal body or another host was given.
    """
    method = str(http_method).upper()
    if method not in _METHODS:
        raise InputError(f"unknown HTTP method {short_repr(http_method)}{nearest(method, _METHODS)}")
    if raw:
        raise NotSupported(f"{venue}: ccxt builds the body itself; give the parameters instead; nothing was sent")
    path, _, query = str(resource).partition("?")
    if "://" in path:
        raise NotSupported(f"{venue}: another host is set by IO('base', url), not by a path; nothing was sent")
    pairs = [*parse_params(query), *parse_params(params)]
    values = dict(pairs)
    if len(values) != len(pairs):
        repeated = next(name for name in values if sum(name == other for other, _ in pairs) > 1)
        raise InputError(f"ccxt cannot repeat a parameter, got {short_repr(repeated)} several times; nothing was sent")
    endpoint = _endpoint(api, venue, method, path)
    sent = {**endpoint.values, **values}

    section = endpoint.section(api)
    config = _config(api.api, endpoint, method)

    def _run(each: Any) -> Any:
        return each.request(endpoint.path, section, method, dict(sent), config)

    return RawCall(method, _run, next((values[name] for name in _CLIENT_IDS if values.get(name)), ""))


def _config(api: Any, endpoint: Endpoint, method: str) -> Any:
    """What ccxt's description says of the endpoint's cost."""
    node = api
    for section in endpoint.sections:
        node = node[section]
    found = node.get(method.lower(), node.get(method.upper()))
    config = found.get(endpoint.path) if isinstance(found, dict) else None
    return config if isinstance(config, dict) else {"cost": config} if config is not None else {}


def _endpoint(api: Any, venue: str, method: str, path: str) -> Endpoint:
    """The endpoint whose URL has this path; of several, ccxt's signed one."""
    asked = "/" + path.strip("/")
    likely = candidates(api.api, method, asked)
    exact = [one for one in likely if _url_path(api, one, method) == asked]
    private = [one for one in exact if not any("public" in section.lower() for section in one.sections)]
    found = private or exact
    if found:
        return found[0]
    if likely and not (api.apiKey or api.walletAddress):
        raise MissingCredentials(f"{venue} needs keys for {method} {short_repr(asked)}; nothing was sent")
    raise InputError(
        f"{venue}: ccxt has no endpoint {method} {short_repr(asked)}; expected a path as in the venue's documents that ccxt knows; "
        "nothing was sent"
    )


def _url_path(api: Any, endpoint: Endpoint, method: str) -> str:
    """The path of an endpoint's URL, of which ccxt has only parts; empty if it cannot make one."""
    try:
        signed = api.sign(endpoint.path, endpoint.section(api), method, dict(endpoint.values))
    except Exception:  # whatever ccxt's code raises, as for keys that are missing: then this endpoint cannot be used
        return ""
    return urlsplit(str(signed["url"])).path
