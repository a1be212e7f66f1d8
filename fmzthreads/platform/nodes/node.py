"""The port of a node: what the platform asks of a place where robots run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs

from ...strategy.run.folder import RunFolder

__all__ = ["Node", "NodeFacts", "ProcessLook", "StartOrder"]


@attrs.frozen(kw_only=True)
class StartOrder:
    """What is started.

    Attributes:
        robot_id: The robot's number.
        name: Its name.
        folder: Its run folder here.
        file: The strategy's file here.
        templates: The templates' files here, in order.
        config: The other settings of ``fmzthreads run``, as its config file has them; holds keys and secrets.
    """

    robot_id: int
    name: str
    folder: Path
    file: Path
    templates: tuple[Path, ...] = ()
    config: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class ProcessLook:
    """What a look at a robot's process showed.

    Attributes:
        alive: Whether it runs; None when the node cannot be asked now.
        code: The exit code, if it has ended and the code is known.
        reason: Why it ended, or why the node cannot be asked.
        memory_mb: The memory that it takes, in MiB; 0 if it is not known.
    """

    alive: bool | None
    code: int | None = None
    reason: str = ""
    memory_mb: float = 0.0


@attrs.frozen(kw_only=True)
class NodeFacts:
    """A node at one moment.

    Attributes:
        online: Whether it can be asked.
        host: The machine's name.
        os: Its operating system.
        version: The version of fmzthreads, or of what runs the robots there.
        reason: Why it is not online; empty if it is.
    """

    online: bool
    host: str = ""
    os: str = ""
    version: str = ""
    reason: str = ""


class Node(Protocol):
    """A place where robots run. Any thread may use it."""

    def start(self, order: StartOrder) -> str:
        """Starts a robot's process and returns its handle: a text by which it is found again, also by a later platform.

        Raises:
            OperationFailed: It was not started.
            OutcomeUnknown: It may have been started.
        """

    def look(self, handle: str, folder: RunFolder) -> ProcessLook:
        """Looks at a process.

        Args:
            handle: What ``start`` returned; empty if that is not known.
            folder: The robot's run folder here.
        """

    def ask(self, handle: str, folder: RunFolder, request: dict[str, Any]) -> dict[str, Any]:
        """Sends a request to a running strategy and returns its reply (see ``strategy.run.control``).

        Raises:
            OperationFailed: It does not listen, does not answer, or refused.
        """

    def end(self, handle: str, folder: RunFolder, *, kill: bool) -> None:
        """Sends SIGTERM, or SIGKILL; does nothing when the process has ended.

        Raises:
            OperationFailed: The node cannot be asked.
        """

    def discard(self, handle: str) -> None:
        """Removes what the node keeps of a process that has ended.

        Raises:
            OperationFailed: The node cannot be asked.
        """

    def facts(self) -> NodeFacts:
        """What there is to say about the node."""

    def close(self) -> None:
        """Lets go of connections; robots go on."""
