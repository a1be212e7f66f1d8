"""Where all files of this user lie."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import OperationFailed

__all__ = ["HOME_VARIABLE", "data_folder"]

HOME_VARIABLE = "FMZTHREADS_HOME"


def data_folder() -> Path:
    """The folder of all strategies' files: the environment's ``FMZTHREADS_HOME``, or ``.fmzthreads`` in the user's home. Not made here.

    Raises:
        OperationFailed: The variable is not set and the user has no home.
    """
    given = os.environ.get(HOME_VARIABLE, "").strip()
    if given:
        return Path(given).expanduser()
    try:
        return Path.home() / ".fmzthreads"
    except RuntimeError as error:
        raise OperationFailed(f"there is no home folder to keep values in; set {HOME_VARIABLE} to a folder") from error
