"""A requests adapter over our own connections, for sessions and for test doubles.

``OwnAdapter`` inherits ``HTTPAdapter.send`` unchanged; anything that replaces that method (such as the ``responses`` package) therefore
replaces ours too. What ``send`` calls is replaced: the connection pool by one connection per origin, and for our own calls
the building of a ``requests.Response`` by the reply itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, FmzError, TimedOut
from .reply import Reply

__all__ = ["CallTimeout", "OwnAdapter", "OwnRequest", "SendRequest", "from_requests"]


class CallTimeout(urllib3.Timeout):
    """The deadline and flags of a call, passed through ``HTTPAdapter.send`` as its time-out.

    Attributes:
        deadline: The call's deadline.
        patient: Whether the reply is still awaited after a stop.
        close: Whether the connection is closed after the reply.
    """

    def __init__(self, deadline: Deadline, *, patient: bool, close: bool) -> None:
        super().__init__()
        self.deadline = deadline
        self.patient = patient
        self.close = close


class OwnRequest(requests.PreparedRequest):
    """A request of ``HttpClient.call``; its reply is not converted to a ``requests.Response``."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        super().__init__()
        self.method = method
        self.url = url
        self.headers = CaseInsensitiveDict(headers)
        self.body = body


class SendRequest(Protocol):
    """Writes a request and reads its reply."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: Any) -> Reply:
        """``timeout`` is a ``CallTimeout`` or the session's ``urllib3.Timeout``."""


class _Pool:
    """The connection pool that ``HTTPAdapter.send`` uses."""

    def __init__(self, send: SendRequest) -> None:
        self._send = send

    def urlopen(
        self, *, method: str, url: str, body: Any, headers: Mapping[str, str], timeout: Any = None, **_ignored: Any
    ) -> Reply:
        """Sends a request; ``url`` is complete, because ``request_url`` returns the complete URL."""
        return self._send(method, url, headers, _all_of(body), timeout)


class OwnAdapter(HTTPAdapter):
    """The adapter of one thread's session; only that thread uses it."""

    def __init__(self, send: SendRequest) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._pool: Any = _Pool(send)

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Any:
        """Our own connections instead of urllib3's pool; they handle certificates and proxies."""
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Does nothing: the connection verifies certificates, by the client's options."""

    def request_url(self, request: Any, _proxies: Any) -> str:
        """The complete URL, from which the connection is chosen."""
        return str(request.url)

    def build_response(self, req: Any, resp: Any) -> Any:
        """The reply itself for an ``OwnRequest``, otherwise a ``requests.Response``."""
        if type(resp) is not Reply:
            return super().build_response(req, resp)
        if isinstance(req, OwnRequest):
            return resp
        # The body is joined already, and decompressed if it could be; requests must not decompress again or check the original length.
        done = {"content-length", "transfer-encoding"} if resp.coding else _UNDONE
        headers = urllib3.HTTPHeaderDict([pair for pair in resp.headers.pairs if pair[0].lower() not in done])
        raw = urllib3.HTTPResponse(
            io.BytesIO(resp.body), headers, resp.status, reason=resp.reason, preload_content=False
        )
        return super().build_response(req, raw)


_UNDONE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def _all_of(body: Any) -> bytes | None:
    """Reads any kind of body that requests accepts."""
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
    """Converts an error that requests raised to one of ours.

    Our own errors that are also an OSError are wrapped by ``HTTPAdapter.send``; they are unwrapped.
    """
    inner = error.args[0] if error.args else None
    if isinstance(inner, FmzError):
        return inner
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)):
        return ConnectFailed(f"connecting failed ({type(error).__name__})", request=request)
    if isinstance(error, (requests.Timeout, TimeoutError)):
        return TimedOut("timeout before the reply was complete", request=request)
    return ConnectionLost(f"the connection broke ({type(error).__name__})", request=request)
