"""The keys of the extended API: access key, secret, allowed methods and addresses, and the last nonce."""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from typing import Any

import attrs

from ...database import Database
from ...errors import InputError, UnknownName, nearest
from .vault import Vault

__all__ = ["METHODS", "ApiKey", "ApiKeys"]

METHODS = frozenset({
    "CommandRobot", "DeleteNode", "DeleteRobot", "GetAccount", "GetExchangeList", "GetNodeList", "GetPlatformList", "GetRobotDetail",
    "GetRobotGroupList", "GetRobotList", "GetRobotLogs", "GetStrategyList", "NewRobot", "PluginRun", "RestartRobot", "StopRobot",
})  # fmt: skip
"""The methods of the extended API, which a key may be limited to."""

_COLUMNS = "id, account_id, label, access_key, permissions, addresses, disabled, created_ms, used_ms"


@attrs.frozen(kw_only=True)
class ApiKey:
    """A key of the extended API; its secret is not among the fields.

    Attributes:
        id: Its number.
        account_id: Whose it is.
        label: What it is called.
        access_key: The public part.
        permissions: The methods that it may call: ``*``, names, and ``!Name`` for exceptions, with commas or spaces between; empty for all.
        addresses: Addresses and networks that may use it, with commas between; empty for all.
        disabled: Whether it is refused.
        created_ms: When it was made.
        used_ms: When it was used last; 0 for never.
    """

    id: int
    account_id: int
    label: str
    access_key: str
    permissions: str
    addresses: str
    disabled: bool
    created_ms: int
    used_ms: int

    def allows(self, method: str) -> bool:
        """Whether it may call a method."""
        words, method = [word.lower() for word in _method_words(self.permissions)], method.lower()
        named = [word for word in words if not word.startswith("!")]
        return f"!{method}" not in words and (not named or "*" in named or method in named)

    def allows_address(self, address: str) -> bool:
        """Whether it may be used from an address."""
        words = [word.strip() for word in self.addresses.split(",") if word.strip()]
        if not words:
            return True
        try:
            caller = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(caller, "ipv4_mapped", None)
        return any((mapped or caller) in ipaddress.ip_network(word, strict=False) for word in words)


class ApiKeys:
    """The keys of the extended API. Any thread may use it.

    Args:
        database: The platform's file.
        vault: Encrypts the secrets.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def all(self, account_id: int | None = None) -> list[ApiKey]:
        """The keys of one account, or of all."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM api_keys ORDER BY id")  # noqa: S608
        return [key for key in map(_key, rows) if account_id is None or key.account_id == account_id]

    def create(
        self, account_id: int, label: str = "", permissions: str = "*", addresses: str = ""
    ) -> tuple[ApiKey, str]:
        """Makes a key.

        Args:
            account_id: Whose it is.
            label: What it is called.
            permissions: The methods that it may call; see ``ApiKey``.
            addresses: The addresses that may use it; see ``ApiKey``.

        Returns:
            The key, and its secret, which is shown only here.

        Raises:
            InputError: An address is not one, or there is no such method.
            OperationFailed: The vault is locked.
        """
        permissions, addresses = _checked_permissions(permissions), _checked_addresses(addresses)
        access, secret = secrets.token_hex(16), secrets.token_hex(16)
        rows = self._database.execute(
            "INSERT INTO api_keys (account_id, label, access_key, secret, permissions, addresses, created_ms) VALUES (?,?,?,?,?,?,?) "
            "RETURNING id",
            (account_id, label[:100], access, self._vault.encrypt(secret), permissions, addresses, _now_ms()),
        )
        return self._get("id", rows[0][0]), secret

    def find(self, access_key: str) -> ApiKey | None:
        """The key with an access key; None if not found."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE access_key = ?", (access_key,))  # noqa: S608
        return _key(rows[0]) if rows else None

    def secret(self, key: ApiKey) -> str:
        """The secret of a key.

        Raises:
            OperationFailed: The vault is locked.
        """
        rows = self._database.execute("SELECT secret FROM api_keys WHERE id = ?", (key.id,))
        return self._vault.decrypt(rows[0][0]) if rows else ""

    def take_nonce(self, key: ApiKey, nonce: int) -> bool:
        """Notes a nonce if it is greater than the last one of the key; of two requests with one nonce, only one gets it.

        Returns:
            Whether it was greater.
        """
        rows = self._database.execute(
            "UPDATE api_keys SET nonce = ?, used_ms = ? WHERE id = ? AND nonce < ? RETURNING id",
            (nonce, _now_ms(), key.id, nonce),
        )
        return bool(rows)

    def change(
        self, key_id: int, *, permissions: str | None = None, addresses: str | None = None, disabled: bool | None = None
    ) -> ApiKey:
        """Changes what is given; what is None stays.

        Raises:
            InputError: An address is not one, or there is no such method.
            UnknownName: There is no such key.
        """
        if permissions is not None:
            permissions = _checked_permissions(permissions)
        if addresses is not None:
            addresses = _checked_addresses(addresses)
        for name, value in (("permissions", permissions), ("addresses", addresses), ("disabled", disabled)):
            if value is not None:
                self._database.execute(f"UPDATE api_keys SET {name} = ? WHERE id = ?", (value, key_id))  # noqa: S608
        return self._get("id", key_id)

    def delete(self, key_id: int) -> None:
        """Deletes a key; one that is not there is ignored."""
        self._database.execute("DELETE FROM api_keys WHERE id = ?", (key_id,))

    def _get(self, column: str, value: Any) -> ApiKey:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE {column} = ?", (value,))  # noqa: S608
        if not rows:
            raise UnknownName(f"no API key {value}")
        return _key(rows[0])


def _key(row: tuple[Any, ...]) -> ApiKey:
    number, account_id, label, access_key, permissions, addresses, disabled, created_ms, used_ms = row
    return ApiKey(
        id=number, account_id=account_id, label=label, access_key=access_key, permissions=permissions, addresses=addresses,
        disabled=bool(disabled), created_ms=created_ms, used_ms=used_ms,
    )  # fmt: skip


def _method_words(text: str) -> list[str]:
    """The words of a list of methods: with commas, semicolons or spaces between, and ``!`` before what is excepted."""
    return [word for word in re.split(r"[\s,;\uff0c\u3001\uff1b]+", text.replace("\uff01", "!")) if word]


def _checked_permissions(text: str) -> str:
    """The list with the names as the API spells them: an exception that is misspelt would be none."""
    known = {name.lower(): name for name in METHODS}
    found = []
    for word in _method_words(text):
        mark, name = ("!", word[1:]) if word.startswith("!") else ("", word)
        if word != "*" and name.lower() not in known:
            raise InputError(f"the extended API has no method {name[:60]!r}{nearest(name, METHODS)}")
        found.append(mark + known.get(name.lower(), name))
    return ",".join(found)


def _checked_addresses(text: str) -> str:
    words = [word.strip() for word in text.replace(";", ",").replace("\n", ",").split(",") if word.strip()]
    for word in words:
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            raise InputError(
                f"{word[:60]!r} is not an IP address or network, such as 192.0.2.7 or 192.0.2.0/24"
            ) from None
    return ",".join(words)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
