"""Runs a plain script that makes its own ``VCtx`` and calls its own ``main``."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..strategy.program.javascript_source import JavaScriptSource
from ..strategy.program.own_lines import last_line, own_traceback
from ..strategy.program.source import Source
from .backtest_run import RunEnd
from .failures import NoData
from .inputs import BacktestInputs
from .modules.fmz_module import fmz_modules
from .modules.imports import strategy_builtins
from .modules.own_modules import OwnModules
from .progress import showing_progress
from .vctx import ScriptHost, VCtx, script_host

__all__ = ["is_script", "run_script"]


def is_script(source: Source) -> bool:
    """Whether a file runs itself: it calls its ``main``, or makes a ``VCtx``."""
    if isinstance(source, JavaScriptSource):
        return False
    if not source.is_strategy:
        return True
    return any(
        isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "VCtx"
        for node in ast.walk(source.tree)
    )


def run_script(
    source: Source, inputs: BacktestInputs, warn: Callable[[str], None], output: Any = None, *, shown: bool = False
) -> tuple[ScriptHost, RunEnd]:
    """Executes a script; its ``VCtx`` takes the options of the command line.

    Args:
        source: The script.
        inputs: The options.
        warn: Takes warnings.
        output: Where ``print`` writes; None for the standard output.
        shown: Whether the progress of its newest ``VCtx`` is shown.

    Raises:
        FmzError: The settings or the bars are not valid.
    """
    if inputs.args or inputs.template_args or inputs.templates:
        warn(
            f"{source.path} is a script that makes its own VCtx and sets its own variables: --arg and --template have no effect"
        )
    host = ScriptHost(inputs, warn, output)
    code = source.code
    beside = OwnModules(source.path.parent)
    module = ModuleType("__main__", source.docstring)
    host.modules.update(fmz_modules({"VCtx": VCtx}))
    own = strategy_builtins(host.modules, warn, beside=beside, output=output, reads_memory=host.store_lists)
    vars(module).update(__file__=str(source.path), __builtins__=own)
    token = script_host.set(host)
    try:
        with showing_progress(host.progress, shown=shown):
            exec(code, vars(module))  # noqa: S102 (the script that the user named)
        return host, RunEnd("returned", "the script ended")
    except EOFError:
        return host, RunEnd("end", "the end of the backtest")
    except SystemExit:
        return host, RunEnd("exit", "ended by exit()")
    except KeyboardInterrupt:
        return host, RunEnd("interrupted", "interrupted")
    except NoData as error:
        return host, RunEnd("no data", str(error))
    except BaseException as error:  # whatever a script ends with becomes the outcome
        if not host.contexts:
            raise  # it had not begun: the settings are not valid, or it fails before its VCtx
        files = [source.path, *beside.files]
        return host, RunEnd("error", last_line(error, files), own_traceback(error, files))
    finally:
        script_host.reset(token)
