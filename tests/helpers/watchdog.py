"""Runs a call that must end by itself."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_S = 30.0


def at_once(call: Callable[[], T], what: str) -> T:
    """Runs a call that must not hang; the process ends with a traceback of all threads if it does.

    A loop inside the interpreter (a power with a huge exponent) cannot be interrupted by another thread, so that nothing gentler works.

    Args:
        call: The call.
        what: What it is; written before, so that the traceback's reader knows.
    """
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    try:
        return call()
    except Exception as error:
        error.add_note(what)
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()
