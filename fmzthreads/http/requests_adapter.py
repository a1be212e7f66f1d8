"""A requests adapter over our own connections.

A call hands a request that is prepared already straight to ``HTTPAdapter.send``, which this class inherits unchanged; whatever stands in
for that method (such as the ``responses`` package) therefore stands in for us too. What ``send`` calls on its way is replaced: the
connection pool by one connection an origin, and the building of a ``requests.Response`` by handing on the raw reply.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..errors import ConnectFailed, ConnectionLost, FmzError, TimedOut
from .reply_reader import RawReply

__all__ = ["PooledAdapter", "SendRequest", "from_requests"]


_UNDONE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class SendRequest(Protocol):
    """Writes a request and reads its reply."""

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float | None
    ) -> RawReply:
        """``timeout_s`` is the requests session's; a call of our own has its deadline elsewhere."""


class _Pool:
    """What ``HTTPAdapter.send`` takes for a connection pool."""

    def __init__(self, exchange: SendRequest) -> None:
        self._exchange = exchange

    def urlopen(
        self, *, method: str, url: str, body: Any, headers: Mapping[str, str], timeout: Any = None, **_ignored: Any
    ) -> RawReply:
        """Sends; ``url`` is the complete one, because the adapter's ``request_url`` says so."""
        return self._exchange(
            method, url, headers, body if type(body) is bytes else _all_of(body), timeout.read_timeout
        )


class PooledAdapter(HTTPAdapter):
    """The adapter of one thread's session; it belongs to that thread alone.

    Attributes:
        raw: Whether ``send`` hands on the raw reply. Set around a call of our own; False for those that the session makes.
    """

    def __init__(self, exchange: SendRequest) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._pool_like: Any = _Pool(exchange)
        self.raw = False

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Any:
        """Our own connections instead of urllib3's pool; certificates and proxies are theirs to see to."""
        return self._pool_like

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing: the connection verifies, by the client's options."""

    def request_url(self, request: Any, _proxies: Any) -> str:
        """The complete URL, from which the connection is chosen."""
        return str(request.url)

    def build_response(self, req: Any, resp: Any) -> Any:
        """The raw reply for a call of our own, else a ``requests.Response``."""
        if type(resp) is not RawReply:
            return super().build_response(req, resp)
        if self.raw:
            return resp
        # The body is decompressed and joined already; requests must not try again, nor count by the length that it had.
        pairs = [pair for pair in resp.headers.pairs if pair[0].lower() not in _UNDONE]
        headers = urllib3.HTTPHeaderDict(pairs)
        raw = urllib3.HTTPResponse(
            io.BytesIO(resp.body), headers, resp.status, reason=resp.reason, preload_content=False
        )
        return super().build_response(req, raw)


def _all_of(body: Any) -> bytes | None:
    """The bytes of whatever the requests session takes for a body."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    if hasattr(body, "read"):
        return _all_of(body.read())
    parts: Iterable[Any] = body
    return b"".join(_all_of(part) or b"" for part in parts)


def from_requests(error: Exception, request: str) -> FmzError:
    """The error of the tree for one that requests (or what stands in for it) raised.

    Our own errors that are also an OSError were wrapped by ``HTTPAdapter.send`` on their way; they are taken out again.
    """
    inner = error.args[0] if error.args else None
    if isinstance(inner, FmzError):
        return inner
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)):
        return ConnectFailed(f"connecting failed ({type(error).__name__})", request=request)
    if isinstance(error, (requests.Timeout, TimeoutError)):
        return TimedOut("timeout before the reply was complete", request=request)
    return ConnectionLost(f"the connection broke ({type(error).__name__})", request=request)
