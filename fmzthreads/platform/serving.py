"""Serves the application by uvicorn."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from ..errors import OperationFailed, require
from .app import make_app
from .service import Platform

__all__ = ["listening", "serve", "sigterm_interrupts"]

_STOP_S = 5


def serve(
    platform: Platform,
    *,
    host: str,
    port: int,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    behind_proxy: str = "",
) -> int:
    """Serves until SIGINT or SIGTERM; prints one line of JSON with the address when it listens.

    Args:
        platform: The platform; it is started here.
        host: The address.
        port: The port; 0 for one that is free.
        tls_cert: A certificate chain in PEM.
        tls_key: Its key.
        behind_proxy: The addresses and networks of proxies that are believed about the caller's address, with commas between; empty for none.

    Returns:
        The exit code.

    Raises:
        OperationFailed: The port cannot be had.
    """
    uvicorn = require("uvicorn", "platform")
    bound_socket = listening(host, port)
    bound = bound_socket.getsockname()[1]
    config = uvicorn.Config(
        make_app(platform),
        log_level="warning",
        access_log=False,  # URLs may hold secrets: direct verification has them there
        proxy_headers=bool(behind_proxy),
        forwarded_allow_ips=behind_proxy or None,
        ssl_certfile=str(tls_cert) if tls_cert else None,
        ssl_keyfile=str(tls_key) if tls_key else None,
        timeout_graceful_shutdown=_STOP_S,
        server_header=False,
        lifespan="off",
        ws="none",  # no page uses websockets, and their package takes long to load
    )
    server = uvicorn.Server(config)
    platform.start()
    scheme = "https" if tls_cert else "http"
    shown = f"[{host}]" if ":" in host else host
    print(json.dumps({"url": f"{scheme}://{shown}:{bound}", "port": bound, "pid": os.getpid()}), flush=True)
    # uvicorn sends the signal that ended it to the process again: as an exception it ends this function, and not the process.
    with sigterm_interrupts(), contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[bound_socket])
    return 0


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within it SIGTERM raises KeyboardInterrupt, as Ctrl-C does; in the main thread only.

    The first process of a container, which may have no handler of its own, would not get the signal at all.
    """

    def _interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: The address.
        port: The port; 0 for one that is free.

    Raises:
        OperationFailed: The port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(256)
    except OSError as error:
        made.close()
        raise OperationFailed(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return made
