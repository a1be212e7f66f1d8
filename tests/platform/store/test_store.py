"""What the platform keeps: the vault, accounts, keys, exchanges, nodes, the audit trail."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.errors import AuthenticationFailed, InputError, OperationFailed, UnknownName
from fmzthreads.platform.api.arguments import SIGNATURES
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.api_keys import METHODS
from fmzthreads.platform.store.vault import VAULT_FILE, Vault
from tests.helpers.platforms import fake_platform, owner_of

pytest.importorskip("cryptography")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with fake_platform(tmp_path) as (made, _):
        yield made


def test_a_vault_reads_its_own_tokens_also_after_a_restart(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    token = vault.encrypt("secret \udcff 你")
    assert "secret" not in token
    assert Vault(tmp_path).decrypt(token) == "secret \udcff 你"
    assert (tmp_path / VAULT_FILE).stat().st_mode & 0o077 == 0
    (tmp_path / "other").mkdir()
    with pytest.raises(OperationFailed, match="another key"):
        Vault(tmp_path / "other").decrypt(token)


def test_a_vault_with_a_password_is_locked_after_a_start(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    token = vault.encrypt("secret")
    vault.protect("the password")
    assert vault.decrypt(token) == "secret"
    later = Vault(tmp_path)
    assert later.locked
    assert "locked" in repr(later)
    with pytest.raises(OperationFailed, match="locked"):
        later.decrypt(token)
    with pytest.raises(AuthenticationFailed):
        later.unlock("another")
    later.unlock("the password")
    assert later.decrypt(token) == "secret"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_key_file_that_others_read_or_that_is_damaged_is_refused(tmp_path: Path) -> None:
    Vault(tmp_path)
    path = tmp_path / VAULT_FILE
    path.chmod(0o644)
    with pytest.raises(InputError, match="mode 0644"):
        Vault(tmp_path)
    path.chmod(0o600)
    for text in ("", "{", "[]", '{"key": 7}', '{"key": "short"}'):
        path.write_text(text, "ascii")
        with pytest.raises(OperationFailed):
            Vault(tmp_path)


def test_accounts(platform: Platform) -> None:
    accounts = platform.accounts
    assert accounts.verify("OWNER", "a password of tests").role == "owner"
    for name, password in (("owner", "another password"), ("nobody", "a password of tests"), ("owner", "")):
        with pytest.raises(AuthenticationFailed, match="name or the password"):
            accounts.verify(name, password)
    for name, password in (
        ("", "long enough 1"),
        ("a b", "long enough 1"),
        ("x", "short"),
        ("Owner", "long enough 1"),
        ("y", "z" * 2000),
    ):
        with pytest.raises(InputError):
            accounts.create(name, password)
    operator = accounts.create("op", "long enough 1", "operator", frozenset({3, 1}))
    assert operator.robots == frozenset({1, 3})
    before = operator.changed_ms
    accounts.set_password(operator.id, "long enough 2")
    assert accounts.get(operator.id).changed_ms > before
    with pytest.raises(AuthenticationFailed):
        accounts.verify("op", "long enough 1")
    with pytest.raises(InputError, match="last owner"):
        accounts.change(1, role="reader")
    with pytest.raises(InputError, match="last owner"):
        accounts.change(1, disabled=True)
    accounts.change(operator.id, disabled=True, robots="*", email="a@b.test")
    changed = accounts.get(operator.id)
    assert (changed.disabled, changed.robots, changed.email) == (True, None, "a@b.test")
    with pytest.raises(AuthenticationFailed):
        accounts.verify("op", "long enough 2")
    accounts.set_totp(1, "SECRETSECRET")
    assert accounts.totp(1) == "SECRETSECRET"
    assert accounts.get(1).has_totp
    for path in platform.folder.glob("platform.sqlite3*"):
        assert b"SECRETSECRET" not in path.read_bytes()


def test_of_many_threads_with_one_nonce_one_gets_it(platform: Platform) -> None:
    key, _ = platform.api_keys.create(1)
    for nonce in range(1, 21):
        taken: list[bool] = []
        go = threading.Barrier(6)

        def take(nonce: int = nonce, taken: list[bool] = taken, go: threading.Barrier = go) -> None:
            go.wait(60)
            taken.append(platform.api_keys.take_nonce(key, nonce))

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(taken) == [False] * 5 + [True]


def test_api_keys(platform: Platform) -> None:
    key, secret = platform.api_keys.create(1, "mine", "GetAccount", "192.0.2.1; 198.51.100.0/24")
    assert (key.permissions, key.addresses) == ("GetAccount", "192.0.2.1,198.51.100.0/24")
    assert platform.api_keys.secret(key) == secret
    for path in platform.folder.glob("platform.sqlite3*"):
        assert secret.encode() not in path.read_bytes()
    with pytest.raises(InputError, match="not an IP address"):
        platform.api_keys.create(1, addresses="example.com")
    with pytest.raises(UnknownName):
        platform.api_keys.change(99, disabled=True)
    platform.api_keys.delete(key.id)
    assert platform.api_keys.find(key.access_key) is None


def test_a_key_takes_only_methods_that_exist(platform: Platform) -> None:
    """An exception that is misspelt would except nothing."""
    key, _ = platform.api_keys.create(1, permissions=" getaccount !stoprobot，* ")
    assert key.permissions == "GetAccount,!StopRobot,*"
    for text in ("!StopRobots", "*,!Stop Robot", "!*", "!", "GetAccounts", "read"):
        with pytest.raises(InputError, match="no method"):
            platform.api_keys.create(1, permissions=text)
        with pytest.raises(InputError, match="no method"):
            platform.api_keys.change(key.id, permissions=text)
    assert [one.permissions for one in platform.api_keys.all()] == ["GetAccount,!StopRobot,*"]
    assert platform.api_keys.change(key.id, permissions="").permissions == ""


def test_the_methods_of_keys_are_those_of_the_api() -> None:
    assert frozenset(SIGNATURES) == METHODS


def test_exchange_accounts(platform: Platform) -> None:
    exchanges = platform.exchanges
    for eid, fields in (
        ("Nowhere", {}), ("Binance", {}), ("Binance", {"AccessKey": "a"}), ("Binance", {"AccessKey": "a", "SecretKey": 7}),
        ("Binance", {"AccessKey": "a", "SecretKey": "b", "Other": "c"}), ("Exchange", {"AccessKey": "a", "SecretKey": "b"}),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            exchanges.create(eid, "x", fields)
        assert "SecretKey: b" not in str(caught.value)
    with pytest.raises(InputError, match="label 'first'"):
        exchanges.create("OKX", "first", simulated=True)
    with pytest.raises(InputError, match="cannot be simulated"):
        exchanges.create("BitMEX", "x", simulated=True)
    for path in platform.folder.glob("platform.sqlite3*"):
        assert b"secret-of-tests-1" not in path.read_bytes()
    changed = exchanges.change(1, label="new", fields={"AccessKey": "c", "SecretKey": "d"})
    assert changed.label == "new"
    assert exchanges.keys(1) == {"AccessKey": "c", "SecretKey": "d"}
    exchanges.delete(1)
    with pytest.raises(UnknownName):
        exchanges.keys(1)


def test_nodes(platform: Platform) -> None:
    table = platform.node_table
    node = table.create("far", "dask", {"scheduler": "tcp://h:1"})
    with pytest.raises(InputError):
        table.create("far", "dask", {})
    with pytest.raises(InputError):
        table.create("x", "cloud", {})  # type: ignore[arg-type]
    assert [(one.id, one.kind) for one in table.all()] == [(1, "local"), (node.id, "dask")]
    with pytest.raises(InputError, match="this machine"):
        platform.remove_node(owner_of(platform), 1)
    platform.remove_node(owner_of(platform), node.id)
    with pytest.raises(UnknownName):
        platform.remove_node(owner_of(platform), node.id)


def test_the_audit_trail(platform: Platform) -> None:
    owner = owner_of(platform)
    for number in range(5):
        platform.audit.add(owner, "tried", f"robot {number}", "100% \udcff" + "x" * 1000, done=number != 3)
    entries = platform.audit.all(limit=2)
    assert [entry.target for entry in entries] == ["robot 4", "robot 3"]
    assert [entry.done for entry in entries] == [True, False]
    assert len(entries[0].detail) == 500
    assert [entry.target for entry in platform.audit.all(before_id=entries[1].id, limit=1)] == ["robot 2"]
    assert len(platform.audit.all(word="robot 3")) == 1
    assert len(platform.audit.all(word="100%")) == 5
    assert platform.audit.all(word="100_") == []
