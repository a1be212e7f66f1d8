"""Starts simulated exchanges for tests: real sockets on free ports, and signed requests made by hand."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import requests

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.market.maker import MarketSettings

__all__ = ["BinanceCaller", "ContractCaller", "OkxCaller", "contract_simulator", "free_session", "simulator"]


@contextmanager
def simulator(venue: str, **options: Any) -> Iterator[SimulatorServer]:
    """A venue whose market stands still after its first steps, so that what a test sees depends on the test alone."""
    options.setdefault("moving", False)
    options.setdefault("rate_scale", 0)
    with SimulatorServer(venue, **options) as server:
        yield server


@contextmanager
def contract_simulator(*products: str, **options: Any) -> Iterator[SimulatorServer]:
    """Binance with contracts on BTC, in a market of few orders, so that a test starts fast."""
    options.setdefault("settings", MarketSettings(levels=10, makers=1, take_chance=1))
    with simulator("binance", symbols=["BTC_USDT"], products=products or ("um", "cm"), **options) as server:
        yield server


@contextmanager
def free_session() -> Iterator[requests.Session]:
    """A session that looks at no proxy settings."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


class BinanceCaller:
    """Signs and sends Binance requests by hand; gives the whole reply."""

    prefix = "/api/v3/"

    def __init__(self, server: SimulatorServer, session: requests.Session) -> None:
        self.server = server
        self.session = session
        self.base = server.base_url

    def public(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.base}{self.prefix}{path}", params=params, timeout=60)

    def signed(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        secret: str | None = None,
        place: str = "query",
        **params: Any,
    ) -> requests.Response:
        """One signed call; ``place`` says where the parameters travel: query, body, or mixed."""
        params = {name: value for name, value in params.items() if value is not None}
        params.setdefault("timestamp", self.server.exchange.server_time_ms())
        names = list(params)
        half = {"query": len(names), "body": 0, "mixed": len(names) // 2}[place]
        query = urlencode({name: params[name] for name in names[:half]})
        body = urlencode({name: params[name] for name in names[half:]})
        signature = hmac.new(
            (self.server.secret if secret is None else secret).encode(), (query + body).encode(), hashlib.sha256
        ).hexdigest()
        if place == "query":
            query += f"&signature={signature}"
        else:
            body += f"&signature={signature}"
        headers = {"X-MBX-APIKEY": self.server.key if key is None else key}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"{self.base}{self.prefix}{path}" + (f"?{query}" if query else "")
        return self.session.request(method, url, data=body or None, headers=headers, timeout=60)

    def order(self, **params: Any) -> requests.Response:
        """POST order with defaults for a limit order."""
        params.setdefault("symbol", "BTCUSDT")
        params.setdefault("type", "LIMIT")
        if params["type"] == "LIMIT":
            params.setdefault("timeInForce", "GTC")
        return self.signed("POST", "order", **params)


class ContractCaller(BinanceCaller):
    """The same for Binance's contracts: ``um`` or ``cm``."""

    def __init__(self, server: SimulatorServer, session: requests.Session, product: str) -> None:
        super().__init__(server, session)
        self.product = product
        self._family = {"um": "/fapi/", "cm": "/dapi/"}[product]
        self.prefix = self._family + "v1/"

    def signed(self, method: str, path: str, *, version: str = "v1", **params: Any) -> requests.Response:
        """One signed call of a version of the interface."""
        self.prefix = f"{self._family}{version}/"
        try:
            return super().signed(method, path, **params)
        finally:
            self.prefix = self._family + "v1/"


class OkxCaller:
    """Signs and sends OKX requests by hand; gives the whole reply."""

    def __init__(self, server: SimulatorServer, session: requests.Session) -> None:
        self.server = server
        self.session = session
        self.base = server.base_url

    def public(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.base}/api/v5/{path}", params=params, timeout=60)

    def signed(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str | None] | None = None, **params: Any
    ) -> requests.Response:
        """One signed call; ``headers`` replaces single headers, None leaves one out."""
        query = urlencode(params)
        target = f"/api/v5/{path}" + (f"?{query}" if query else "")
        text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        moment = datetime.datetime.fromtimestamp(self.server.exchange.server_time_ms() / 1000, datetime.UTC)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        if headers and headers.get("OK-ACCESS-TIMESTAMP"):
            stamp = str(headers["OK-ACCESS-TIMESTAMP"])
        digest = hmac.new(self.server.secret.encode(), f"{stamp}{method}{target}{text}".encode(), hashlib.sha256)
        sent: dict[str, str | None] = {
            "OK-ACCESS-KEY": self.server.key,
            "OK-ACCESS-SIGN": base64.b64encode(digest.digest()).decode(),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": self.server.passphrase,
            "Content-Type": "application/json",
            **(headers or {}),
        }
        return self.session.request(
            method,
            self.base + target,
            data=text or None,
            headers={name: value for name, value in sent.items() if value is not None},
            timeout=60,
        )

    def order(self, **fields: Any) -> requests.Response:
        """POST trade/order with defaults for a limit order."""
        body = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", **fields}
        return self.signed("POST", "trade/order", {name: value for name, value in body.items() if value is not None})
