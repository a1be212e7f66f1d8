"""Keys in files of the run folder: ``file:///NAME.txt`` in place of a secret.

Source: FMZ's user guide, "Local Credential Files".
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

__all__ = ["key_text"]

_PREFIX = "file:///"
_MOST_BYTES = 65_536


def key_text(value: str, folder: Path) -> str:
    """The secret that a key field means: the content of a file in the run folder, or the field's own text.

    Args:
        value: The field. ``file:///NAME.txt`` is a file; with another ending it is the secret itself, as on FMZ.
        folder: The run folder, against which the path is resolved.

    Returns:
        The secret, without spaces and line ends around it.

    Raises:
        InputError: The path is absolute, has ``..``, or leaves the folder (also by a symbolic link), or the file cannot be read.
    """
    if not value.startswith(_PREFIX) or not value.endswith(".txt"):
        return value
    name = value.removeprefix(_PREFIX)
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise InputError(f"{value!r}: key file path must be relative and cannot contain '..'")
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise InputError(f"{value!r}: key file path escapes the robot directory")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"read key file {value!r}: it is larger than {_MOST_BYTES} bytes")
        return path.read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"read key file {value!r} in {str(folder)!r}: {type(error).__name__}") from None
