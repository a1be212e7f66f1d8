"""Runs a strategy or a plain script with everything that belongs to it: folder, exchanges, control, signals, output."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..clock import WallClock
from ..errors import FmzError, InputError
from ..exchange.exchange import PAPER_VARIABLE, Exchange
from ..exchange.guards.settings import guards_of
from ..exchange.holdings import SeenHoldings
from ..exchange.keys.credentials import variable
from ..strategy.log.console import ConsoleSink
from ..strategy.namespace import strategy_names
from ..strategy.program.header import header_exchanges
from ..strategy.program.javascript_source import JavaScriptSource
from ..strategy.program.loader import load
from ..strategy.program.parameters import bind
from ..strategy.program.reading import read_source
from ..strategy.program.templates import Template, read_templates
from ..strategy.program.undefined_names import undefined_names
from ..strategy.run.control import ControlListener
from ..strategy.run.folder import ProcessRecord, RunFolder, default_folder
from ..strategy.run.session import INTERRUPTED, LoadedStrategy, RunOutcome, Session, as_script
from ..strategy.runtime import Runtime, use
from .key_files import key_text
from .options import ExchangeSpec, Options

if TYPE_CHECKING:
    from .process_host import ProcessHost

__all__ = ["Launch", "run_strategy"]


_KEYS = ("access_key", "secret_key", "passphrase")


class Launch:
    """One run, from its options to its outcome.

    Args:
        options: What is run, and how.
        exchanges: Ready exchange objects, in place of those of the options.
        host: What this process does for the run when it is the run's own: then signals stop the strategy, one that does not heed its stop
            ends the process, and the standard streams are copied into the run folder. None for a run within another program.

    Raises:
        FmzError: Something is not valid; nothing has begun.
    """

    def __init__(
        self,
        options: Options,
        *,
        exchanges: Sequence[Any] | None = None,
        host: ProcessHost | None = None,
    ) -> None:
        self._options = options
        self._ready = list(exchanges) if exchanges is not None else None
        self._host = host
        self.source = read_source(options.file)
        self.is_strategy = self.source.is_strategy
        self._specs = self._exchange_specs()
        self._values: dict[str, Any] = {}
        self._templates: list[Template] = []
        _ = self.source.code
        if self.is_strategy:
            self._values = bind(self.source, options.args)
            self._templates = read_templates(options.templates, options.template_args, self.source)
        elif options.args or options.templates or options.template_args:
            raise InputError(
                f"{self.source.path} is a plain script (no main that it leaves to the host): it takes no --arg and no --template; "
                "arguments for a script stand after --"
            )
        if self.is_strategy and options.script_arguments:
            raise InputError(f"{self.source.path} is a strategy: it takes --arg NAME=VALUE, no arguments after --")
        self.folder = RunFolder(options.folder if options.folder is not None else default_folder(self.name))
        self._cancel = False
        self._stage: dict[str, Any] = {
            "stage": "starting"
        }  # replaced as a whole; read by the control listener's thread

    @property
    def name(self) -> str:
        """The run's name: the given one, else that of the file."""
        return self._options.name or "".join(c if c.isalnum() or c in "._-" else "_" for c in self.source.name)

    def _exchange_specs(self) -> tuple[ExchangeSpec, ...]:
        options = self._options
        if self._ready is not None:
            if options.exchanges or options.simulated:
                raise InputError(
                    "exchange objects were given: no names of exchanges, and no simulated ones, beside them"
                )
            return ()
        specs = options.exchanges
        if not specs and options.simulated:
            named = header_exchanges(self.source) or [("Binance", "BTC_USDT"), ("OKX", "BTC_USDT")]
            specs = tuple(ExchangeSpec(name=name, currency=pair) for name, pair in named)
        if self.is_strategy and not specs:
            raise InputError(
                f"{self.source.path} needs an exchange: --exchange NAME:PAIR (such as Binance:BTC_USDT), or --simulated"
            )
        if not self.is_strategy and options.guards:
            raise InputError(
                f"{self.source.path} is a plain script, which makes its own exchanges: pass guards= to Exchange instead of --guard"
            )
        if not self.is_strategy and options.paper and self._host is None:
            raise InputError(
                f"{self.source.path} is a plain script, which makes its own exchanges: pass paper=True to Exchange, or use fmzthreads run"
            )
        guards_of(options.guards)
        _check_paper(options.paper)
        for spec in specs:
            guards_of(spec.guards)
            _check_paper(dict(spec.paper))
        if not self.is_strategy and specs and not options.simulated:
            raise InputError(
                f"{self.source.path} is a plain script, which makes its own exchanges: --exchange needs --simulated"
            )
        return specs

    # The run

    def run(self) -> RunOutcome:
        """Runs it to its end.

        Raises:
            FmzError: The folder is taken, an exchange cannot be made, a simulator does not start; the strategy has not begun.
        """
        self._refuse_a_folder_of_another_file()
        former = self.folder.record()
        self.folder.claim(self.name, self.source.path)
        outcome = RunOutcome(INTERRUPTED, "interrupted before it began")
        try:
            with contextlib.ExitStack() as stack:
                outcome = self._run(stack, former)
        except FmzError as error:
            outcome = RunOutcome(2, str(error))
            raise
        finally:
            self.folder.release(outcome.code, outcome.reason)
        return outcome

    def _refuse_a_folder_of_another_file(self) -> None:
        record = self.folder.record()
        if record is None or self._options.name or self._options.folder is not None:
            return
        if record.file != str(self.source.path) and Path(record.file).exists():
            raise InputError(
                f"the run {self.name!r} is that of {record.file}: give this one another --name, or --name {self.name} to go on with its state"
            )

    def _run(self, stack: contextlib.ExitStack, former: ProcessRecord | None) -> RunOutcome:
        options = self._options
        runtime = Runtime(
            WallClock(),
            name=self.name,
            database=self.folder.database,
            console=False,
            run_id=options.run_id or _run_id(self.folder.path),
            meta=options.meta,
        )
        if self._host is not None:
            self._host.show(runtime)
            stack.enter_context(self._host.copying(self.folder))
        else:
            runtime.journal.add_sink(ConsoleSink(runtime.clock, language=options.language))
        stack.callback(runtime.close)
        runtime.holdings = SeenHoldings(runtime.clock, runtime.journal.put_holdings)
        stack.callback(runtime.holdings.flush)
        stack.callback(self._keep_status, runtime)
        if former is not None:
            runtime.journal.restart(
                f"the run goes on; it {'was killed' if former.code is None else f'ended before: {former.reason}'}"
            )
        reach = self._start_simulators(stack)
        stack.enter_context(use(runtime))
        if self._host is not None:
            os.environ.update(reach)
            if options.paper and not self.is_strategy:
                os.environ[PAPER_VARIABLE] = "1"
        exchanges = self._exchanges(runtime, reach, stack)
        control = ControlListener(self.folder.path, lambda request: self._answer(runtime, request))
        stack.callback(control.close)
        self.folder.update(control=control.address, token=control.token)
        # After it listens: a request is either left before this, or sent to the listener.
        left = self.folder.taken_stop()
        if left is not None:
            self._request_stop(runtime, left[1], cancel=left[0])
        self._tell_killed(runtime)
        stack.enter_context(_time_limit(runtime, options.seconds))
        stack.enter_context(_import_path(self.source.path.parent))
        session = Session(
            runtime,
            exit=self._end_process(runtime) if self._host is not None else None,
            before_onexit=lambda: self._before_onexit(runtime),
        )
        self._stage = {"stage": "running"}
        files = [self.source.path, *(template.source.path for template in self._templates)]
        return session.run(lambda: self._load(exchanges, runtime), files, signals=self._host is not None)

    def _start_simulators(self, stack: contextlib.ExitStack) -> dict[str, str]:
        """The environment that leads to the simulated exchanges; empty without."""
        if not self._options.simulated:
            return {}
        from .simulated import (  # the simulator's room is loaded only by those who use it
            environment,
            simulated_exchanges,
        )

        processes = stack.enter_context(
            simulated_exchanges(
                [spec.name for spec in self._specs],
                pairs=[spec.currency for spec in self._specs],
                seed=self._options.seed,
                faults=self._options.faults,
            )
        )
        return environment(processes)

    def _exchanges(self, runtime: Runtime, reach: dict[str, str], stack: contextlib.ExitStack) -> list[Any]:
        if self._ready is not None:
            return self._ready
        if not self.is_strategy:
            return []
        made = []
        for spec in self._specs:
            exchange = make_exchange(self._guarded(spec), runtime, self.folder.path, reach, paper=self._paper(spec))
            stack.callback(exchange.close)
            made.append(exchange)
        return made

    def _load(self, exchanges: list[Any], runtime: Runtime) -> LoadedStrategy | None:
        if not self.is_strategy:
            as_script(self.source, list(self._options.script_arguments))
            return None
        names = strategy_names(exchanges)
        if isinstance(self.source, JavaScriptSource):
            from ..strategy.javascript.program import load_javascript  # its engine is an extra

            return load_javascript(self.source, self._values, self._templates, names)
        program = load(self.source, self._values, self._templates, names)
        # One line at the start, not only a NameError when the line is reached, perhaps hours later; the strategy runs all the same.
        missing = undefined_names(self.source.text, self.source.path, program.namespace)
        if missing:
            words = ", ".join(f"{name} (line {line})" for name, line in missing.items())
            runtime.warning(f"{self.source.path.name} reads names that nothing defines: {words}")
        return program

    def _guarded(self, spec: ExchangeSpec) -> ExchangeSpec:
        """The exchange with the run's guards, unless it has its own."""
        return (
            spec
            if spec.guards is not None or not self._options.guards
            else attrs.evolve(spec, guards=self._options.guards)
        )

    def _paper(self, spec: ExchangeSpec) -> dict[str, Any] | None:
        """The settings of an exchange's paper account; None if it trades for real."""
        paper = self._options.paper
        if not paper:
            return None
        return {**(paper if isinstance(paper, Mapping) else {}), **spec.paper}

    @staticmethod
    def _tell_killed(runtime: Runtime) -> None:
        """Says at the start that the strategy is killed, and cancels what an earlier process left open."""
        killed = runtime.kill_switch.state()
        report = runtime.kill_switch.answer()
        if killed is not None and report is not None:
            why = f" ({killed.reason})" if killed.reason else ""
            runtime.warning(
                f"the strategy is killed{why}: new orders are refused until it is released; {report.words()}"
            )

    # From outside

    def _answer(self, runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
        if "command" in request:
            return {"accepted": runtime.send_command(str(request["command"]))}
        if request.get("killed"):
            report = runtime.kill_switch.answer()
            if report is None:
                return {"killed": False}
            runtime.warning(f"the strategy was killed: new orders are refused; {report.words()}")
            return {"killed": True, **attrs.asdict(report)}
        if request.get("stop"):
            self._request_stop(runtime, str(request.get("by") or ""), cancel=bool(request.get("cancel")))
            return {"stopping": True}
        if request.get("state"):
            profits = runtime.journal.profits()
            lines = runtime.journal.lines()
            return {
                "status": runtime.journal.status_text,
                "profit": profits[-1].value if profits else None,
                "last": attrs.asdict(lines[-1]) if lines else None,
                "stopping": runtime.stop.requested,
                **self._stage,
            }
        return {"error": f"unknown request {sorted(request)!r}"}

    def _request_stop(self, runtime: Runtime, by: str, *, cancel: bool) -> None:
        self._cancel = self._cancel or cancel
        runtime.stop.request(f"stopped by {by[:200] or 'fmzthreads stop'}")

    def _before_onexit(self, runtime: Runtime) -> None:
        if self._cancel:
            self._cancel_orders(runtime)
        self._stage = {**self._stage, "stage": "onexit"}

    def _keep_status(self, runtime: Runtime) -> None:
        """Keeps the status bar's last text in the run folder, for those who look at it after the end."""
        text = runtime.journal.status_text
        if text:
            with contextlib.suppress(OSError):  # a full disk must not change how the run ends
                self.folder.status.write_text(text, "utf-8", "replace")

    def _cancel_orders(self, runtime: Runtime) -> None:
        """Cancels the open orders that the order log has; those that others placed on the same account stay."""
        log = runtime.order_log
        found: list[tuple[Any, str]] = []
        self._stage = {"stage": "cancelling", "orders": 0, "cancelled": 0}
        for exchange in runtime.exchanges:
            open_ids = [order.Id for order in exchange.GetOrders() or []]
            own = log.placed(open_ids) if log is not None else set()
            found += [(exchange, order_id) for order_id in open_ids if order_id in own]
            if len(own) < len(open_ids):
                runtime.journal.log(
                    f"{len(open_ids) - len(own)} open orders on {exchange.GetLabel()} are not this strategy's and stay open"
                )
        cancelled = 0
        for exchange, order_id in found:
            self._stage = {"stage": "cancelling", "orders": len(found), "cancelled": cancelled}
            cancelled += bool(exchange.CancelOrder(order_id, "cancelled at the stop"))
        self._stage = {"stage": "cancelling", "orders": len(found), "cancelled": cancelled}

    def _end_process(self, runtime: Runtime) -> Callable[[RunOutcome], None]:
        def _end(outcome: RunOutcome) -> None:
            with contextlib.suppress(Exception):  # the process is to end whatever fails here
                runtime.flush(5.0)
                self.folder.release(outcome.code, outcome.reason)
                print(f"fmzthreads: {self.source.path.name}: {outcome.reason}", file=sys.stderr, flush=True)
            os._exit(outcome.code)

        return _end


def make_exchange(
    spec: ExchangeSpec, runtime: Runtime, folder: Path, reach: dict[str, str], *, paper: Mapping[str, Any] | None = None
) -> Exchange[None]:
    """Makes an exchange object of a run.

    Args:
        spec: Which one.
        runtime: Its host.
        folder: The run folder, for keys in files.
        reach: The environment variables that lead to simulated exchanges; empty for the real ones.
        paper: The settings of a paper account; None to trade for real.

    Raises:
        FmzError: The venue, the pair, a key, a guard or an option is not valid.
    """
    fields: dict[str, Any] = {"label": spec.label, "period": spec.period, "guards": spec.guards, **spec.options}
    if paper is not None:  # no key is looked at
        base = reach.get(variable(spec.name, "base"), "") if reach else spec.base
        from ..venues.paper.settings import Paper

        account = Paper(**paper)  # not the table itself: an empty one would count as none
        return Exchange(spec.name, spec.currency, host=runtime, base=base, paper=account, **fields)
    fields["paper"] = False
    if reach:
        fields |= {name: reach.get(variable(spec.name, name), "") for name in (*_KEYS, "base")}
        return Exchange(spec.name, spec.currency, host=runtime, **fields)
    keys = {name: getattr(spec, name) or os.environ.get(variable(spec.name, name), "") for name in _KEYS}
    if any(value.startswith("file:///") for value in keys.values()):
        fields |= {name: key_text(value, folder) for name, value in keys.items()}
    else:
        fields |= {
            name: getattr(spec, name) for name in _KEYS
        }  # without any, Exchange itself looks into the key file and the environment
    return Exchange(spec.name, spec.currency, host=runtime, base=spec.base, key_file=spec.key_file, **fields)


def _check_paper(value: object) -> None:
    """Raises what ``paper_of`` does for settings of a paper account that are not valid; loads nothing where there are none."""
    if value is None or value is False or value == {}:
        return
    from ..venues.paper.settings import paper_of

    paper_of(value)


def _run_id(folder: Path) -> int:
    """The bot's id, ``_G()``: nine digits that depend on the folder."""
    return 100_000_000 + int(hashlib.sha256(os.fsencode(folder)).hexdigest()[:12], 16) % 900_000_000


@contextlib.contextmanager
def _time_limit(runtime: Runtime, seconds: float | None) -> Iterator[None]:
    """Requests the stop after so many seconds."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, lambda: runtime.stop.request(f"{seconds:g} seconds are over"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _import_path(folder: Path) -> Iterator[None]:
    """Has modules that lie beside the strategy imported by name."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def run_strategy(
    file: str | os.PathLike[str],
    *,
    exchanges: Sequence[Any] | None = None,
    args: dict[str, Any] | None = None,
    templates: Sequence[str | os.PathLike[str]] = (),
    template_args: dict[str, dict[str, Any]] | None = None,
    simulated: bool = False,
    name: str = "",
    folder: str | os.PathLike[str] | None = None,
    seconds: float | None = None,
    guards: Mapping[str, Any] | None = None,
    paper: bool | Mapping[str, Any] = False,
) -> RunOutcome:
    """Runs a strategy file in this thread and returns how it ended.

    Args:
        file: The strategy, or a plain script.
        exchanges: Exchange objects, or texts such as ``"Binance:BTC_USDT"``.
        args: Values of the strategy's parameters.
        templates: Template files.
        template_args: Values of templates' parameters, by template and name.
        simulated: Whether to start simulated exchanges for the named ones.
        name: The run's name; empty for the file's.
        folder: The run folder; None for the usual place.
        seconds: The longest time to run; None for no limit.
        guards: The limits that each named exchange holds its orders to, by the names of ``Guards``.
        paper: Whether the named exchanges trade on paper; a table of ``Paper``'s fields says how.

    Returns:
        The outcome: ``code`` (0 ended, 1 failed), ``reason`` and ``traceback``.

    Raises:
        FmzError: Something is not valid; the strategy has not begun.
    """
    given = list(exchanges or ())
    named = tuple(ExchangeSpec.parse(one) for one in given if isinstance(one, str))
    if named and len(named) < len(given):
        raise InputError("exchanges holds both texts and exchange objects, expected one kind")
    options = Options(
        file=Path(file),
        exchanges=named,
        simulated=simulated,
        args=args or {},
        templates=tuple(Path(template) for template in templates),
        template_args=template_args or {},
        name=name,
        folder=Path(folder) if folder is not None else None,
        seconds=seconds,
        guards=guards or {},
        paper=paper,
    )
    return Launch(options, exchanges=given if given and not named else None).run()
