"""Sessions, share links, the audit trail and the delays after wrong passwords."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError
from fmzthreads.platform.security.login_sessions import IDLE_S, LoginSessions
from fmzthreads.platform.security.login_throttle import LoginThrottle
from fmzthreads.platform.security.share_links import ShareLinks


def person_of(sessions: LoginSessions, token: str) -> str | None:
    found = sessions.find(token)
    return None if found is None else found.person


def test_a_session_survives_a_restart_and_its_token_is_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "platform.sqlite3"
    first = LoginSessions(path)
    token = first.begin("ann", "10.0.0.1", "browser")
    first.close()
    again = LoginSessions(path)
    assert person_of(again, token) == "ann"
    assert person_of(again, token[:-1]) is None
    assert person_of(again, "") is None
    assert [one.address for one in again.of("ann")] == ["10.0.0.1"]
    again.close()
    assert all(token.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_sessions_end(tmp_path: Path) -> None:
    sessions = LoginSessions(tmp_path / "platform.sqlite3")
    tokens = [sessions.begin(name) for name in ("ann", "ann", "bob")]
    sessions.end(tokens[0])
    assert [person_of(sessions, token) for token in tokens] == [None, "ann", "bob"]
    sessions.end_all("ann")
    assert [person_of(sessions, token) for token in tokens] == [None, None, "bob"]
    sessions.close()


def test_one_can_log_in_and_stay_on_a_full_disk(tmp_path: Path) -> None:
    clock = ManualClock(1_000_000.0)
    sessions = LoginSessions(tmp_path / "platform.sqlite3", clock)
    before = sessions.begin("ann")
    sessions._database.execute("PRAGMA query_only = 1")
    clock.advance(120)  # after so long the last use is noted
    assert person_of(sessions, before) == "ann"
    tokens = [sessions.begin(name) for name in ("ann", "ann", "bob")]
    assert [person_of(sessions, token) for token in tokens] == ["ann", "ann", "bob"]
    assert len(sessions.of("ann")) == 3
    sessions._database.execute("PRAGMA query_only = 0")
    sessions.end(tokens[0])
    assert [person_of(sessions, token) for token in tokens] == [None, "ann", "bob"]
    sessions.end_all("ann")
    assert [person_of(sessions, token) for token in (before, *tokens)] == [None, None, None, "bob"]
    clock.advance(91 * 86_400)
    assert person_of(sessions, tokens[2]) is None
    sessions.close()


def test_a_session_ends_by_idleness_and_by_age(tmp_path: Path) -> None:
    clock = ManualClock(1_000_000.0)
    sessions = LoginSessions(tmp_path / "platform.sqlite3", clock)
    idle, used = sessions.begin("ann"), sessions.begin("ann")
    clock.advance(IDLE_S - 100)
    assert person_of(sessions, used) == "ann"
    clock.advance(200)
    assert person_of(sessions, idle) is None
    for _ in range(6):
        assert person_of(sessions, used) == "ann"
        clock.advance(IDLE_S - 100)
    assert person_of(sessions, used) is None
    sessions.close()


def test_a_share_link_ends(tmp_path: Path) -> None:
    clock = ManualClock(1_000_000.0)
    links = ShareLinks(tmp_path / "platform.sqlite3", clock)
    token, other = links.make(5, "ann", 1), links.make(5, "ann", 30)
    assert links.robot_of(token) == 5
    assert links.robot_of(token + "x") is None
    assert all(token.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    clock.advance(86_401)
    assert links.robot_of(token) is None
    (left,) = links.of(5)
    links.remove(left.number, 6)  # another robot's
    assert links.robot_of(other) == 5
    links.remove(left.number, 5)
    assert links.robot_of(other) is None
    for days in (0, -1, 367, float("nan")):
        with pytest.raises(InputError):
            links.make(5, "ann", days)
    links.close()


def test_a_code_is_taken_once(tmp_path: Path) -> None:
    sessions = LoginSessions(tmp_path / "platform.sqlite3")
    assert [sessions.take_code("ann", step) for step in (5, 5, 4, 6)] == [True, False, False, True]
    assert sessions.take_code("bob", 5)
    barrier = threading.Barrier(4)
    taken: list[bool] = []

    def take() -> None:
        barrier.wait(60)
        taken.append(sessions.take_code("ann", 7))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == [False, False, False, True]
    sessions.close()


def test_delays_double_and_end() -> None:
    clock = ManualClock(0.0)
    throttle = LoginThrottle(clock)
    assert [throttle.begin("a", "ann") for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    for expected in (1, 2, 4, 8, 16, 32, 60):
        assert throttle.begin("other", "ann") == expected  # by name
        clock.advance(expected)
        assert throttle.begin(f"from {expected}", "ann") == 0.0
    clock.advance(60)
    assert throttle.begin("a", "ann") == 0.0
    throttle.succeeded("a", "ann")
    assert [throttle.begin("a", "ann") for _ in range(3)] == [0.0] * 3


def test_the_delay_of_an_address_reaches_fifteen_minutes() -> None:
    clock = ManualClock(0.0)
    throttle = LoginThrottle(clock)
    longest = 0.0
    for number in range(20):
        wait = throttle.begin("a", f"name {number}")
        longest = max(longest, wait)
        clock.advance(wait)
        if wait:
            assert throttle.begin("a", f"name {number}") == 0.0
    assert longest == 900.0


def test_tries_side_by_side_share_no_delay() -> None:
    throttle = LoginThrottle(ManualClock(0.0))
    barrier = threading.Barrier(8)
    waits: list[float] = []

    def attempt() -> None:
        barrier.wait(60)
        waits.append(throttle.begin("a", "ann"))

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert waits.count(0.0) == 3


def test_a_flood_of_names_is_bounded() -> None:
    throttle = LoginThrottle(ManualClock(0.0))
    for number in range(30_000):
        throttle.begin(f"address {number}", f"name {number}")
    assert len(throttle._failures) <= 10_002
