"""A client of FMZ's extended API: of FMZ's own site, and of a platform of one's own."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..clock import Clock, WallClock
from ..errors import (
    AuthenticationFailed,
    BadReply,
    ClockSkew,
    ConnectFailed,
    FmzError,
    InputError,
    NetworkError,
    OperationFailed,
    OutcomeUnknown,
    VenueRejected,
    VenueUnavailable,
    no_such_name,
)
from ..fork import after_fork_in_child
from ..http.client import HttpClient, HttpOptions, HttpRequest, Reply
from ..redaction import remember_signature
from ..tasks.handle import Handle
from ..tasks.pool import CallPool

__all__ = ["FMZ_SITE", "Client"]

FMZ_SITE = "https://www.fmz.com/api/v1"
"""The address of FMZ's own site."""

_VERSION = "1.0"
_READS = frozenset({
    "GetAccount", "GetNodeList", "GetExchangeList", "GetPlatformList", "GetStrategyList", "GetRobotGroupList", "GetRobotList", "GetRobotDetail",
    "GetRobotLogs",
})  # fmt: skip
_CODES = {
    1: "the access key is not known or disabled", 2: "the signature is not right", 3: "the nonce was refused",
    4: "there is no such method, or the key may not call it", 5: "the arguments are not valid", 6: "an internal error",
    7: "the key may not be used from this address",
}  # fmt: skip
# Calls of several threads may overtake each other, and a nonce that is not the greatest is refused before anything is done.
_MOST_NONCES = 8


class Client:
    """A client of the extended API; its methods have FMZ's names and may be called from many threads.

    A call returns ``result``; a failure raises. Calls that only read are repeated after network errors; a call that changes something is sent
    once, and raises ``OutcomeUnknown`` when its reply is lost.

    Args:
        url: The address: ``FMZ_SITE``, or that of a platform such as ``http://127.0.0.1:8080`` (``/api/v1`` is added where no path is given).
        access_key: The access key.
        secret_key: The secret key; it is never sent.
        clock: Measures time-outs and makes nonces; the wall clock if None.
        options: The options of connections.

    Raises:
        InputError: The address is not one, or a key is empty.
    """

    def __init__(
        self,
        url: str,
        access_key: str,
        secret_key: str,
        *,
        clock: Clock | None = None,
        options: HttpOptions | None = None,
    ) -> None:
        if not access_key or not secret_key:
            raise InputError("the extended API needs an access key and a secret key")
        parts = urlsplit(url)
        self._url = url if parts.path.strip("/") else f"{url.rstrip('/')}/api/v1"
        self._access_key, self._secret_key = access_key, secret_key
        self._clock: Clock = clock if clock is not None else WallClock()
        self._http = HttpClient(
            clock=self._clock, options=options or HttpOptions(timeout_ms=30_000.0, read_timeout_ms=30_000.0)
        )
        self._start_anew()
        after_fork_in_child(self._start_anew)
        self._nonce = 0
        self._pool: CallPool | None = None

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _nonce and _pool
        # Held by calls whose nonce was refused, so that they do not overtake each other again.
        self._in_turn = threading.Lock()

    def __repr__(self) -> str:
        return f"<Client of {urlsplit(self._url).netloc}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends running calls and closes the connections; later calls open new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        self._http.close()
        if pool is not None:
            pool.shutdown()

    # The calls

    def GetAccount(self) -> dict[str, Any]:
        """The account of the key."""
        return self._object("GetAccount")

    def GetNodeList(self, offset: int = 0, limit: int = -1) -> dict[str, Any]:
        """Nodes: ``{"all": ..., "nodes": [...]}``; a limit of 0 or less means all."""
        return self._object("GetNodeList", offset, limit)

    def DeleteNode(self, nid: int) -> bool:
        """Deletes a node."""
        return bool(self.call("DeleteNode", nid))

    def GetExchangeList(self, isSummary: bool = False) -> dict[str, Any]:
        """Venues: ``{"exchanges": [...]}``; the summary leaves out ``meta`` and ``stocks``."""
        return self._object("GetExchangeList", isSummary)

    def GetPlatformList(self, offset: int = 0, limit: int = -1) -> dict[str, Any]:
        """Accounts at exchanges: ``{"all": ..., "platforms": [...]}``; ``id`` is the ``pid``."""
        return self._object("GetPlatformList", offset, limit)

    def GetStrategyList(
        self, offset: int = 0, length: int = -1, strategyType: int = -1, category: int = -1, language: int = -1, kw: str = "",
        groupId: int = -1, orderBy: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Strategies: ``{"all": ..., "strategies": [...]}``."""
        args: list[Any] = [offset, length, strategyType, category, language, kw]
        if groupId != -1 or orderBy:
            args += [groupId, orderBy]
        return self._object("GetStrategyList", *args)

    def GetRobotGroupList(self) -> list[dict[str, Any]]:
        """The groups of robots, as ``{"id": ..., "name": ...}``."""
        items: list[dict[str, Any]] = self._object("GetRobotGroupList")["items"]
        return items

    def GetRobotList(
        self, offset: int = 0, length: int = -1, customStatus: int = -1, appId: str = "", kw: str = "", groupId: int = -1, orderBy: str = "",
        strategyId: int = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """Robots: ``{"all": ..., "concurrent": ..., "robots": [...]}``."""
        args: list[Any] = [offset, length, customStatus, appId, kw, groupId, orderBy, strategyId]
        return self._object("GetRobotList", *args)

    def GetRobotDetail(self, robotId: int) -> dict[str, Any]:
        """One robot with its arguments and exchanges."""
        robot: dict[str, Any] = self._object("GetRobotDetail", robotId)["robot"]
        return robot

    def GetRobotLogs(
        self, robotId: int, logMinId: int = 0, logMaxId: int = 0, logOffset: int = 0, logLimit: int = 50, profitMinId: int = 0,
        profitMaxId: int = 0, profitOffset: int = 0, profitLimit: int = 0, chartMinId: int = 0, chartMaxId: int = 0, chartOffset: int = 0,
        chartLimit: int = 0, chartUpdateBaseId: int = 0, chartUpdateDate: int = 0, summaryLimit: int = 0, logExchange: str = "",
        logKeyword: str = "", logTypes: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Pages of a robot's log, profit curve and chart: ``logs`` has the three tables as ``{"Total", "Max", "Min", "Arr"}``.

        Args:
            robotId: The robot.
            logMinId: The smallest id of the log; 0 for no bound.
            logMaxId: The largest id; 0 for no bound.
            logOffset: How many of the newest lines are skipped.
            logLimit: At most so many lines.
            profitMinId: As for the log.
            profitMaxId: As for the log.
            profitOffset: As for the log.
            profitLimit: As for the log.
            chartMinId: As for the log.
            chartMaxId: As for the log.
            chartOffset: As for the log.
            chartLimit: As for the log.
            chartUpdateBaseId: Points up to this id come too if they changed since ``chartUpdateDate``.
            chartUpdateDate: See there, in milliseconds since the epoch.
            summaryLimit: How many bytes of the status bar; 0 for none.
            logExchange: Only lines of the exchange with this label.
            logKeyword: Only lines with this text.
            logTypes: Only lines of these types, such as ``"0,1,2"``.
        """
        args: list[Any] = [
            robotId, logMinId, logMaxId, logOffset, logLimit, profitMinId, profitMaxId, profitOffset, profitLimit, chartMinId, chartMaxId,
            chartOffset, chartLimit, chartUpdateBaseId, chartUpdateDate, summaryLimit,
        ]  # fmt: skip
        if logExchange or logKeyword or logTypes:
            args += [logExchange, logKeyword, logTypes]
        return self._object("GetRobotLogs", *args)

    def NewRobot(self, settings: Mapping[str, Any]) -> int:
        """Makes a robot and starts it; returns its number, or a negative status code."""
        return self._number("NewRobot", dict(settings))

    def RestartRobot(self, robotId: int, settings: Mapping[str, Any] | None = None) -> int:
        """Starts a robot again, with new settings if they are given; returns a status code (1 = running)."""
        return self._number("RestartRobot", robotId, *([dict(settings)] if settings is not None else []))

    def StopRobot(self, robotId: int) -> int:
        """Asks a robot to stop; returns a status code (2 = stopping)."""
        return self._number("StopRobot", robotId)

    def CommandRobot(self, robotId: int, cmd: str) -> bool:
        """Sends a command to a strategy; False when the robot does not run."""
        return bool(self.call("CommandRobot", robotId, cmd))

    def DeleteRobot(self, robotId: int, removeLog: bool = True) -> int:
        """Deletes a robot that does not run; 0 when it is deleted, -1 when it is not there or runs, -2 when logs remain on its node."""
        return self._number("DeleteRobot", robotId, removeLog)

    def PluginRun(self, settings: Mapping[str, Any], *, timeout_ms: float = 330_000.0) -> dict[str, Any]:
        """Runs a script and waits for its end; returns ``{"logs": [...], "result": text}``."""
        text = self.call("PluginRun", dict(settings), timeout_ms=timeout_ms)
        try:
            value = json.loads(text)
        except (TypeError, ValueError) as error:
            raise BadReply(f"PluginRun returned no JSON text: {str(text)[:100]!r}") from error
        if not isinstance(value, dict):
            raise BadReply(f"PluginRun returned {str(text)[:100]!r}, expected an object")
        return value

    def Go(self, method: str, *args: Any) -> Handle[Any]:
        """Calls a method in the background and returns a handle at once.

        Args:
            method: The method's name.
            args: Its arguments.

        Raises:
            UnknownName: There is no such method.
            TooManyHandles: Too many background calls are still running.
        """
        names = [name for name in dir(type(self)) if name[0].isupper() and name != "Go"]
        if method not in names:
            raise no_such_name("the extended API has no method", method, names)
        with self._lock:
            if self._pool is None:
                self._pool = CallPool("extended-api", max_workers=8, clock=self._clock)
            pool = self._pool
        return pool.start(getattr(self, method), *args, name=method)

    def call(self, method: str, *args: Any, timeout_ms: float | None = None) -> Any:
        """Calls a method by name and returns its ``result``.

        Args:
            method: The method's name.
            args: Its arguments, by position.
            timeout_ms: The total time-out, in milliseconds; None for that of the options.

        Raises:
            AuthenticationFailed: The key, its secret or its permissions were refused.
            ClockSkew: The nonce was refused: this machine's clock is an hour off, or another program uses the key.
            VenueRejected: The arguments were refused, or the method failed; the message says why.
            OutcomeUnknown: A call that changes something was sent, and its reply was lost.
            NetworkError: No reply to a call that reads, or nothing was sent.
            BadReply: The reply cannot be read.
        """
        text = json.dumps(list(args), ensure_ascii=False, allow_nan=False)
        try:
            return self._sent(method, text, timeout_ms)
        except ClockSkew:
            pass
        with self._in_turn:
            for _ in range(_MOST_NONCES - 2):
                try:
                    return self._sent(method, text, timeout_ms)
                except ClockSkew:
                    continue
            return self._sent(method, text, timeout_ms)

    def _sent(self, method: str, args: str, timeout_ms: float | None) -> Any:
        reads = method in _READS
        try:
            return self._http.call(
                lambda: self._request(method, args),
                lambda reply: _result(method, reply, reads=reads),
                idempotent=reads,
                timeout_ms=timeout_ms,
            )
        except FmzError as error:
            lost = isinstance(error, (NetworkError, BadReply, VenueUnavailable)) and not isinstance(
                error, ConnectFailed
            )
            if not reads and lost:
                raise OutcomeUnknown(
                    f"{method} was sent, and its reply was lost ({error.args[0] if error.args else error}): look at the robots before it is repeated"
                ) from error
            raise

    def _request(self, method: str, args: str) -> HttpRequest:
        with self._lock:
            self._nonce = max(self._nonce + 1, self._clock.now_ns() // 1_000_000)
            nonce = str(self._nonce)
        text = "|".join((_VERSION, method, args, nonce, self._secret_key))
        sign = remember_signature(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
        fields = {
            "version": _VERSION, "access_key": self._access_key, "method": method, "args": args, "nonce": nonce, "sign": sign,
        }  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return HttpRequest("POST", self._url, headers, urlencode(fields).encode("ascii"))

    def _object(self, method: str, *args: Any) -> dict[str, Any]:
        result = self.call(method, *args)
        if not isinstance(result, dict):
            raise BadReply(f"{method} returned {str(result)[:100]!r}, expected an object")
        return result

    def _number(self, method: str, *args: Any) -> int:
        result = self.call(method, *args)
        if isinstance(result, bool) or not isinstance(result, int):
            raise BadReply(f"{method} returned {str(result)[:100]!r}, expected a number")
        return result


def _result(method: str, reply: Reply, *, reads: bool) -> Any:
    """The result in a reply.

    Raises:
        FmzError: The reply tells of a failure, or cannot be read.
    """
    value = _envelope(method, reply)
    code, data = value["code"], value.get("data")
    if code == 0:
        if not isinstance(data, dict):
            raise BadReply(f"{method}: the reply has no data", status=reply.status)
        if data.get("error") is not None:
            raise VenueRejected(f"{method}: {data['error']}", status=reply.status)
        return data.get("result")
    text = f"{method}: {_CODES.get(code, 'an unknown code')} (code {code})"
    if code == 3:
        raise ClockSkew(text, code="3", status=reply.status)
    if code in {1, 2, 4, 7}:
        raise AuthenticationFailed(text, code=str(code), status=reply.status)
    if code == 5:
        raise VenueRejected(text, code="5", status=reply.status)
    # An internal error of the other side does not say whether the thing was done.
    raise (
        OperationFailed(text, code=str(code), status=reply.status)
        if reads
        else OutcomeUnknown(text, code=str(code), status=reply.status)
    )


def _envelope(method: str, reply: Reply) -> dict[str, Any]:
    try:
        value = json.loads(reply.body)
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("code"), int) and not isinstance(value["code"], bool):
        return value
    if reply.status >= 500:
        raise VenueUnavailable(f"{method}: the HTTP status is {reply.status}", status=reply.status)
    raise BadReply(f"{method}: the reply is no object with a code (HTTP status {reply.status})", status=reply.status)
