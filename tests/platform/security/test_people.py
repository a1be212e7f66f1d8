"""Who may log in: passwords, one-time codes, roles."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.platform.security.one_time_codes import code_at, matching_step, new_secret, secret_link
from fmzthreads.platform.security.people import OWNER_NAME, People, Person

pytest.importorskip("argon2")

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""The secret of RFC 6238's test vectors, "12345678901234567890", in Base32."""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    found = People(tmp_path / "platform.sqlite3", ManualClock(1_700_000_000.0))
    yield found
    found.close()


def test_the_first_start_makes_an_owner_once(people: People, tmp_path: Path) -> None:
    password = people.first_start()
    assert password is not None
    assert people.first_start() is None
    assert people.check(OWNER_NAME, password) == Person(name=OWNER_NAME, role="owner")
    assert people.check(OWNER_NAME, password + "x") is None
    assert people.check("stranger", password) is None
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert password.encode() not in stored
    assert b"$argon2id$" in stored
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_two_first_passwords_differ(people: People, tmp_path: Path) -> None:
    other = People(tmp_path / "other.sqlite3")
    assert people.first_start() != other.first_start()
    other.close()


def test_a_new_password_replaces_the_old_one(people: People) -> None:
    old = people.first_start() or ""
    with pytest.raises(InputError, match="11 characters, expected 12"):
        people.set_password(OWNER_NAME, "x" * 11)
    people.set_password(OWNER_NAME, "correct horse battery")
    assert people.check(OWNER_NAME, old) is None
    assert people.check(OWNER_NAME, "correct horse battery") is not None
    assert people.password_is(OWNER_NAME, "correct horse battery")
    assert not people.password_is(OWNER_NAME, "x" * 600)
    with pytest.raises(UnknownName):
        people.set_password("stranger", "correct horse battery")


def test_roles_see_and_operate_what_is_theirs(people: People) -> None:
    people.add("ann", "operator", [1, 2])
    people.add("bob", "reader", None)
    ann, bob = people.get("ann"), people.get("bob")
    assert ann is not None
    assert bob is not None
    assert [ann.may_see(1), ann.may_see(3), ann.may_operate(2), ann.may_operate(3)] == [True, False, True, False]
    assert [bob.may_see(7), bob.may_operate(7)] == [True, False]
    owner = Person(name="o", role="owner", robots=(1,))
    assert owner.may_operate(9)


@pytest.mark.parametrize(("name", "role"), [("ann", "boss"), ("", "reader"), ("<b>", "reader"), ("a" * 51, "reader")])
def test_names_and_roles_are_checked(people: People, name: str, role: str) -> None:
    with pytest.raises(InputError):
        people.add(name, role, None)


def test_a_name_is_given_once_and_the_last_owner_stays(people: People) -> None:
    people.first_start()
    people.add("ann", "owner", None)
    with pytest.raises(InputError, match="taken"):
        people.add("ann", "reader", None)
    people.remove("ann")
    with pytest.raises(InputError, match="last owner"):
        people.remove(OWNER_NAME)
    with pytest.raises(UnknownName):
        people.remove("ann")


def test_codes_are_those_of_the_rfc() -> None:
    # RFC 6238, appendix B, the last six of its eight digits.
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert code_at(RFC_SECRET, seconds // 30) == code
        assert matching_step(RFC_SECRET, f"{code[:3]} {code[3:]}", seconds) == seconds // 30
    assert "secret=" in secret_link(new_secret(), "ann")


def test_a_code_is_taken_once_and_within_a_minute(people: People) -> None:
    password = people.first_start() or ""
    secret = new_secret()
    people.set_code_secret(OWNER_NAME, secret)
    step = 1_700_000_000 // 30
    assert people.check(OWNER_NAME, password) is None
    assert people.check(OWNER_NAME, password, code_at(secret, step - 2)) is None
    assert people.check(OWNER_NAME, password, code_at(secret, step)) is not None
    assert people.check(OWNER_NAME, password, code_at(secret, step)) is None
    assert people.check(OWNER_NAME, password, code_at(secret, step - 1)) is None
    assert people.check(OWNER_NAME, password, code_at(secret, step + 1)) is not None


def test_of_two_logins_with_one_code_one_gets_in(people: People) -> None:
    password = people.first_start() or ""
    secret = new_secret()
    people.set_code_secret(OWNER_NAME, secret)
    code = code_at(secret, 1_700_000_000 // 30)
    barrier = threading.Barrier(2)
    found: list[Person | None] = []

    def login() -> None:
        barrier.wait(60)
        found.append(people.check(OWNER_NAME, password, code))

    threads = [threading.Thread(target=login) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(one is None for one in found) == [False, True]
