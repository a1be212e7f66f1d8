"""The command ``fmzthreads simulate``: one simulated venue or one recording."""

from __future__ import annotations

import argparse
import json
import os
import signal
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import FmzError, InputError
from .faults import Faults

if TYPE_CHECKING:
    from .replay.player import StreamPlayer
    from .server import SimulatorServer

__all__ = ["add_parser", "configure", "main", "run"]


def add_parser(subparsers: Any) -> None:
    """Adds ``simulate`` to a command line.

    The argument is Any because argparse has no public name for what ``add_subparsers`` returns.
    """
    configure(
        subparsers.add_parser(
            "simulate",
            help="run a simulated exchange on the loopback",
            description="Runs one simulated exchange and prints one JSON line with its addresses and a key with funds. "
            "Ctrl-C ends it.",
        )
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``simulate`` and its ``run`` to a parser."""
    add = parser.add_argument
    add("--venue", choices=("binance", "okx"), help="exchange whose API it speaks")
    add("--replay", metavar="FILE", help="play a recording of a websocket instead of simulating a venue")
    add("--rest", metavar="FILE", help="recorded REST calls that go with --replay")
    add("--port", type=int, default=0, metavar="N", help="the port; 0 (the default) for one that is free")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="the address to listen on (default %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the generated market (default %(default)s)")
    add("--data", metavar="FILE", help="bars that the first symbol's price follows: CSV, or a zipped minute file")
    add(
        "--speed",
        type=float,
        metavar="X",
        help="bars of --data a second, or how many times faster --replay goes (default 1)",
    )
    add(
        "--data-origin-ms",
        type=int,
        metavar="MS",
        help="the time that the replay begins at; the first bar's by default",
    )
    add(
        "--symbol",
        action="append",
        metavar="SYMBOL[=PRICE]",
        help="a pair to trade and the price that it starts at, such as SOL_USDT=150 (default BTC_USDT and ETH_USDT, which need no price); "
        "may be repeated",
    )
    add(
        "--product",
        action="append",
        default=[],
        metavar="PRODUCT",
        help="what can be traded besides spot: um or cm for Binance's contracts in USDT or in the coin, swap for OKX's, quarter for those with a delivery; may be repeated",
    )
    add(
        "--balance",
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="what the account starts with; may be repeated",
    )
    add(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=VALUE[@PATH]",
        help="a fault to begin with; may be repeated",
    )
    add("--latency-ms", type=float, metavar="MS", help="how long every reply takes")
    add("--jitter-ms", type=float, metavar="MS", help="up to how much longer, at random")
    add(
        "--rate-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="the venue's request limits times X; 0 switches them off",
    )
    add(
        "--weight-window-s", type=int, default=60, metavar="N", help="Binance's window of request weight, in seconds (default %(default)s)"
    )  # fmt: skip
    add(
        "--deviation",
        type=float,
        metavar="PART",
        help="how far this venue's price strays from the common one: the standard deviation, as a part of the price (default 0.0008)",
    )
    add("--checksums", action="store_true", help="OKX's books carry real checksums, as they did until June 2026")
    add("--tls", action="store_true", help="serve TLS with a certificate of a new authority")
    add(
        "--certificate",
        metavar="FILE",
        help="where to write the authority's certificate of --tls, for clients that are to trust it",
    )
    add("--until-stdin-closes", action="store_true", help="also end when the standard input is closed")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM.

    Returns:
        0.

    Raises:
        FmzError: An option does not fit, the port cannot be had, or the extra ``server`` is missing.
    """
    if args.speed is not None and args.data is None and args.replay is None:
        raise InputError("--speed is the pace of --data or --replay; without a file it means nothing")
    server = _player(args) if args.replay is not None else _server(args)
    with _ended_by_signals() as ended:
        try:
            with server:
                print(_announcement(server), flush=True)
                if args.until_stdin_closes:
                    threading.Thread(target=_watch_stdin, args=(ended,), name="fmzthreads-stdin", daemon=True).start()
                ended.wait()
        finally:
            server.stop()
    return 0


def _server(args: argparse.Namespace) -> SimulatorServer:
    """The simulated venue that the options ask for."""
    # Imported here, so that a command line which only lists its commands does not pay for the exchange.
    from .market.maker import MarketSettings
    from .server import SimulatorServer
    from .transport.stream_settings import StreamSettings

    if args.venue is None:
        raise InputError("--venue says whose dialect to speak, or --replay what to play; one of the two is needed")
    options: dict[str, Any] = {"symbols": args.symbol} if args.symbol else {}
    if args.product:
        options["products"] = args.product
    if args.balance:
        options["balances"] = _balances(args.balance)
    if args.speed is not None:
        options["speed"] = args.speed
    if args.deviation is not None:
        options["settings"] = MarketSettings(deviation=args.deviation)
    return SimulatorServer(
        args.venue, port=args.port, host=args.host, seed=args.seed, data=args.data, data_origin_ms=args.data_origin_ms,
        faults=_faults(args), rate_scale=args.rate_scale, weight_window_s=args.weight_window_s, tls=_tls(args),
        streams=StreamSettings(checksums=args.checksums), **options,
    )  # fmt: skip


def _player(args: argparse.Namespace) -> StreamPlayer:
    """The recording that the options ask for."""
    from .replay.player import StreamPlayer

    if args.venue is not None or args.data is not None:
        raise InputError("--replay plays a recording; it goes with neither --venue nor --data")
    return StreamPlayer(
        args.replay, rest=args.rest, speed=1.0 if args.speed is None else args.speed, port=args.port, host=args.host,
        faults=_faults(args), tls=_tls(args),
    )  # fmt: skip


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    """TLS with a new certificate, where it was asked for.

    Raises:
        InputError: ``--certificate`` is given without ``--tls``, or the file cannot be written.
        MissingExtra: trustme is not installed.
    """
    if not args.tls:
        if args.certificate is not None:
            raise InputError("--certificate requires --tls")
        return None
    from .certificates import fresh_tls_context

    try:
        return fresh_tls_context(trust_file=args.certificate)
    except OSError as error:
        raise InputError(f"{args.certificate}: cannot be written: {error.strerror or error}") from None


def _announcement(server: SimulatorServer | StreamPlayer) -> str:
    """The one line that says where it is and how to sign.

    The key is good for this process only.
    """
    from .replay.player import StreamPlayer

    where = {
        "base_url": server.base_url,
        "stream_url": server.stream_url,
        "control_url": server.base_url + "/_simulator",
        "port": server.port,
        "pid": os.getpid(),
    }
    if isinstance(server, StreamPlayer):
        return json.dumps({"replay": str(server.path), **where})
    return json.dumps(
        {
            "venue": server.venue,
            **where,
            "symbols": list(server.symbols),
            "products": list(server.products),
            **({"contract_stream_urls": server.contract_stream_urls} if server.contract_stream_urls else {}),
            "key": server.key,
            "secret": server.secret,
            "passphrase": server.passphrase,
        }
    )


def _faults(args: argparse.Namespace) -> Faults:
    faults = Faults(args.seed)
    for name in ("latency_ms", "jitter_ms"):
        value = getattr(args, name)
        if value is not None:
            faults.set(**{name: value})
    for text in args.fault:
        faults.set_text(text)
    return faults


def _balances(texts: Sequence[str]) -> dict[str, Decimal]:
    """Reads ``ASSET=AMOUNT``.

    Raises:
        InputError: It is not of that form, or the amount is no number of at least 0.
    """
    balances = {}
    for text in texts:
        asset, _, amount = text.partition("=")
        try:
            value = Decimal(amount)
        except InvalidOperation:
            value = Decimal("NaN")
        if not asset or not value.is_finite() or value < 0:
            raise InputError(f"--balance must be ASSET=AMOUNT with an amount of 0 or more, got {text!r}")
        balances[asset] = value
    return balances


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set.

    The handlers before are put back.
    """
    ended = threading.Event()

    def _end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, _end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch_stdin(ended: threading.Event) -> None:
    """Ends the program when its standard input is closed."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ended.set()


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m fmzthreads.simulator``.

    Returns:
        0, or 2 when an option does not fit or something is missing.
    """
    parser = argparse.ArgumentParser(prog="python -m fmzthreads.simulator", description="One simulated exchange.")
    configure(parser)
    args = parser.parse_args(argv)
    try:
        return run(args)
    except FmzError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
