"""Runs plain synchronous FMZ strategy scripts anywhere.

``from fmzthreads import *`` gives a script what FMZ's platform gives it: exchange objects, ``Go``'s handles, the log family, ``_G`` and the
rest, with FMZ's names; and what fmzthreads adds: the task queue, ``gather``, shared contexts and waiting for several things at once.
"""

from __future__ import annotations

from . import constants, errors, structures
from ._version import __version__
from .constants import *  # noqa: F403 (FMZ's constants, by FMZ's names)
from .errors import FmzError, StopRequested
from .strategy import (
    exports,
    globals,  # noqa: A004 (the room's name)
)
from .strategy.exports import *  # noqa: F403
from .strategy.globals import *  # noqa: F403
from .strategy.runtime import Runtime
from .structures import *  # noqa: F403
from .tasks.binding import G
from .tasks.events import merge, select
from .tasks.gather import Gathered, gather
from .tasks.handle import Handle
from .tasks.queue import TaskQueue
from .tasks.report import Report
from .tasks.shared_context import SharedContext
from .tasks.task import Task

__all__ = [  # noqa: PLE0604 (each is a list of names)
    *constants.__all__,
    *exports.__all__,
    *globals.__all__,
    *structures.__all__,
    "FmzError",
    "G",
    "Handle",
    "Report",
    "Runtime",
    "SharedContext",
    "Gathered",
    "StopRequested",
    "Task",
    "TaskQueue",
    "__version__",
    "errors",
    "merge",
    "select",
    "gather",
]
