"""TLS for simulated venues.

Each call creates a new certificate authority.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from ..errors import require

__all__ = ["fresh_tls_context"]

_HOSTS = ("localhost", "127.0.0.1", "::1")


def fresh_tls_context(hosts: Iterable[str] = _HOSTS, *, trust_file: str | Path | None = None) -> ssl.SSLContext:
    """A server's TLS settings with a certificate of a new authority.

    Args:
        hosts: The names and addresses that the certificate is for.
        trust_file: Where to write the authority's certificate, for clients that are to trust it; None for nowhere.

    Raises:
        MissingExtra: trustme is not installed.
        OSError: ``trust_file`` cannot be written.
    """
    authority = require("trustme", "demo").CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    if trust_file is not None:
        Path(trust_file).write_bytes(authority.cert_pem.bytes())
    return context
