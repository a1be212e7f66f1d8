"""Which addresses the platform may listen on, and by which host names it is reached."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import InputError
from ...net.hosts import is_loopback

__all__ = ["LOOPBACK_NAMES", "check_listening", "host_names"]

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def check_listening(host: str, *, has_tls: bool, behind_proxy: bool, names: Sequence[str]) -> None:
    """Refuses an address that others reach without encryption.

    Args:
        host: The address.
        has_tls: Whether the platform itself speaks TLS.
        behind_proxy: Whether a proxy that speaks TLS stands in front.
        names: The host names that it is to be reached by.

    Raises:
        InputError: It is not the loopback, and there is neither TLS nor a proxy; or no host name is given.
    """
    if is_loopback(host):
        if behind_proxy and not names:
            raise InputError("--behind-proxy needs --host-name NAME: the name that browsers reach the proxy by")
        return
    if not has_tls and not behind_proxy:
        raise InputError(
            f"--host {host} is reached by others, and passwords would travel in the clear: "
            "give --certificate and --private-key, or --behind-proxy when a proxy with TLS stands in front"
        )
    if not names:
        raise InputError(f"--host {host} needs --host-name NAME: the name or address that browsers reach it by")


def host_names(names: Sequence[str]) -> frozenset[str]:
    """The host names that requests may have, in lower case, without ports: those given and those of the loopback."""
    return frozenset(name.strip().lower() for name in (*names, *LOOPBACK_NAMES))
