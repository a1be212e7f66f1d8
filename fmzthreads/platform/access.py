"""Who does something on the platform, and what each role may do."""

from __future__ import annotations

from typing import Literal

import attrs

from ..errors import FmzError

__all__ = ["PLATFORM", "Actor", "NotPermitted", "Role"]

Role = Literal["owner", "operator", "reader"]
"""``owner`` may do everything; ``operator`` reads, starts, stops and commands the robots allotted to him and changes their arguments;
``reader`` looks at them."""


class NotPermitted(FmzError):
    """The account may not do this."""


@attrs.frozen(kw_only=True)
class Actor:
    """Who does something.

    Attributes:
        account_id: The account's number; 0 for the platform itself.
        name: The account's name.
        role: What it may do.
        robots: The numbers of the robots that are allotted to it; None for all.
        address: The address that the request came from; empty for none.
        via: How: ``page``, ``api``, ``command`` (the command line) or ``platform``.
    """

    account_id: int
    name: str
    role: Role
    robots: frozenset[int] | None = None
    address: str = ""
    via: str = "page"

    def sees(self, robot_id: int) -> bool:
        """Whether the robot is allotted to the account."""
        return self.role == "owner" or self.robots is None or robot_id in self.robots

    @property
    def words(self) -> str:
        """Who it is, for the reason of a robot's end."""
        if not self.account_id:
            return "the platform"
        return f"{self.name} through the extended API" if self.via == "api" else self.name

    def check_owner(self, what: str) -> None:
        """Refuses all but owners.

        Args:
            what: What is to be done, for the message.

        Raises:
            NotPermitted: The account is not an owner.
        """
        if self.role != "owner":
            raise NotPermitted(f"the account {self.name!r} is {self.role}: only an owner may {what}")

    def check_operates(self, robot_id: int, what: str) -> None:
        """Refuses who does not operate this robot.

        Args:
            robot_id: The robot.
            what: What is to be done, for the message.

        Raises:
            NotPermitted: The account is a reader, or the robot is not allotted to it.
        """
        if self.role == "reader" or not self.sees(robot_id):
            raise NotPermitted(f"the account {self.name!r} is {self.role}: it may not {what} robot {robot_id}")


PLATFORM = Actor(account_id=0, name="platform", role="owner", via="platform")
"""The platform itself: adoption, restarts by policy, alarms."""
