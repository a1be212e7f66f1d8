"""``fmzthreads platform``: serves the platform until SIGINT or SIGTERM; the robots go on."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError, require
from ..home import data_folder

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "platform",
        help="serve your own quant platform: robots, logs, charts and commands in a browser, and FMZ's extended API",
        description="Serves the platform on the loopback. Robots are processes of their own: they go on when the platform ends, also when it "
        "is killed, and it finds them again at its next start. At the first start a password is made and printed once.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="the address to listen on (default %(default)s); another than the loopback needs TLS or --behind-proxy")  # fmt: skip
    add("--port", type=int, default=8080, metavar="N", help="the port (default %(default)s); 0 for one that is free")
    add("--folder", type=Path, metavar="F", help="where everything lies (default: ~/.fmzthreads/platform)")
    add("--strategies", type=Path, metavar="F", help="the folder of strategies (default: strategies in --folder)")
    add("--tls-cert", type=Path, metavar="FILE", help="a certificate chain in PEM")
    add("--tls-key", type=Path, metavar="FILE", help="its private key in PEM")
    add("--behind-proxy", nargs="?", const="127.0.0.1,::1", default="", metavar="ADDRESSES", help="a proxy before it adds TLS; what it says of the caller's address is believed if it comes from one of these (default: the loopback)")  # fmt: skip
    add("--allowed-host", action="append", default=[], metavar="NAME", help="a host name under which browsers may reach the pages; may be repeated")  # fmt: skip
    add("--stop-robots", type=float, metavar="S", help="at the end ask all robots to stop, cancel their open orders and run onexit, and wait for them for S seconds; for containers, which end with their first process (default: robots go on)")  # fmt: skip
    add("--reset-password", metavar="NAME", help="make a new password for this account, print it once, and end")
    add(
        "--new-api-key",
        metavar="LABEL",
        help="make a key of the extended API for the first owner, print it once, and end",
    )
    add(
        "--import-robot",
        type=Path,
        metavar="F",
        help="make a stopped robot of a run folder that was copied here, with its settings, log and values, and end",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM.

    Raises:
        FmzError: An option does not fit, or the folder or port cannot be used.
    """
    _check(args)
    from .serving import sigterm_interrupts  # not needed by a command line that only lists its commands

    with sigterm_interrupts():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from .service import Platform

    folder = args.folder if args.folder is not None else data_folder() / "platform"
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    platform = Platform(folder, strategies=args.strategies)
    try:
        if args.reset_password is not None:
            return _reset_password(platform, args.reset_password)
        if args.new_api_key is not None:
            return _new_api_key(platform, args.new_api_key)
        if args.import_robot is not None:
            return _import_robot(platform, args.import_robot)
        first = platform.first_account()
        if first is not None:
            print(
                f"account: {first[0]}\npassword: {first[1]}\n(shown this once; change it in the settings)", flush=True
            )
        platform.settings.put("allowed_hosts", args.allowed_host)
        return _serve(platform, args)
    finally:
        platform.close()


def _serve(platform: Any, args: argparse.Namespace) -> int:
    """Serves until a signal, also one that comes before it listens; then stops the robots if that is asked for."""
    from .serving import serve

    code = 0
    with contextlib.suppress(KeyboardInterrupt):
        code = serve(
            platform,
            host=args.host,
            port=args.port,
            tls_cert=args.tls_cert,
            tls_key=args.tls_key,
            behind_proxy=args.behind_proxy,
        )
    if args.stop_robots is not None:
        from .ending import stop_robots

        stop_robots(platform, args.stop_robots)
    return code


def _reset_password(platform: Any, name: str) -> int:
    import secrets

    for account in platform.accounts.all():
        if account.name.lower() == name.lower():
            password = secrets.token_urlsafe(15)
            platform.accounts.set_password(account.id, password)
            print(f"account: {account.name}\npassword: {password}", flush=True)
            return 0
    raise InputError(f"no account {name!r}")


def _first_owner(platform: Any) -> Any:
    for account in platform.accounts.all():
        if account.role == "owner":
            return account
    raise InputError("there is no account yet: start the platform once")


def _import_robot(platform: Any, folder: Path) -> int:
    made = platform.moved.adopt(_first_owner(platform).actor(via="command"), folder.expanduser().absolute())
    print(f"robot {made.id} was imported and is stopped", *made.notes, sep="\n", flush=True)
    return 0


def _new_api_key(platform: Any, label: str) -> int:
    key, secret = platform.api_keys.create(_first_owner(platform).id, label)
    print(f"access key: {key.access_key}\nsecret key: {secret}", flush=True)
    return 0


def _check(args: argparse.Namespace) -> None:
    require("uvicorn", "platform")
    if not 0 <= args.port <= 65_535:
        raise InputError(f"--port must be 0 to 65535, got {args.port}")
    if args.stop_robots is not None and not 0 <= args.stop_robots <= 86_400:
        raise InputError(f"--stop-robots must be 0 to 86400 seconds, got {args.stop_robots:g}")
    if (args.tls_cert is None) != (args.tls_key is None):
        raise InputError("--tls-cert and --tls-key go together")
    if not _is_loopback(args.host) and args.tls_cert is None and not args.behind_proxy:
        raise InputError(
            f"--host {args.host} can be reached by others: give --tls-cert and --tls-key, or --behind-proxy if a proxy adds TLS"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
