"""The address that a server of a strategy listens on.

Source: FMZ's syntax guide, "threading.Serve": ``http://[ip]:port?options`` or ``tcp://ip:port``; port 0 picks a free one.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs

from ..errors import InputError

__all__ = ["ServeAddress"]

_OPTIONS = frozenset({"gzip", "tls", "cert_pem", "cert_key_pem", "pprof"})


@attrs.frozen
class ServeAddress:
    """Where a server listens, and how.

    Attributes:
        http: Whether it speaks HTTP; TCP otherwise.
        host: The IP address or name; empty for every IPv4 address of the machine.
        port: The port; 0 for one that is free.
        gzip: Whether replies are compressed for clients that accept that.
        tls: The TLS context; None for none.
    """

    http: bool
    host: str
    port: int
    gzip: bool = False
    tls: ssl.SSLContext | None = attrs.field(default=None, repr=False)

    @classmethod
    def read(cls, uri: str) -> ServeAddress:
        """Reads FMZ's form of it.

        Raises:
            InputError: It is not one, an option is unknown, or the certificate is missing or not valid.
        """
        shown = uri.partition("?")[0]  # the key of a certificate stays out of errors
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise InputError(
                f"{shown!r} is not an address to listen on, expected such as 'http://127.0.0.1:8080'"
            ) from None
        if parts.scheme not in {"http", "tcp"}:
            raise InputError(f"cannot serve {shown!r}: expected http:// or tcp://")
        if port is None or parts.path not in {"", "/"} or parts.username is not None:
            raise InputError(f"{shown!r} is not an address to listen on, expected such as 'http://127.0.0.1:8080'")
        options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        for name in options:
            if name not in _OPTIONS:
                raise InputError(f"unknown option {name!r} of {shown!r}, expected gzip, tls, cert_pem or cert_key_pem")
        tls = _tls(options.get("cert_pem", ""), options.get("cert_key_pem", "")) if _is_true(options, "tls") else None
        return cls(parts.scheme == "http", host, port, _is_true(options, "gzip"), tls)


def _is_true(options: dict[str, str], name: str) -> bool:
    return options.get(name, "").lower() in {"true", "1"}


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    """A context of a certificate and its key, which are PEM texts."""
    if not certificate or not key:
        raise InputError("tls=true needs cert_pem and cert_key_pem, as URL-encoded PEM")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads them from a file only; mkstemp's is readable by this user alone.
    number, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(f"{certificate.strip()}\n{key.strip()}\n")
        context.load_cert_chain(name)
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"cert_pem and cert_key_pem are not a certificate and its key: {error.strerror or type(error).__name__}"
        ) from None
    finally:
        Path(name).unlink()
    return context
