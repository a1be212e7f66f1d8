"""The TLS policy of REST and streams: which certificates are trusted."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import attrs

from ..errors import InputError

__all__ = ["TlsPolicy"]

# The first one that is set is used. requests reads the first two, OpenSSL the others.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@attrs.frozen
class TlsPolicy:
    """Which certificate authorities are trusted.

    Attributes:
        verify: Whether certificates are verified.
        bundle: The file or folder of the authorities to trust; empty for the system's and certifi's.
    """

    verify: bool = True
    bundle: str = ""

    @classmethod
    def read(cls, verify: bool | str, variables: Mapping[str, str] | None = None) -> TlsPolicy:
        """Makes the policy from an option and the environment.

        Args:
            verify: True for the usual authorities, a path to a file or folder of others, False to check nothing.
            variables: The environment, whose ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are used
                with True, in this order; the process's own when None. An empty one leaves certifi's authorities alone.
        """
        if isinstance(verify, str):
            return cls(True, verify)
        if not verify:
            return cls(False)
        if variables is not None and not variables:
            return cls(True, _certifi())
        found = os.environ if variables is None else variables
        return cls(True, next((found[name] for name in _VARIABLES if found.get(name)), ""))

    def context(self, *protocols: str) -> ssl.SSLContext:
        """The TLS context; equal policies share one.

        Args:
            protocols: Protocols to offer by ALPN; empty to offer none.

        Raises:
            InputError: The bundle cannot be read.
        """
        try:
            changed = Path(self.bundle).stat().st_mtime_ns if self.bundle and os.pathsep not in self.bundle else 0
            return _context(self.verify, self.bundle, changed, protocols)
        except OSError as error:  # includes ssl.SSLError
            why = error.strerror or getattr(error, "reason", "") or type(error).__name__
            raise InputError(f"cannot read the CA bundle {self.bundle!r}: {why}") from None


def _certifi() -> str:
    """The file of certifi's authorities; it is loaded with the first of them, so that programs start faster."""
    import certifi

    return certifi.where()


# Reading the authorities takes longer than a handshake, and many books are opened at once.
@functools.lru_cache(maxsize=16)
def _context(verify: bool, bundle: str, _changed: int, protocols: tuple[str, ...]) -> ssl.SSLContext:
    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not bundle:
        context = ssl.create_default_context()
        context.load_verify_locations(_certifi())
    elif Path(bundle).is_file():
        context = ssl.create_default_context(cafile=bundle)
    else:
        context = ssl.create_default_context(capath=bundle)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
