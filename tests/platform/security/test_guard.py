"""Which requests reach the pages, and what every reply says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fmzthreads.platform.security.guard import RequestGuard


def reply_to(
    method: str = "GET", path: str = "/", headers: dict[str, str] | None = None, *, secure: bool = False
) -> Any:
    """The status, the headers, and the state that the page saw (None when it was not reached)."""
    seen: list[Any] = []
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the body is not read")

    given = {"host": "127.0.0.1:8000", **(headers or {})}
    raw = [(name.split("#")[0].encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": ("10.0.0.9", 5)}
    scope["scheme"] = "https" if secure else "http"
    asyncio.run(RequestGuard(page, names=["Robots.example.org"])(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), seen[0] if seen else None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:1", "localhost", "[::1]:80", "robots.example.org", "ROBOTS.EXAMPLE.ORG:443"]
)
def test_known_hosts_pass(host: str) -> None:
    assert reply_to(headers={"host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "robots.example.org.evil.example",
        "",
        "a@127.0.0.1",
        "127.0.0.1/x",
        "127.0.0.1:x",
        "[::1",
        "127.0.0.2",
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    assert reply_to(headers={"host": host})[::2] == (421, None)


def test_a_host_that_stands_twice_is_refused() -> None:
    assert reply_to(headers={"host#2": "evil.example"})[::2] == (400, None)
    assert reply_to("POST", headers={"origin": "http://127.0.0.1:8000", "origin#2": "http://evil"})[0] == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "ANYTHING"])
def test_changes_from_own_pages_pass(method: str, headers: dict[str, str]) -> None:
    assert reply_to(method, headers=headers)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "https://127.0.0.1:8000"},
        {"origin": "http://localhost:8000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
    ],
)
def test_changes_from_elsewhere_are_refused(headers: dict[str, str]) -> None:
    assert reply_to("POST", headers=headers)[::2] == (403, None)
    assert reply_to("GET", headers=headers)[0] == 200


def test_the_signed_api_needs_neither_origin_nor_name() -> None:
    assert reply_to("POST", "/api/v1")[0] == 200
    assert reply_to("POST", "/api/v1", {"host": "203.0.113.5"})[0] == 200
    assert reply_to("POST", "/apix")[0] == 403
    assert reply_to("GET", "/apix", {"host": "evil.example"})[0] == 421


def test_behind_a_proxy_the_origin_is_the_public_name() -> None:
    headers = {"host": "127.0.0.1:8000", "origin": "https://robots.example.org"}
    assert reply_to("POST", headers=headers, secure=True)[0] == 200
    assert reply_to("POST", headers=headers)[0] == 403  # not https
    assert reply_to("POST", headers={**headers, "origin": "https://evil.example"}, secure=True)[0] == 403
    assert reply_to("POST", headers={**headers, "origin": "https://localhost"}, secure=True)[0] == 403


def test_the_page_sees_the_clients_address_and_whether_it_is_https() -> None:
    assert reply_to(secure=True)[2] == {"address": "10.0.0.9", "is_secure": True}


def test_every_reply_has_a_strict_policy() -> None:
    for status, headers, _ in (reply_to(secure=True), reply_to(headers={"host": "x"})):
        policy = headers[b"content-security-policy"].decode()
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers[b"x-content-type-options"] == b"nosniff"
        if status == 200:
            assert headers[b"cache-control"] == b"public"  # the page's own
            assert headers[b"strict-transport-security"]
