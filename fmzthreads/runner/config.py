"""The config file of a run, in TOML::

    name = "grid"
    simulated = true
    templates = ["trade.py"]

    [args]
    amount = 0.01

    [template_args.trade]
    retries = 3

    [guards]
    max_order_value = 1000
    orders_per_minute = 60

    [paper]
    balances = {USDT = 10000}

    [[exchanges]]
    name = "Binance"
    currency = "BTC_USDT"
    key_file = "binance.keys"

Paths are relative to the file. Unknown keys are refused. A file that begins with ``{`` is JSON with the same keys; the name ``-`` means
standard input, so that another program can hand over keys without a file.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..errors import InputError, UnknownName, nearest
from .options import ExchangeSpec, Options

__all__ = ["merged", "read_config"]

_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str, "folder": str, "simulated": bool, "seconds": (int, float), "templates": list, "args": dict, "template_args": dict,
    "exchanges": list, "json": bool, "seed": int, "faults": list, "meta": str, "language": str, "quiet": bool, "run_id": int,
    "memory_mb": int, "open_files": int, "guards": dict, "paper": (bool, dict),
}  # fmt: skip
_EXCHANGE_KEYS = tuple(field.name for field in attrs.fields(ExchangeSpec))
_SECRETS = ("access_key", "secret_key", "passphrase")
_LONGEST_META = 190  # FMZ's API reference, "GetMeta"


def read_config(path: Path) -> dict[str, Any]:
    """Reads a config file.

    Returns:
        The fields of ``Options`` that it sets.

    Raises:
        InputError: It cannot be read, is neither TOML nor JSON, or a value has the wrong type; or it holds keys and others may read it.
        UnknownName: It has a key that does not exist.
    """
    import tomllib

    try:
        text = sys.stdin.buffer.read().decode("utf-8") if str(path) == "-" else path.read_text("utf-8-sig")
        if str(path) == "-" and not text.strip():  # who was to hand them over has ended before
            raise InputError("--config -: no settings came on standard input")
        values = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the config file {str(path)!r}: {type(error).__name__}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    _check(path, values)
    found = dict(values)
    here = path.parent
    if "templates" in found:
        found["templates"] = tuple(here / str(file) for file in found["templates"])
    if "folder" in found:
        found["folder"] = here / found["folder"]
    if "faults" in found:
        found["faults"] = tuple(str(fault) for fault in found["faults"])
    if "exchanges" in found:
        found["exchanges"] = tuple(_exchange(path, number, row) for number, row in enumerate(found["exchanges"], 1))
    return found


def _check(path: Path, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in _KEYS:
            raise UnknownName(f"{path}: unknown key {key!r}{nearest(key, _KEYS)}")
        expected = _KEYS[key]
        if not isinstance(value, expected) or (isinstance(value, bool) and expected not in {bool, (bool, dict)}):
            raise InputError(f"{path}: {key} is {value!r}, expected {_words(expected)}")
    for name, row in values.get("template_args", {}).items():
        if not isinstance(row, dict):
            raise InputError(f"{path}: template_args.{name} is {row!r}, expected a table of arguments")
    if len(values.get("meta", "")) > _LONGEST_META:
        raise InputError(f"{path}: meta has {len(values['meta'])} characters, expected at most {_LONGEST_META}")


def _words(expected: type | tuple[type, ...]) -> str:
    words = {str: "a text", bool: "true or false", list: "a list", dict: "a table", int: "a whole number"}
    if expected == (bool, dict):
        return "true, false or a table"
    return "a number" if isinstance(expected, tuple) else words[expected]


def _exchange(path: Path, number: int, row: Any) -> ExchangeSpec:
    where = f"{path}: exchange {number}"
    if isinstance(row, str):
        return ExchangeSpec.parse(row)
    if not isinstance(row, dict):
        raise InputError(f"{where} is {row!r}, expected a table or NAME:PAIR")
    for key, value in row.items():
        if key not in _EXCHANGE_KEYS:
            raise UnknownName(f"{where}: unknown key {key!r}{nearest(key, _EXCHANGE_KEYS)}")
        kind = {"period": int, "options": dict, "guards": dict, "paper": dict}.get(key, str)
        if not isinstance(value, kind) or isinstance(value, bool):
            shown = "" if key in _SECRETS else f" is {value!r}"
            raise InputError(f"{where}: {key}{shown}, expected {_words(kind)}")
    for key in ("name", "currency"):
        if not row.get(key):
            raise InputError(f"{where}: {key} is missing")
    if any(row.get(key) and not row[key].startswith("file:///") for key in _SECRETS):
        _refuse_if_others_may_read(path)
    if row.get("key_file"):
        row = {**row, "key_file": str(path.parent / Path(row["key_file"]).expanduser())}
    return ExchangeSpec(**row)


def _refuse_if_others_may_read(path: Path) -> None:
    if str(path) == "-":
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise InputError(
            f"the config file {str(path)!r} holds keys and has mode {mode:04o}: others may read it; "
            f"expected 0600 (chmod 600 {str(path)!r})"
        )


def merged(given: Mapping[str, Any], config: Mapping[str, Any]) -> Options:
    """Options in which what was given wins over the config file; arguments of both are joined.

    Args:
        given: The fields of ``Options`` that the command line sets; empty ones count as not given.
        config: Those that the config file sets.
    """
    values = {**config, **{key: value for key, value in given.items() if value not in (None, "", (), {}, False)}}
    values["args"] = {**config.get("args", {}), **given.get("args", {})}
    templates: dict[str, dict[str, Any]] = {}
    for some in (config.get("template_args", {}), given.get("template_args", {})):
        for name, row in some.items():
            templates.setdefault(name, {}).update(row)
    values["template_args"] = templates
    guards = dict(config.get("guards", {}))
    for name, value in given.get("guards", {}).items():  # of the breaker's settings each one alone
        both = isinstance(value, dict) and isinstance(guards.get(name), dict)
        guards[name] = {**guards[name], **value} if both else value
    values["guards"] = guards
    if given.get("paper") is True and config.get("paper"):
        values["paper"] = config["paper"]  # --paper turns on what the file describes
    return Options(**values)
