"""Client order ids: one for each intent, unique across processes, restarts and machines."""

from __future__ import annotations

import hashlib
import itertools
import os

from ...fork import after_fork_in_child

__all__ = ["ClientIds", "new_client_order_id"]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TAG_LENGTH = 5  # of the strategy's name
_RUN_LENGTH = 13  # 36**13 is about 2**67


def new_client_order_id() -> str:
    """Returns an id for one intent: 32 letters and digits, which all venues accept (OKX is the strictest)."""
    return "fz" + os.urandom(15).hex()


class ClientIds:
    """Makes the client order ids of one process: ``fz``, the strategy's tag, the process's random part, and a counter.

    Only lower-case letters and digits, at most 32: what OKX and Binance both accept. The random part is made for each process (a forked
    child too), so that no counter has to survive a crash.

    Args:
        name: The strategy's name; its tag is made of a hash of it.
    """

    def __init__(self, name: str) -> None:
        self.tag = _text(
            int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:8], "big"), _TAG_LENGTH
        )
        self._named = bool(name)
        self.run = ""
        """The random part of this process."""
        self._renew()
        after_fork_in_child(self._renew)

    def _renew(self) -> None:
        self.run = _text(int.from_bytes(os.urandom(16), "big"), _RUN_LENGTH)
        self._prefix = f"fz{self.tag}{self.run}"
        self.own_prefix = f"fz{self.tag}" if self._named else self._prefix
        """What the ids of the strategy begin with, in whatever process; without a name, those of this process."""
        self._count = itertools.count(1)  # next() of it is one step, so that no two threads get the same number

    def new(self) -> str:
        """Returns an id that was never returned before, here or anywhere."""
        return self._prefix + _text(next(self._count), 0)


def _text(number: int, length: int) -> str:
    """A number in base 36: its last ``length`` digits; 0 for all digits and no zeros before them."""
    digits = ""
    while len(digits) < length or (number and not length):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
