"""The history of the strategy files, kept by git in their folder; without git nothing is kept, and everything else works."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from pathlib import Path

import attrs

from ...errors import InputError, OperationFailed

__all__ = ["FileVersion", "Versions"]

_HASH = re.compile(r"[0-9a-f]{7,64}\Z")
_TIMEOUT_S = 20.0
# No hooks, no signing and no program of the user's configuration runs; quotepath keeps Chinese file names as they are.
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false",
         "-c", "core.pager=cat", "-c", "diff.external=", "-c", "gc.auto=0")  # fmt: skip


@attrs.frozen(kw_only=True)
class FileVersion:
    """One version of a file.

    Attributes:
        id: The commit's hash.
        time_ms: When it was saved.
        author: Who saved it.
        subject: What was said about it.
    """

    id: str
    time_ms: int
    author: str
    subject: str


class Versions:
    """The history of a folder. Any thread may use it.

    Args:
        folder: The strategies' folder. A repository is made in it at the first save.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._git = shutil.which("git")
        self._lock = threading.Lock()  # one git process at a time writes

    @property
    def kept(self) -> bool:
        """Whether there is a history: git is installed."""
        return self._git is not None

    def save(self, file: str, author: str, subject: str) -> None:
        """Records the file as it is now, or that it was deleted; does nothing without git, or when nothing changed.

        Raises:
            OperationFailed: git failed.
        """
        if self._git is None:
            return
        with self._lock:
            if not (self._folder / ".git").exists():
                self._run("init", "-q")
            self._run("add", "-A", "--", file)
            if not self._run("status", "--porcelain", "--", file).strip():
                return
            name = re.sub(r"[<>\n\r\0]", "", author) or "platform"
            self._run(
                "-c", f"user.name={name}", "-c", "user.email=platform@localhost", "commit", "-q", "-m", subject[:200] or "saved", "--",
                file,
            )  # fmt: skip

    def of(self, file: str, *, limit: int = 100) -> list[FileVersion]:
        """The versions of a file, newest first; empty without git.

        Raises:
            OperationFailed: git failed.
        """
        if self._git is None or not (self._folder / ".git").exists():
            return []
        try:
            text = self._run("log", f"-n{limit}", "--format=%H%x00%ct%x00%an%x00%s", "--", file)
        except OperationFailed as error:
            if "does not have any commits" in str(error):
                return []
            raise
        found = []
        for line in text.splitlines():
            number, seconds, author, subject = (line.split("\0") + [""] * 4)[:4]
            found.append(FileVersion(id=number, time_ms=int(seconds) * 1000, author=author, subject=subject))
        return found

    def text(self, file: str, version: str) -> str:
        """The file as it was in a version.

        Raises:
            InputError: There is no such version, or the file was not in it.
        """
        return self._asked("show", f"{_checked(version)}:{file}")

    def diff(self, file: str, old: str, new: str = "") -> str:
        """The unified diff between two versions of a file.

        Args:
            file: The file.
            old: The older version.
            new: The newer one; empty for the file as it is now.

        Raises:
            InputError: There is no such version.
        """
        versions = [_checked(old), _checked(new)] if new else [_checked(old)]
        return self._asked("diff", "--no-ext-diff", "--no-textconv", "--no-color", *versions, "--", file)

    def _asked(self, *words: str) -> str:
        if self._git is None:
            raise InputError("there are no versions: git is not installed")
        try:
            return self._run(*words)
        except OperationFailed:
            raise InputError("there is no such version of this file") from None

    def _run(self, *words: str) -> str:
        assert self._git is not None
        environment = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0",
                       "HOME": str(self._folder), "PATH": "/usr/local/bin:/usr/bin:/bin"}  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 (no shell; file names stand after --)
                [self._git, *_SAFE, "-C", str(self._folder), f"--git-dir={self._folder / '.git'}", f"--work-tree={self._folder}", *words],
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env=environment,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OperationFailed(f"git failed in {str(self._folder)!r}: {type(error).__name__}") from error
        if done.returncode:
            raise OperationFailed(
                f"git {words[0]} failed in {str(self._folder)!r}: {done.stderr.decode('utf-8', 'replace').strip()[:300]}"
            )
        return done.stdout.decode("utf-8", "replace")


def _checked(version: str) -> str:
    if not _HASH.match(version):
        raise InputError(f"{version[:70]!r} is not a version: expected a commit's hash")
    return version
