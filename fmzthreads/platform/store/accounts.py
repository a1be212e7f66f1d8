"""The accounts of the platform, with their passwords as argon2id hashes."""

from __future__ import annotations

import re
import threading
import time
from typing import Any, get_args

import attrs

from ...database import Database
from ...errors import AuthenticationFailed, InputError, UnknownName, require
from ..access import Actor, Role
from .vault import Vault

__all__ = ["Accounts", "UserAccount"]

_NAME = re.compile(r"[\w.@+-]{1,64}\Z")
_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 10, 1024
_COLUMNS = "id, name, role, robots, email, disabled, totp <> '', created_ms, changed_ms"


@attrs.frozen(kw_only=True)
class UserAccount:
    """An account.

    Attributes:
        id: Its number.
        name: Its name; upper and lower case are not told apart.
        role: What it may do.
        robots: The robots that are allotted to it; None for all.
        email: Where mail goes; empty for nowhere.
        disabled: Whether it may not log in.
        has_totp: Whether a second factor is asked for.
        created_ms: When it was made.
        changed_ms: When its password was set: sessions from before are not valid.
    """

    id: int
    name: str
    role: Role
    robots: frozenset[int] | None
    email: str
    disabled: bool
    has_totp: bool
    created_ms: int
    changed_ms: int

    def actor(self, address: str = "", via: str = "page") -> Actor:
        """The account as the one who does something."""
        return Actor(
            account_id=self.id, name=self.name, role=self.role, robots=self.robots, address=address, via=via
        )  # fmt: skip


class Accounts:
    """The accounts. Any thread may use it.

    Args:
        database: The platform's file.
        vault: Encrypts the secrets of second factors.
        quick: Whether hashes are made with the least work that argon2 allows; for tests only.

    Raises:
        MissingExtra: ``argon2-cffi`` is not installed.
    """

    def __init__(self, database: Database, vault: Vault, *, quick: bool = False) -> None:
        self._database = database
        self._vault = vault
        argon2 = require("argon2", "platform")
        self._errors: Any = require("argon2.exceptions", "platform")
        work = {"time_cost": 1, "memory_cost": 8, "parallelism": 1} if quick else {}
        self._hasher: Any = argon2.PasswordHasher(**work)
        self._no_hash = ""  # a hash that is compared with when the name is not known, so that this takes as long
        # A hash takes 64 MiB: so many at once, however many log in.
        self._turns = threading.Semaphore(4)

    def all(self) -> list[UserAccount]:
        """All accounts, in the order of their numbers."""
        return [_account(row) for row in self._database.execute(f"SELECT {_COLUMNS} FROM accounts ORDER BY id")]  # noqa: S608

    def get(self, account_id: int) -> UserAccount:
        """One account.

        Raises:
            UnknownName: There is no such account.
        """
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM accounts WHERE id = ?", (account_id,))  # noqa: S608
        if not rows:
            raise UnknownName(f"no account {account_id}")
        return _account(rows[0])

    def create(
        self, name: str, password: str, role: Role = "owner", robots: frozenset[int] | None = None, email: str = ""
    ) -> UserAccount:
        """Makes an account.

        Args:
            name: Its name: letters, digits and ``. _ @ + -``, at most 64.
            password: Its password: 10 characters at least.
            role: What it may do.
            robots: The robots that are allotted to it; None for all.
            email: Where mail goes.

        Raises:
            InputError: A value is not valid, or the name is taken.
        """
        if not _NAME.match(name):
            raise InputError(
                f"an account cannot be called {name[:70]!r}: expected letters, digits and . _ @ + -, at most 64"
            )
        if role not in get_args(Role):
            raise InputError(f"role is {role!r}, expected one of {', '.join(get_args(Role))}")
        now = _now_ms()
        rows = self._database.execute(
            "INSERT INTO accounts (name, role, password, robots, email, created_ms, changed_ms) VALUES (?,?,?,?,?,?,?) "
            "ON CONFLICT DO NOTHING RETURNING id",
            (name, role, self._hash(password), _robots_text(robots), email, now, now),
        )
        if not rows:
            raise InputError(f"there is an account called {name!r}")
        return self.get(rows[0][0])

    def verify(self, name: str, password: str) -> UserAccount:
        """Returns the account if the password is right; takes as long for an unknown name.

        Raises:
            AuthenticationFailed: Name or password is not right, or the account is disabled; does not say which.
        """
        rows = self._database.execute("SELECT id, password, disabled FROM accounts WHERE name = ?", (name,))
        if not rows and not self._no_hash:
            self._no_hash = self._hash("a password of no account")
        hashed = rows[0][1] if rows else self._no_hash
        with self._turns:
            try:
                right = self._hasher.verify(hashed, password[:_LONGEST_PASSWORD])
            except (self._errors.VerifyMismatchError, self._errors.InvalidHashError, self._errors.VerificationError):
                right = False
        if not right or not rows or rows[0][2]:
            raise AuthenticationFailed("the name or the password is not right")
        if self._hasher.check_needs_rehash(hashed):
            self._database.execute("UPDATE accounts SET password = ? WHERE id = ?", (self._hash(password), rows[0][0]))
        return self.get(rows[0][0])

    def set_password(self, account_id: int, password: str) -> None:
        """Sets a new password; sessions from before are not valid any more.

        Raises:
            InputError: It is too short or too long.
        """
        self._database.execute(
            "UPDATE accounts SET password = ?, changed_ms = MAX(?, changed_ms + 1) WHERE id = ?",
            (self._hash(password), _now_ms(), account_id),
        )

    def change(
        self, account_id: int, *, role: Role | None = None, robots: frozenset[int] | str | None = None,
        email: str | None = None, disabled: bool | None = None,
    ) -> UserAccount:  # fmt: skip
        """Changes what is given; what is None stays.

        Args:
            account_id: The account.
            role: Its role.
            robots: The allotted robots; ``"*"`` for all.
            email: Its mail address.
            disabled: Whether it may not log in.

        Raises:
            InputError: The last owner that can log in would be gone.
        """
        if (role is not None and role != "owner") or disabled:
            others = [a for a in self.all() if a.role == "owner" and not a.disabled and a.id != account_id]
            if not others:
                raise InputError("this is the last owner: make another owner first")
        changes: dict[str, Any] = {"role": role, "email": email, "disabled": disabled}
        changes["robots"] = robots if robots is None or isinstance(robots, str) else _robots_text(robots)
        given = {name: value for name, value in changes.items() if value is not None}
        if given:
            assignments = ", ".join(f"{name} = ?" for name in given)
            self._database.execute(f"UPDATE accounts SET {assignments} WHERE id = ?", (*given.values(), account_id))  # noqa: S608
        return self.get(account_id)

    def set_totp(self, account_id: int, secret: str) -> None:
        """Stores the secret of a second factor, encrypted; an empty one ends it."""
        token = self._vault.encrypt(secret) if secret else ""
        self._database.execute("UPDATE accounts SET totp = ? WHERE id = ?", (token, account_id))

    def totp(self, account_id: int) -> str:
        """The secret of the second factor; empty for none.

        Raises:
            OperationFailed: The vault is locked.
        """
        rows = self._database.execute("SELECT totp FROM accounts WHERE id = ?", (account_id,))
        return self._vault.decrypt(rows[0][0]) if rows and rows[0][0] else ""

    def _hash(self, password: str) -> str:
        if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise InputError(
                f"the password has {len(password)} characters, expected {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD}"
            )
        with self._turns:
            hashed: str = self._hasher.hash(password)
        return hashed


def _account(row: tuple[Any, ...]) -> UserAccount:
    number, name, role, robots, email, disabled, has_totp, created_ms, changed_ms = row
    return UserAccount(
        id=number, name=name, role=role, robots=_robots(robots), email=email, disabled=bool(disabled),
        has_totp=bool(has_totp), created_ms=created_ms, changed_ms=changed_ms,
    )  # fmt: skip


def _robots(text: str) -> frozenset[int] | None:
    return None if text == "*" else frozenset(int(word) for word in text.split(",") if word)


def _robots_text(robots: frozenset[int] | None) -> str:
    return "*" if robots is None else ",".join(str(number) for number in sorted(robots))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
