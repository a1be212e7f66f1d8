"""Host names and addresses as they are written on the wire."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["ascii_host", "authority", "ip_address", "is_loopback"]

_NAME = re.compile(r"[a-z0-9._-]{1,253}")


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address, if the host is one (an IPv6 scope is ignored); None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, judged by the name alone."""
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = ip_address(host)
    return address is not None and address.is_loopback


def ascii_host(host: str) -> str:
    """The host in lower case, encoded by IDNA if it is not ASCII.

    Raises:
        ValueError: It is longer than 253 bytes, has an empty part or one of more than 63 bytes, or a character that is not allowed in host
            names.
    """
    if ip_address(host) is not None:
        return host.lower()
    name = host.encode("idna").decode("ascii").lower()
    if not _NAME.fullmatch(name):
        raise ValueError("not a host name")
    return name


def authority(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
