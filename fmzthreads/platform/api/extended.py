"""Answers calls of the extended API: verifies, binds the arguments, runs the method, and wraps the result.

Every reply but that of a request that is too large has the HTTP status 200 and a code, so that no 5xx can hide that something was done.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from ...errors import FmzError
from ..access import Actor, NotPermitted
from ..service import Platform
from .arguments import SIGNATURES, bound
from .lists import LIST_METHODS
from .plugin_run import plugin_run
from .robot_methods import ROBOT_METHODS
from .verification import ApiRefusal, Verified, verified

__all__ = ["MOST_BODY", "ExtendedApi"]

_log = logging.getLogger("fmzthreads.platform")

MOST_BODY = 8 * 2**20
"""The most bytes of a request's body."""
_MOST_FIELDS = 64
_DEEPEST = 64  # of nested lists and objects in args


class ExtendedApi:
    """The extended API over a platform. Any thread may use it.

    Args:
        platform: The platform.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._methods: dict[str, Callable[[Platform, Actor, dict[str, Any]], Any]] = {
            **LIST_METHODS, **ROBOT_METHODS, "PluginRun": plugin_run,
        }  # fmt: skip

    def answer(self, query: str, body: bytes, address: str) -> dict[str, Any]:
        """Answers a request.

        Args:
            query: The URL's query string.
            body: The body; empty for a GET.
            address: The caller's address.

        Returns:
            ``{"code": ..., "data": ...}``. Never raises.
        """
        try:
            fields, command = _fields(query, body)
            call = verified(self._platform, fields, address)
            return self._called(call, fields, command)
        except ApiRefusal as refusal:
            return {"code": refusal.number, "data": None}
        except Exception:  # nothing that a caller sends may show a traceback; the log has it
            _log.exception("a call of the extended API failed")
            return {"code": 6, "data": None}

    def _called(self, call: Verified, fields: dict[str, str], command: str) -> dict[str, Any]:
        method = fields.get("method", "")
        if method not in SIGNATURES:
            raise ApiRefusal(4, "there is no such method")
        args = _args(fields.get("args", ""))
        if method == "CommandRobot" and command and call.direct:
            args = _with_command(args, command)
        try:
            result = self._methods[method](self._platform, call.actor, bound(method, args))
        except NotPermitted:
            raise ApiRefusal(4, "the account may not do this") from None
        except FmzError as error:
            return {"code": 0, "data": {"result": None, "error": str(error)}}
        return {"code": 0, "data": {"result": result, "error": None}}


def _fields(query: str, body: bytes) -> tuple[dict[str, str], str]:
    """The fields of a request, and the text that a webhook may have sent as its body."""
    in_query = _parsed(query)
    text = body.decode("utf-8", "replace")
    if "method" in in_query:
        return in_query, text
    return {**in_query, **_parsed(text)}, ""


def _parsed(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        raise ApiRefusal(5, "too many fields") from None
    return dict(pairs)


def _args(text: str) -> Any:
    if not text.strip():
        return []
    try:
        args = json.loads(text, parse_constant=_no_constant)
        json.dumps(args, ensure_ascii=False).encode()  # refuses lone surrogates, which no file takes
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        raise ApiRefusal(5, "args is not JSON") from None
    if not isinstance(args, (list, dict)) or _depth(args) > _DEEPEST:
        raise ApiRefusal(5, "args is neither an array nor an object")
    return args


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _depth(value: Any) -> int:
    depth, layer = 0, [value]
    while layer and depth <= _DEEPEST:
        depth += 1
        inner: list[Any] = []
        for one in layer:
            inner += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        layer = [one for one in inner if isinstance(one, (dict, list))]
    return depth


def _with_command(args: Any, command: str) -> Any:
    """The arguments of ``CommandRobot`` with the body as the command, if they have none."""
    if isinstance(args, list):
        if len(args) == 1 or (len(args) == 2 and args[1] in ("", None)):
            return [args[0], command]
        return args
    given = {name.replace("_", "").lower(): name for name in args}
    name = given.get("cmd", "cmd")
    return args if args.get(name) else {**args, name: command}
