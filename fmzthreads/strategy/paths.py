"""Which strategy this process runs, and where its files lie."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from ..home import data_folder

__all__ = ["NAME_VARIABLE", "database_path", "script_name"]

NAME_VARIABLE = "FMZTHREADS_NAME"


def script_name() -> str:
    """The name under which this process keeps its state.

    It is the environment's ``FMZTHREADS_NAME`` where that is set (for several bots from one script). Otherwise it is made of the script's
    file name and eight digits of a hash of its full path, so that two scripts called ``main.py`` in two folders never share their state;
    a script that is moved begins with an empty folder unless it is given its old name. Without a script (an interactive session) it is ``interactive``.
    """
    given = os.environ.get(NAME_VARIABLE, "").strip()
    if given:
        return given
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not file:
        return "interactive"
    path = Path(file).resolve()
    stem = path.parent.name if path.stem == "__main__" else path.stem
    return f"{stem}-{_eight_digits(os.fsencode(path))}"


def database_path(name: str) -> Path:
    """The SQLite file of the strategy of that name; characters that a folder's name cannot hold everywhere become ``_``."""
    safe = re.sub(r"[^\w.-]", "_", name).lstrip(".") or "_"
    if safe != name:
        safe += "-" + _eight_digits(name.encode("utf-8", "replace"))  # two names stay two folders
    return data_folder() / safe / "strategy.sqlite3"


def _eight_digits(content: bytes) -> str:
    import hashlib  # OpenSSL takes long to load, and most processes need no such name

    return hashlib.sha256(content).hexdigest()[:8]
