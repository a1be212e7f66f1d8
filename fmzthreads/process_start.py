"""Tells a running process from a later one that was given the same id: by the time when it was started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["start_of"]

_PROC = Path("/proc/self/stat")


def start_of(pid: int) -> str:
    """When a process was started, as a text that only equal starts share; empty if no process has this id.

    Args:
        pid: The process's id.
    """
    if pid <= 0:
        return ""
    if sys.platform == "win32":
        return _start_on_windows(pid)
    return _start_on_linux(Path(f"/proc/{pid}/stat")) if _PROC.exists() else _start_by_ps(pid)


def _start_on_linux(stat: Path) -> str:
    """The boot's id and the ticks since the boot (proc(5), field 22 of stat); a zombie counts as ended."""
    try:
        fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else f"{boot}:{fields[19]}"


def _start_by_ps(pid: int) -> str:
    """What ``ps`` says, on macOS and the BSDs."""
    import subprocess  # takes long to load, and is needed there only

    done = subprocess.run(  # noqa: S603 (fixed arguments)
        ["ps", "-p", str(pid), "-o", "stat=,lstart="],  # noqa: S607 (found by PATH: its folder differs between systems)
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, start = done.stdout.strip().partition(" ")
    return "" if not start or state.startswith("Z") else " ".join(start.split())


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    def _start_on_windows(pid: int) -> str:
        """The creation time of GetProcessTimes."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return ""
        try:
            created, ended, of_kernel, of_user = (wintypes.FILETIME() for _ in range(4))
            done = kernel.GetProcessTimes(handle, *(ctypes.byref(t) for t in (created, ended, of_kernel, of_user)))
            if not done or ended.dwHighDateTime or ended.dwLowDateTime:
                return ""
            return f"{created.dwHighDateTime}:{created.dwLowDateTime}"
        finally:
            kernel.CloseHandle(handle)
