"""The accounts at exchanges: which venue, a label, and the keys, encrypted; they are never shown again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import attrs

from ...database import Database
from ...errors import InputError, UnknownName, nearest
from ...venues.registry import CCXT, FUTURES, PREFIX, VENUES
from .vault import Vault

__all__ = [
    "KEY_FIELDS",
    "ExchangeAccount",
    "ExchangeAccounts",
    "MetaField",
    "checked_fields",
    "meta_fields",
    "venue_ids",
]

KEY_FIELDS: Mapping[str, str] = {
    "AccessKey": "access_key", "SecretKey": "secret_key", "Passphrase": "passphrase", "Front": "base",
}  # fmt: skip
"""FMZ's names of the fields of an exchange, and those of ``fmzthreads run``."""

_COLUMNS = "id, eid, label, simulated, created_ms"
_SIMULATED = ("Binance", "OKX")
_WITH_PASSPHRASE = frozenset({
    "OKX", "Futures_OKX", "Coinbase", "Futures_Bitget", "Futures_KuCoin", "ccxt:bitget", "ccxt:kucoin", "ccxt:okx", "Futures_ccxt:okx",
})  # fmt: skip


@attrs.frozen(kw_only=True)
class MetaField:
    """One field of the form of an exchange, as ``GetExchangeList`` tells it."""

    name: str
    label: str
    desc: str = ""
    type: str = "string"
    required: bool = True
    encrypt: bool = False
    qr: bool = False


@attrs.frozen(kw_only=True)
class ExchangeAccount:
    """An account at an exchange; its keys are not among the fields.

    Attributes:
        id: Its number, FMZ's ``pid``.
        eid: FMZ's id of the venue.
        label: What it is called.
        simulated: Whether it stands for an exchange that is simulated in the robot's own run.
        created_ms: When it was made.
    """

    id: int
    eid: str
    label: str
    simulated: bool
    created_ms: int


def venue_ids() -> list[str]:
    """FMZ's ids of all venues that can be chosen; any of ccxt is called ``ccxt:ID``, its contracts ``Futures_ccxt:ID``."""
    return sorted({*VENUES, *FUTURES})


def meta_fields(eid: str) -> list[MetaField]:
    """The fields that an account at a venue has.

    Args:
        eid: FMZ's id of the venue.
    """
    fields = [
        MetaField(name="AccessKey", label="Access Key"),
        MetaField(name="SecretKey", label="Secret Key", encrypt=True, type="password"),
    ]
    if eid in _WITH_PASSPHRASE:
        fields.append(MetaField(name="Passphrase", label="Passphrase", encrypt=True, type="password"))
    needs_address = eid == "Exchange"
    fields.append(
        MetaField(name="Front", label="Address", desc="base URL; empty for the venue's own", required=needs_address)
    )
    return fields


def checked_fields(eid: str, fields: Mapping[str, Any], *, simulated: bool = False) -> dict[str, str]:
    """The fields of an account under FMZ's names.

    Raises:
        UnknownName: There is no such venue or field.
        InputError: A value is not text, or a required one is missing; the message shows no value.
    """
    of_ccxt = any(eid.startswith(prefix) and len(eid) > len(prefix) for prefix in (CCXT, PREFIX))
    if eid not in VENUES and eid not in FUTURES and not of_ccxt:
        raise UnknownName(f"no exchange {eid[:60]!r}{nearest(eid, venue_ids())}")
    if simulated and eid not in _SIMULATED:
        raise InputError(f"{eid} cannot be simulated; only {' and '.join(_SIMULATED)} can")
    known = {field.name: field for field in meta_fields(eid)}
    known.setdefault("Passphrase", MetaField(name="Passphrase", label="Passphrase", required=False, encrypt=True))
    for name, value in fields.items():
        if name not in known:
            raise UnknownName(f"{eid} has no field {str(name)[:60]!r}{nearest(str(name), known)}")
        if not isinstance(value, str) or len(value) > 8192:
            raise InputError(f"{eid}: the field {name} is not a text of at most 8192 characters")
    missing = [name for name, field in known.items() if field.required and not fields.get(name)]
    if missing and not simulated:
        raise InputError(f"{eid}: no value for {', '.join(missing)}")
    return {name: value.strip() for name, value in fields.items() if value.strip()}


class ExchangeAccounts:
    """The accounts at exchanges. Any thread may use it.

    Args:
        database: The platform's file.
        vault: Encrypts the fields.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def all(self) -> list[ExchangeAccount]:
        """All accounts, in the order of their numbers."""
        return [_row(row) for row in self._database.execute(f"SELECT {_COLUMNS} FROM exchanges ORDER BY id")]  # noqa: S608

    def get(self, pid: int) -> ExchangeAccount:
        """One account.

        Raises:
            UnknownName: There is no such account.
        """
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM exchanges WHERE id = ?", (pid,))  # noqa: S608
        if not rows:
            raise UnknownName(f"no exchange account {pid}")
        return _row(rows[0])

    def create(
        self, eid: str, label: str, fields: Mapping[str, Any] | None = None, *, simulated: bool = False
    ) -> ExchangeAccount:
        """Adds an account.

        Args:
            eid: FMZ's id of the venue.
            label: What it is called; empty for the venue's id.
            fields: The keys by FMZ's names: ``AccessKey``, ``SecretKey``, ``Passphrase``, ``Front``.
            simulated: Whether it stands for a simulated exchange; then it needs no keys.

        Raises:
            UnknownName: There is no such venue or field.
            InputError: A field is missing or not text, or the label is taken.
            OperationFailed: The vault is locked.
        """
        checked = checked_fields(eid, fields or {}, simulated=simulated)
        label = label.strip()[:100] or eid
        rows = self._database.execute(
            "INSERT INTO exchanges (eid, label, fields, simulated, created_ms) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING id",
            (eid, label, self._vault.encrypt(json.dumps(checked)), simulated, time.time_ns() // 1_000_000),
        )
        if not rows:
            raise InputError(f"there is an exchange account with the label {label!r}")
        return self.get(rows[0][0])

    def change(self, pid: int, *, label: str | None = None, fields: Mapping[str, Any] | None = None) -> ExchangeAccount:
        """Changes the label, or replaces all fields; what is None stays.

        Raises:
            UnknownName: There is no such account or field.
            InputError: As ``create``.
            OperationFailed: The vault is locked.
        """
        account = self.get(pid)
        if fields is not None:
            checked = checked_fields(account.eid, fields, simulated=account.simulated)
            token = self._vault.encrypt(json.dumps(checked))
            self._database.execute("UPDATE exchanges SET fields = ? WHERE id = ?", (token, pid))
        if label is not None and label.strip() and label.strip() != account.label:
            rows = self._database.execute(
                "UPDATE OR IGNORE exchanges SET label = ? WHERE id = ? RETURNING id", (label.strip()[:100], pid)
            )
            if not rows:
                raise InputError(f"there is an exchange account with the label {label.strip()!r}")
        return self.get(pid)

    def delete(self, pid: int) -> None:
        """Deletes an account; one that is not there is ignored. Robots that run go on with their copy of the keys."""
        self._database.execute("DELETE FROM exchanges WHERE id = ?", (pid,))

    def keys(self, pid: int) -> dict[str, str]:
        """The fields of an account under FMZ's names; for the start of a robot only.

        Raises:
            UnknownName: There is no such account.
            OperationFailed: The vault is locked.
        """
        rows = self._database.execute("SELECT fields FROM exchanges WHERE id = ?", (pid,))
        if not rows:
            raise UnknownName(f"no exchange account {pid}")
        fields: dict[str, str] = json.loads(self._vault.decrypt(rows[0][0]))
        return fields


def _row(row: tuple[Any, ...]) -> ExchangeAccount:
    number, eid, label, simulated, created_ms = row
    return ExchangeAccount(id=number, eid=eid, label=label, simulated=bool(simulated), created_ms=created_ms)
