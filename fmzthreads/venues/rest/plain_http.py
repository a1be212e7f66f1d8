"""Refuses to send keys without encryption."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...errors import InputError, short_repr
from ...http.url import split_url
from ...net.hosts import is_loopback

__all__ = ["PlainHttpCheck"]

_log = logging.getLogger("fmzthreads.venues")


def _log_warning(text: str) -> None:
    _log.warning("%s", text)


class PlainHttpCheck:
    """Refuses ``http://`` URLs of other machines, or warns of them if the user allowed it.

    Whoever is on the way could read the signed requests, and use the key and the passphrase that are in their headers.

    Args:
        venue: The venue's name, for messages.
        allow: Whether keys may be sent without encryption to a host other than the loopback.

    Raises:
        InputError: ``allow`` is neither True nor False.
    """

    def __init__(self, venue: str, *, allow: bool) -> None:
        if not isinstance(allow, bool):
            raise InputError(f"allow_plain_http must be True or False, got {short_repr(allow)}")
        self._venue = venue
        self._allow = allow
        self.warn: Callable[[str], None] = _log_warning
        """Gets the warnings."""
        self._warned_of = ""  # the base whose warning was written

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings go; they are written again."""
        self.warn = warn
        self._warned_of = ""

    def check(self, url: str) -> None:
        """Refuses a URL, or warns of it; call it only if there are keys.

        Raises:
            InputError: It is an ``http://`` URL of another machine, and that is not allowed.
        """
        if not url or url[:8].lower() == "https://":  # without a base URL nothing is sent
            return
        origin, _, _ = split_url(url)
        # Names below .localhost are left out: not every resolver keeps them on this machine.
        if origin.tls or (is_loopback(origin.host) and not origin.host.endswith(".localhost")):
            return
        if not self._allow:
            raise InputError(
                f"{self._venue}: {origin} is not encrypted, and keys would be readable on the way; expected an https:// URL "
                "(or allow_plain_http=True); nothing was sent"
            )
        if self._warned_of != str(origin):
            self._warned_of = str(origin)
            self.warn(f"{self._venue}: keys are sent to {origin} without encryption (allow_plain_http=True)")
