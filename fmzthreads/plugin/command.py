"""The command ``fmzthreads plugin``: serves a class, or an exchange of fmzthreads, by the general protocol."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from ..errors import InputError

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Adds ``plugin`` to a command line.

    The argument is Any because argparse has no public name for what ``add_subparsers`` returns.
    """
    parser = subparsers.add_parser(
        "plugin",
        help="serve an exchange of one's own by FMZ's general protocol",
        description="Serves a class with plain methods (GetTicker, GetDepth, ..., CreateOrder), or an exchange of fmzthreads, by FMZ's "
        "general protocol, and prints one JSON line with its address. SIGTERM and Ctrl-C end it after the running calls.",
    )
    add = parser.add_argument
    add("target", nargs="?", metavar="MODULE:CLASS", help="the class, in a module or in a file (file.py:Class)")
    add("--venue", metavar="NAME", help="an exchange of fmzthreads in place of a class, such as Binance")
    add("--base", default="", metavar="URL", help="the base URL of --venue")
    add("--own-keys", action="store_true", help="use the environment's keys of --venue for every request")
    add("--port", type=int, default=6666, metavar="N", help="the port (default %(default)s); 0 for one that is free")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="the address to listen on (default %(default)s)")
    add("--key", action="append", default=[], metavar="ACCESS", help="an access key to accept; may be repeated")
    add(
        "--key-file",
        metavar="FILE",
        help="a file (mode 0600) of accepted keys, one a line, each with its secret after a space or alone",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM; a second one ends the process at once.

    Returns:
        0, or 1 if a call was still running at the end.

    Raises:
        FmzError: An option does not fit, the class cannot be loaded, or the port cannot be had.
    """
    from .keys import AllowedKeys, read_key_file  # not needed by a command line that only lists its commands
    from .server import PluginServer

    if not 0 <= args.port <= 65_535:
        raise InputError(f"--port must be 0 to 65535, got {args.port}")
    if (args.target is None) == (args.venue is None):
        raise InputError("one of MODULE:CLASS and --venue is needed, not both")
    if args.venue is None and (args.base or args.own_keys):
        raise InputError("--base and --own-keys go with --venue")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    keys = AllowedKeys([*args.key, *(read_key_file(args.key_file) if args.key_file else ())])
    ended = threading.Event()
    _end_by_signals(ended)
    target = _target(args)
    server = PluginServer(target, host=args.host, port=args.port, keys=keys).start()
    print(json.dumps({"address": server.address, "port": server.port, "pid": os.getpid()}), flush=True)
    ended.wait()
    done = server.stop()
    close = getattr(target, "close", None)
    if callable(close):
        close()
    return 0 if done else 1


def _target(args: argparse.Namespace) -> object:
    if args.venue is None:
        from .target import load_target

        return load_target(args.target)
    from .wrapped import VenuePlugin

    return VenuePlugin(args.venue, own_keys=args.own_keys, base=args.base)


def _end_by_signals(ended: threading.Event) -> None:
    def _end(_number: int, _frame: FrameType | None) -> None:
        ended.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
