"""What the options of a stream mean for the connection beneath it."""

from __future__ import annotations

import ssl

from ..clock import Clock
from ..deadline import Deadline
from ..errors import InputError
from ..net.dial import Destination, Opening
from ..net.dial import open_stream as _open
from ..net.sockets import PlainStream, TlsStream
from ..net.tls import TlsPolicy
from .address import DATAGRAM, Address
from .options import DialOptions

__all__ = ["Opening", "open_stream", "tls_context"]


def tls_context(options: DialOptions) -> ssl.SSLContext:
    """The TLS settings of a stream: certificates and names are verified unless the user wrote that they are not to be.

    Raises:
        InputError: The file of the option ca_file, or the one that the environment names, cannot be read.
    """
    try:
        return TlsPolicy.read(False if options.insecure else options.ca_file or True).context()
    except InputError as error:
        if not options.ca_file:
            raise
        raise InputError(f"the Dial option ca_file: {error}") from None


def open_stream(
    address: Address,
    options: DialOptions,
    context: ssl.SSLContext | None,
    deadline: Deadline,
    opening: Opening,
    clock: Clock,
) -> PlainStream | TlsStream:
    """Opens the connection: name, TCP, proxy, TLS.

    Args:
        address: Where to.
        options: For proxy and local_ip.
        context: The TLS settings where the scheme has TLS.
        deadline: For all of it.
        opening: By which the attempt can be cancelled.
        clock: Measures the deadline.

    Raises:
        ConnectFailed: It could not be opened; the error says which step failed.
        InputError: The environment names a proxy that is none.
        TimedOut: The deadline passed.
        StopRequested: The clock's stop was set while the name was looked up.
    """
    if address.scheme == "unix":
        return _open(Destination(shown=address.shown, path=address.target), deadline, opening, clock)
    destination = Destination(
        shown=address.shown,
        host=address.host,
        port=address.port,
        proxy=options.proxy.proxy_for(address.scheme, address.host, address.port),
        local_ip=options.local_ip,
        tls=context,
        datagram=address.scheme in DATAGRAM,
    )
    return _open(destination, deadline, opening, clock)
