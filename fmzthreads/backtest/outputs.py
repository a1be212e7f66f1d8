"""What a backtest leaves: one JSON object, a text summary, a folder with result, report and manifest."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .backtest_run import BacktestRun, RunEnd
from .config.settings import BacktestSettings
from .result.join import as_printed, json_parts

__all__ = [
    "add_monte_carlo",
    "result_object",
    "run_metrics",
    "show_page",
    "summary_text",
    "write_folder",
    "write_report",
]

_MOST_ERRORS = 5


def result_object(run: BacktestRun) -> dict[str, Any]:
    """The object that ``--json`` prints: ``result`` (what ``Join`` gives), ``final`` (the state of each exchange), ``metrics``.

    Nothing in it depends on the machine or on how long the run took.
    """
    result, final = run.result(), run.final()
    return as_printed({"result": result, "final": final, "metrics": run_metrics(run, result, final)})


def run_metrics(run: BacktestRun, result: Mapping[str, Any], final: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of a run.

    Args:
        run: The run.
        result: What ``Join`` gives.
        final: The state of each exchange at the end.
    """
    from .metrics.summary import metrics_of  # only those who print figures compute them

    settings = run.known_settings()
    return metrics_of(result, settings, final=final, fills=run.fills(), bars=run.bars(), year_days=settings.year_days)


def summary_text(whole: Mapping[str, Any], end: RunEnd) -> str:
    """What a run prints for people."""
    from .metrics.table import metrics_table

    result = whole["result"]
    errors = [row for row in result.get("RuntimeLogs", ()) if row[2] == 3]
    lines = [f"{end.text}; {result['LogsCount']} log rows, {len(errors)} errors"]
    lines += [f"  error: {str(row[7]).splitlines()[-1] if row[7] else ''}" for row in errors[:_MOST_ERRORS]]
    if len(errors) > _MOST_ERRORS:
        lines.append(f"  ... and {len(errors) - _MOST_ERRORS} more")
    if result.get("Status"):
        lines += ["", str(result["Status"])]
    lines += ["", metrics_table(whole["metrics"]), ""]
    for state in whole["final"]:
        lines.append(f"{state['name']} {state['currency']}: {_amounts(state['assets'] or ())}")
        lines += [
            f"  position {'long' if row['Type'] in (0, 2) else 'short'} {row['Amount']} {row['Symbol']} at {row['Price']}, profit {row['Profit']}"
            for row in state["positions"] or ()
        ]
        if state["openOrders"]:
            lines.append(f"  {len(state['openOrders'])} open orders")
    return "\n".join(lines)


def _amounts(assets: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{row['Amount'] + row['FrozenAmount']:.8g} {row['Currency']}" for row in assets)


def add_monte_carlo(whole: dict[str, Any], settings: BacktestSettings, runs: int) -> None:
    """Adds ``monte_carlo`` to the metrics; the same seed and number of paths give the same.

    Args:
        whole: The result, final state and metrics.
        settings: The settings of the run, for the seed.
        runs: How many paths, at least 1.
    """
    from .metrics.monte_carlo import monte_carlo_of

    whole["metrics"]["monte_carlo"] = monte_carlo_of(whole["result"], settings, whole["metrics"], runs)


def write_folder(folder: Path, whole: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Writes ``result.json`` and ``manifest.json``.

    Args:
        folder: The folder; it is made when it is missing.
        whole: The result, final state and metrics.
        manifest: What the run was made of.

    Raises:
        InputError: The folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "result.json").open("w", encoding="utf-8") as file:
            file.writelines(json_parts(whole))
            file.write("\n")
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"cannot write to the folder {str(folder)!r}: {error.strerror}") from error


def write_report(whole: Mapping[str, Any], run: BacktestRun, path: Path, title: str = "Backtest") -> None:
    """Writes the report page.

    Args:
        whole: The result, final state and metrics.
        run: The run that they are of.
        path: The file.
        title: The heading.

    Raises:
        InputError: The file cannot be written.
    """
    from .report import write_page  # only those who want a page build one

    more = {"final": whole["final"], "fills": run.fills(), "bars": run.bars()}
    try:
        write_page(whole["result"], run.known_settings(), whole["metrics"], path, title=title, **more)
    except OSError as error:
        raise InputError(f"cannot write the report {str(path)!r}: {error.strerror}") from error


def show_page(whole: Mapping[str, Any], run: BacktestRun, path: Path, *, opened: bool) -> Path:
    """Writes the report page, and opens it in the browser where there is a screen.

    Args:
        whole: The result, final state and metrics.
        run: The run that they are of.
        path: The file.
        opened: Whether it is opened.
    """
    write_report(whole, run, path)
    if opened and (
        sys.platform in {"darwin", "win32"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        import webbrowser  # with subprocess, for the few who look at once

        webbrowser.open(path.resolve().as_uri())
    return path
