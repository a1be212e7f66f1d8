r"""Application heartbeats: messages that are answered or hidden from the script.

A table is a list of pairs (pattern, answer). The pattern is a regular expression that the whole of a short text message must match; the
answer is a text (``\1`` and ``\g<name>`` stand for groups of the pattern), a function from the match to a text, or None to hide the message
without an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import attrs

from ..errors import InputError, UnknownName, nearest, short_repr
from .buffer.buffer import Message

__all__ = ["Heartbeats", "heartbeats"]

Answer = str | Callable[[re.Match[str]], str] | None

# Heartbeats are short; longer messages are passed on unexamined.
_LONGEST = 256


@attrs.frozen
class Heartbeats:
    """A table of heartbeats.

    Attributes:
        rules: The patterns and their answers, tried in order.
        ping: A text to send periodically; empty for none.
        ping_interval_s: The period, in seconds.
    """

    rules: tuple[tuple[re.Pattern[str], Answer], ...]
    ping: str = ""
    ping_interval_s: float = 0.0

    def sift(self, batch: list[Message]) -> tuple[list[Message], list[str]]:
        """Separates the heartbeats from the other messages.

        Returns:
            The other messages, and the answers to send.
        """
        answers: list[str] = []
        left = [message for message in batch if not self._is_heartbeat(message, answers)]
        return left, answers

    def _is_heartbeat(self, message: Message, answers: list[str]) -> bool:
        if len(message) > _LONGEST or not isinstance(message, str):
            return False
        for pattern, answer in self.rules:
            match = pattern.fullmatch(message)
            if match is not None:
                if answer is not None:
                    answers.append(match.expand(answer) if isinstance(answer, str) else answer(match))
                return True
        return False


def _rule(pattern: str, answer: Answer) -> tuple[re.Pattern[str], Answer]:
    return re.compile(pattern), answer


# Huobi: {"ping": 1492420473027} must be answered by {"pong": 1492420473027} (Huobi's API reference, "Heartbeat"). OKX: the client sends
# ping within 30 s of silence, and the server answers pong (OKX's API guide, "WebSocket", "Connect").
_TABLES = {
    "huobi": Heartbeats((_rule(r'\s*\{\s*"ping"\s*:\s*(\d+)\s*\}\s*', r'{"pong": \1}'),)),
    "okx": Heartbeats((_rule("ping", "pong"), _rule("pong", None)), ping="ping", ping_interval_s=20.0),
}


def heartbeats(given: object) -> Heartbeats:
    """Reads the option ``on_ping``.

    Args:
        given: The name of a table (``huobi``, ``okx``), a dict of pattern to answer, or a list of such pairs.

    Raises:
        InputError: ``given`` is of another form, or a pattern is not a regular expression.
        UnknownName: There is no table of that name.
    """
    if isinstance(given, str):
        table = _TABLES.get(given.lower())
        if table is None:
            raise UnknownName(f"there is no heartbeat table {short_repr(given)}{nearest(given, _TABLES)}")
        return table
    pairs = given.items() if isinstance(given, Mapping) else given
    if not isinstance(pairs, Iterable):
        raise InputError(f"on_ping must be a table's name, a dict or a list of pairs, got {type(given).__name__}")
    rules = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(f"on_ping must hold pairs of a pattern and an answer, got {short_repr(pair)}")
        pattern, answer = pair
        if not (answer is None or isinstance(answer, str) or callable(answer)):
            raise InputError(f"an answer of on_ping must be text, a function or None, got {short_repr(answer)}")
        try:
            rules.append(_rule(pattern, answer))
        except (re.error, TypeError) as error:
            raise InputError(
                f"the on_ping pattern {short_repr(pattern)} is not a regular expression: {error}"
            ) from None
    return Heartbeats(tuple(rules))
