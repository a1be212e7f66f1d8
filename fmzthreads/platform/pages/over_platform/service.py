"""The pages' port over a platform, for one person."""

from __future__ import annotations

from ...access import Actor
from ...backtests.runs import BacktestRuns
from ...service import Platform
from .files import FilesOfPlatform
from .robots import RobotsOfPlatform

__all__ = ["ServiceOfPlatform"]


class ServiceOfPlatform(RobotsOfPlatform, FilesOfPlatform):
    """A platform as the pages use it.

    Args:
        platform: The platform.
        backtests: Its backtests.
        actor: For whom.
    """

    def __init__(self, platform: Platform, backtests: BacktestRuns, actor: Actor) -> None:
        RobotsOfPlatform.__init__(self, platform, actor)
        FilesOfPlatform.__init__(self, platform, backtests, actor)
