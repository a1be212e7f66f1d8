"""``PluginRun``: runs a script of the caller in a process of its own, for five minutes at most, and returns its log and its result.

Source: FMZ's user guide, "Extended API Interface", ``PluginRun``: the script's entry is ``main``, and what it returns comes back as JSON text.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError, OperationFailed
from ...strategy.log.log_database import store_left_lines
from ...strategy.store import Store
from ..access import Actor
from ..nodes.local import OUTPUT, own_environment
from ..robots.start_orders import split_args
from ..robots.tables import RobotTables
from ..service import Platform
from ..store.exchange_accounts import KEY_FIELDS
from .robot_settings import args_of, exchanges_of, settings_of

__all__ = ["plugin_run"]

LIMIT_S = 300.0
_KEY = "fmzthreads plugin result"
_MEMORY_MB = 2048
_MOST_SOURCE = 1_000_000
_turns = threading.BoundedSemaphore(4)  # so many run at once, in the whole process

# What has main keep its result, behind the script so that the numbers of its lines stay.
_WRAPPERS = {
    ".py": "\n\ndef main(_plugin_main=main):\n    import json\n    _G({key}, json.dumps(_plugin_main(), default=str))\n",
    ".js": "\n;var __plugin_main = main; main = function () {{ var r = __plugin_main(); _G({key}, r === undefined ? null : JSON.stringify(r)); }};\n",
}


def plugin_run(platform: Platform, actor: Actor, args: dict[str, Any]) -> str:
    """The result of ``PluginRun``: JSON text with ``logs`` and ``result``.

    Args:
        platform: The platform.
        actor: Who calls; only owners, since the script is code.
        args: ``settings``: ``source`` (or ``strategy``), ``args``, ``exchanges``, ``period``, ``language``.

    Raises:
        NotPermitted: The caller is not an owner.
        InputError: The settings are not valid.
        OperationFailed: Too many scripts run, or it took more than five minutes.
    """
    actor.check_owner("run scripts")
    given = args["settings"] or {}
    ending, source = _source(platform, given)
    config = _config(platform, given)
    platform.audit.add(actor, "run script", "", f"{len(source)} characters")
    if not _turns.acquire(blocking=False):
        raise OperationFailed("four scripts run already: try again when one has ended")
    try:
        # Where it lies does not matter: it is deleted at the end, with all that the script left.
        with tempfile.TemporaryDirectory(prefix="fmzthreads-plugin-", ignore_cleanup_errors=True) as folder:
            return _run(Path(folder), f"plugin{ending}", source, config)
    finally:
        _turns.release()


def _source(platform: Platform, given: Mapping[str, Any]) -> tuple[str, str]:
    source = given.get("source") or given.get("code")
    if source is None:
        strategy = settings_of({"name": "plugin", "strategy": given.get("strategy", 0)})[0].strategy_id
        if not strategy:
            raise InputError("settings has neither source nor strategy")
        file = platform.strategies.get(strategy).file
        return Path(file).suffix, platform.strategies.text(strategy)
    if not isinstance(source, str) or len(source) > _MOST_SOURCE:
        raise InputError(f"settings.source is not a text of at most {_MOST_SOURCE} characters")
    language = given.get("language")
    if language is None:
        is_python = re.search(r"^\s*def\s+main\s*\(", source, re.MULTILINE) is not None
    else:
        is_python = str(language).lower() in {"python", "1"}
    return (".py" if is_python else ".js"), source


def _config(platform: Platform, given: Mapping[str, Any]) -> dict[str, Any]:
    own, of_templates = split_args(args_of(given.get("args") or []))
    if of_templates:
        raise InputError("a plugin has no templates: an argument is for one")
    period = settings_of({"name": "plugin", "strategy": 1, "period": given.get("period") or 60})[0].period_s
    exchanges, metas = exchanges_of(given.get("exchanges") or [])
    rows, simulated = [], False
    for number, one in enumerate(exchanges):
        eid, label = one.eid, one.label
        fields = metas[number] if not one.pid else {}
        if one.pid:
            account = platform.exchanges.get(one.pid)
            eid, label, simulated = account.eid, account.label, simulated or account.simulated
            fields = {} if account.simulated else platform.exchanges.keys(one.pid)
        row = {"name": eid, "currency": one.pair, "label": label, "period": period}
        rows.append({**row, **{KEY_FIELDS[name]: value for name, value in fields.items()}})
    return {
        "name": "plugin", "args": own, "exchanges": rows, "simulated": simulated, "quiet": True, "memory_mb": _MEMORY_MB, "open_files": 1024,
    }  # fmt: skip


def _run(folder: Path, name: str, source: str, config: dict[str, Any], limit_s: float | None = None) -> str:
    file, run_folder = folder / name, folder / "run"
    wrapper = _WRAPPERS[file.suffix].format(key=json.dumps(_KEY))
    file.write_text(source + wrapper, "utf-8", "replace")
    run_folder.mkdir(mode=0o700)
    ended = _waited(file, {**config, "folder": str(run_folder)}, run_folder, LIMIT_S if limit_s is None else limit_s)
    if not ended:
        raise OperationFailed(f"the script took more than {LIMIT_S:g} s and was killed")
    database = run_folder / "strategy.sqlite3"
    store_left_lines(database)  # of a script that ended its own process
    tables, store = RobotTables(), Store(database)
    try:
        rows = tables.log_after(database, 0, limit=100_000)
        result = store.get(_KEY) if database.exists() else None
    finally:
        tables.close()
        store.close()
    if not rows and result is None:
        with contextlib.suppress(OSError):
            words = (run_folder / OUTPUT).read_text("utf-8", "replace").strip()
            if words:
                raise InputError(words.splitlines()[-1].removeprefix("fmzthreads: ").replace(str(folder), ""))
    logs = [
        {
            "PlatformId": row.label, "OrderId": row.order_id or "0", "LogType": row.kind, "Price": row.price, "Amount": row.amount,
            "Extra": row.text.replace(str(folder), ""), "Currency": "", "Instrument": row.symbol, "Direction": row.direction,
            "Time": row.time_ms,
        }
        for row in rows
    ]  # fmt: skip
    return json.dumps({"logs": logs, "result": result if isinstance(result, str) else ""})


def _waited(file: Path, config: dict[str, Any], run_folder: Path, limit_s: float) -> bool:
    """Runs the child to its end; kills it, with all that it started, when the time is over."""
    with (run_folder / OUTPUT).open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (no shell)
            [sys.executable, "-m", "fmzthreads.platform.api.plugin_child", str(file)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=run_folder,
            env=own_environment(),
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(config).encode(), timeout=limit_s)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            # Also after an end: a script may leave processes behind.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.name == "posix":
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
            process.wait()
