"""Self-signed certificates, made afresh: what a client must refuse unless it was told to trust this very one.

The key lies on the curve P-256; numbers are those of SEC 2, version 2.0, section 2.4.2, signing is ECDSA (FIPS 186-5, section 6.4),
and the certificate is X.509 version 3 (RFC 5280) in DER. Good for a simulator on the loopback: the arithmetic makes no attempt to take
the same time for every key.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..clock import Clock, WallClock

__all__ = ["self_signed", "self_signed_context"]

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int] | None  # None is the point at infinity
_VALID_DAYS = 30

_EC_PUBLIC_KEY, _PRIME256V1 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7"
_ECDSA_SHA256, _COMMON_NAME = "1.2.840.10045.4.3.2", "2.5.4.3"
_ALT_NAME, _CONSTRAINTS = "2.5.29.17", "2.5.29.19"


# --- the curve ---


def _add(a: _Point, b: _Point) -> _Point:
    if a is None or b is None:
        return a if b is None else b
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, _P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(factor: int, point: _Point) -> tuple[int, int]:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    assert total is not None  # the factor lies between 1 and the order of the group
    return total


def _sign(key: int, message: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    while True:
        once = secrets.randbelow(_N - 1) + 1
        r = _times(once, _G)[0] % _N
        s = pow(once, -1, _N) * (digest + r * key) % _N
        if r and s:
            return _sequence(_integer(r), _integer(s))


# --- DER ---


def _tagged(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, *parts)


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _identifier(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    body = bytes([first * 40 + second])
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | number & 0x7F)
        body += bytes(reversed(groups))
    return _tagged(0x06, body)


def _bits(data: bytes) -> bytes:
    return _tagged(0x03, b"\0", data)


def _utc_time(moment: datetime) -> bytes:
    return _tagged(0x17, f"{moment:%y%m%d%H%M%S}Z".encode())


def _alternative(host: str) -> bytes:
    """A name, or an address, as a certificate lists it."""
    try:
        return _tagged(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        return _tagged(0x82, host.encode("ascii"))


def _pem(label: str, der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


# --- what is made of it ---


def self_signed(
    hosts: Iterable[str] = ("localhost", "127.0.0.1", "::1"), clock: Clock | None = None
) -> tuple[str, str]:
    """A new certificate that only itself vouches for, good for 30 days.

    Args:
        hosts: The names and addresses that it is for.
        clock: What tells the time; a wall clock when None.

    Returns:
        The certificate and its key, as PEM.
    """
    key = secrets.randbelow(_N - 1) + 1
    x, y = _times(key, _G)
    public = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    now = datetime.fromtimestamp((clock if clock is not None else WallClock()).now(), UTC)
    name = _sequence(_tagged(0x31, _sequence(_identifier(_COMMON_NAME), _tagged(0x0C, b"fmzthreads simulator"))))
    algorithm = _sequence(_identifier(_ECDSA_SHA256))
    names = _tagged(0x04, _sequence(*(_alternative(host) for host in hosts)))
    authority = _tagged(0x04, _sequence(_tagged(0x01, b"\xff")))
    body = _sequence(
        _tagged(0xA0, _integer(2)),
        _integer(secrets.randbits(120) | 1 << 120),
        algorithm,
        name,
        # An hour back, so that a client whose clock is a little behind does not find it too young.
        _sequence(_utc_time(now - timedelta(hours=1)), _utc_time(now + timedelta(days=_VALID_DAYS))),
        name,
        _sequence(_sequence(_identifier(_EC_PUBLIC_KEY), _identifier(_PRIME256V1)), _bits(public)),
        _tagged(
            0xA3,
            _sequence(
                _sequence(_identifier(_CONSTRAINTS), _tagged(0x01, b"\xff"), authority),
                _sequence(_identifier(_ALT_NAME), names),
            ),
        ),
    )
    certificate = _sequence(body, algorithm, _bits(_sign(key, body)))
    private = _sequence(
        _integer(1),
        _tagged(0x04, key.to_bytes(32, "big")),
        _tagged(0xA0, _identifier(_PRIME256V1)),
        _tagged(0xA1, _bits(public)),
    )
    return _pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", private)


def self_signed_context(
    hosts: Iterable[str] = ("localhost", "127.0.0.1", "::1"), *, trust_file: str | Path | None = None
) -> ssl.SSLContext:
    """A server's TLS settings with a new self-signed certificate.

    Args:
        hosts: The names and addresses that the certificate is for.
        trust_file: Where to write the certificate, for clients that are to trust it; None for nowhere.

    Raises:
        OSError: ``trust_file`` cannot be written.
    """
    certificate, key = self_signed(hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # the ssl module loads keys from files alone
        chain = Path(folder) / "chain.pem"
        chain.touch(0o600)
        chain.write_text(certificate + key)
        context.load_cert_chain(chain)
    if trust_file is not None:
        Path(trust_file).write_text(certificate)
    return context
