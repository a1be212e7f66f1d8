"""``fmzthreads run FILE``: runs a strategy or a plain script."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import FmzError
from ..strategy.program.command_options import add_program_options, argument_of
from ..strategy.program.parameters import Parameter, declared
from ..strategy.program.reading import read_source
from .options import ExchangeSpec, Options, guard_of

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Runs a strategy written for FMZ (a file that defines main and leaves calling it to the host), or a plain script that makes its own Exchange
objects. State, log and output are kept in a run folder; a run that was ended or killed goes on with them. Ctrl-C and SIGTERM stop it and
run onexit; a second signal ends it at once."""
_EPILOG = """\
exit codes: 0 ended, 1 the strategy failed, 2 not valid (nothing was started), 130 interrupted; exit(n) in the strategy gives n.
"fmzthreads run --help FILE" lists the parameters of a strategy."""


class _Help(argparse.Action):
    """``--help``: with a file beside it, the strategy's parameters too."""

    def __init__(self, option_strings: Any, dest: str, **rest: Any) -> None:
        super().__init__(
            option_strings, dest, nargs="?", metavar="FILE", help="show this help, and the parameters of FILE"
        )

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        file = values or getattr(namespace, "file", None)
        if file:
            try:
                print(parameters_text(Path(file)))
            except FmzError as error:
                parser.exit(2, f"fmzthreads: {error}\n")
        else:
            parser.print_help()
        parser.exit()


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def add_parser(commands: Any) -> None:
    """Adds the command to the program's parser."""
    parser = commands.add_parser(
        "run",
        help="run a strategy or a plain script, live or against simulated exchanges",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        usage="fmzthreads run FILE [options] [-- ARGUMENTS OF A PLAIN SCRIPT]",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the strategy or script")
    parser.add_argument("-h", "--help", action=_Help)
    add = parser.add_argument
    add(
        "--exchange",
        action="append",
        default=[],
        metavar="NAME:PAIR",
        help="an exchange, such as Binance:BTC_USDT; may be repeated",
    )
    add(
        "--simulated",
        action="store_true",
        help="start a simulated exchange for each named one (Binance and OKX if none is named)",
    )
    add_program_options(parser)
    add(
        "--config", type=Path, metavar="FILE.toml", help="the same settings from a file, and keys; - for standard input"
    )
    add("--name", default="", help="the run's name (default: the file's); it names the run folder")
    add("--folder", type=Path, metavar="F", help="the run folder (default: ~/.fmzthreads/runs/NAME)")
    add("--seconds", type=_seconds, metavar="N", help="stop after so many seconds")
    add("--json", action="store_true", help="print one line of JSON for each event")
    add("--seed", type=int, metavar="N", help="seed of simulated prices (default 1)")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="[VENUE:]NAME=VALUE",
        help="a fault of simulated exchanges, such as okx:error_5xx=0.2",
    )
    add(
        "--guard",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a limit for orders, such as max_order_value=1000 (docs/guards.md)",
    )
    add(
        "--paper",
        action="store_true",
        help="trade on paper: real market data, no keys, orders filled against the real book (docs/paper.md)",
    )
    add("--language", choices=("en", "zh"), help="the language of texts in two languages (default en)")
    parser.set_defaults(run=run)


def options_of(args: argparse.Namespace) -> Options:
    """The options of a parsed command line, joined with those of its config file.

    Raises:
        InputError: An option or the config file is not valid.
    """
    from .config import merged, read_config

    values: dict[str, Any] = {}
    templates: dict[str, dict[str, Any]] = {}
    for text in args.arg:
        template, name, value = argument_of(text)
        (templates.setdefault(template, {}) if template else values)[name] = value
    given = {
        "exchanges": tuple(ExchangeSpec.parse(text) for text in args.exchange),
        "simulated": args.simulated,
        "args": values,
        "template_args": templates,
        "templates": tuple(args.template),
        "name": args.name,
        "folder": args.folder,
        "seconds": args.seconds,
        "json": args.json,
        "seed": args.seed,
        "faults": tuple(args.fault),
        "language": args.language,
        "script_arguments": tuple(args.script_arguments),
    }
    guards: dict[str, Any] = {}
    for text in args.guard:
        name, number = guard_of(text)
        guards[name] = {**guards[name], **number} if isinstance(number, dict) and name in guards else number
    given |= {"guards": guards, "paper": args.paper}
    config = read_config(args.config) if args.config is not None else {}
    return merged({"file": args.file, **given}, config)


def run(args: argparse.Namespace) -> int:
    """Runs the file and returns the exit code.

    Raises:
        FmzError: Something is not valid; nothing was started.
    """
    from .launch import Launch
    from .process_host import ProcessHost

    options = options_of(args)
    host = ProcessHost(options)
    host.limit()
    launch = Launch(options, host=host)
    outcome = launch.run()
    host.say(launch.source.path.name, outcome)
    host.leave(outcome.code)
    return outcome.code


def parameters_text(file: Path) -> str:
    """The parameters of a strategy, as ``--help FILE`` shows them.

    Raises:
        InputError: The file or its declaration is not valid.
    """
    source = read_source(file)
    if not source.is_strategy:
        return f"{file} is a plain script: it takes no parameters; arguments for it stand after --"
    parameters = declared(source)
    if not parameters:
        return f"{file} declares no parameters; --arg NAME=VALUE sets a global of that name"
    lines = [f"parameters of {file}:"]
    group = ""
    for parameter in parameters:
        if parameter.group and parameter.group != group:
            lines.append(f"\n{parameter.group}:")
        group = parameter.group
        lines += _lines(parameter)
    return "\n".join(lines)


def _lines(parameter: Parameter) -> list[str]:
    if parameter.kind == "encrypted":
        default = "a secret"
    elif parameter.required and parameter.default in (None, "", []):
        default = "required"
    else:
        default = f"default {parameter.default!r}"
    facts = [f"{parameter.expected()}", default]
    if parameter.filter:
        facts.append(f"used when {parameter.filter}")
    lines = [f"  --arg {parameter.name}=...   {'; '.join(facts)}"]
    about = parameter.label if parameter.label != parameter.name else ""
    about = f"{about}: {parameter.description}" if about and parameter.description else about or parameter.description
    return [*lines, f"      {about}"] if about else lines
