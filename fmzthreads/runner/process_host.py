"""What a run that has a process of its own does with that process: its standard streams, the display, its end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from ..errors import InputError, MissingExtra
from ..fork import after_fork_in_child
from ..strategy.log.console import ConsoleSink
from ..strategy.run.folder import RunFolder
from ..strategy.run.session import FAILED, INTERRUPTED, RunOutcome
from ..strategy.runtime import Runtime
from .options import Options
from .outputs import JsonSink, RotatingFile, Tee, json_line

__all__ = ["ProcessHost"]


class ProcessHost:
    """The standard streams of this process, for one run.

    Args:
        options: The run's options: ``json``, ``quiet``, ``language`` and the limits matter here.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stdout = sys.stdout
        self._stderr = sys.stderr
        self._forward: Callable[[str], object] | None = None  # where stdout goes in place of the stream itself
        self._lock = threading.Lock()  # guards that a line of JSON is printed as a whole
        after_fork_in_child(self._start_anew)

    def limit(self) -> None:
        """Sets the limits of the process, for itself and for what it starts.

        Raises:
            InputError: A limit is not possible here.
        """
        wanted = {
            "memory_mb": ("RLIMIT_DATA", self._options.memory_mb * 2**20),
            "open_files": ("RLIMIT_NOFILE", self._options.open_files),
        }
        for option, (name, value) in wanted.items():
            if not value:
                continue
            try:
                import resource  # POSIX only

                number = getattr(resource, name)
                most = resource.getrlimit(number)[1]
                resource.setrlimit(
                    number, (value, value) if most == resource.RLIM_INFINITY or value <= most else (most, most)
                )
            except (ImportError, ValueError, OSError) as error:
                raise InputError(f"{option} = {getattr(self._options, option)} cannot be set here: {error}") from error

    def _start_anew(self) -> None:
        """In the child of a fork: a lock of its own."""
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def copying(self, folder: RunFolder) -> Iterator[None]:
        """Copies what the strategy prints into the run folder; with ``--json`` each text becomes an event."""
        files = RotatingFile(folder.stdout), RotatingFile(folder.stderr)
        drop: Callable[[str], object] | None = str if self._options.quiet else None
        sys.stdout, sys.stderr = Tee(self._stdout, files[0], drop or self._forward), Tee(self._stderr, files[1], drop)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = self._stdout, self._stderr
            for file in files:
                file.close()

    def _print_json(self, event: dict[str, object]) -> None:
        if event.get("text") != "":
            self._print(json_line(event))

    def _print(self, text: str) -> None:
        with self._lock:
            self._stdout.write(text)
            self._stdout.flush()

    def show(self, runtime: Runtime) -> None:
        """Makes the journal's lines visible: as JSON, as a live display on a terminal that rich can draw on, as plain lines, or not at all."""
        options = self._options
        if options.quiet:
            return
        if options.json:
            self._forward = lambda text: self._print_json({"type": "stdout", "text": text})
            runtime.journal.add_sink(JsonSink(self._print))
            return
        if self._stdout.isatty() and os.environ.get("TERM") != "dumb" and os.name == "posix":
            with contextlib.suppress(MissingExtra):
                from .display import LiveSink

                live = LiveSink(self._stdout, runtime.name, language=options.language)
                self._forward = live.print_text
                runtime.journal.add_sink(live)
                return
        runtime.journal.add_sink(ConsoleSink(runtime.clock, language=options.language, stream=self._stdout))

    def say(self, file: str, outcome: RunOutcome) -> None:
        """Says how the run ended: the last event, or a line on stderr where it did not end by itself."""
        if self._options.json:
            self._print_json({"type": "end", "code": outcome.code, "reason": outcome.reason})
        elif outcome.code == INTERRUPTED:
            print("interrupted", file=self._stderr, flush=True)
        elif outcome.code == FAILED and outcome.traceback:
            print(f"fmzthreads: {file} failed: {outcome.reason}", file=self._stderr, flush=True)

    def leave(self, code: int) -> None:
        """Ends the process now if threads of the strategy would keep it alive; on FMZ they end with ``main``."""
        others = [
            thread
            for thread in threading.enumerate()
            if thread is not threading.main_thread() and not thread.daemon and not thread.name.startswith("fmzthreads")
        ]
        if others:
            with contextlib.suppress(OSError, ValueError):
                self._stdout.flush()
                self._stderr.flush()
            os._exit(code)
