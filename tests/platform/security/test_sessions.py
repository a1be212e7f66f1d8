"""Sessions, share links, the audit trail and the delays after wrong passwords."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError
from fmzthreads.platform.security.audit_trail import AuditTrail
from fmzthreads.platform.security.login_sessions import IDLE_S, LoginSessions
from fmzthreads.platform.security.login_throttle import LoginThrottle
from fmzthreads.platform.security.share_links import ShareLinks


def test_a_session_survives_a_restart_and_its_token_is_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "platform.sqlite3"
    first = LoginSessions(path)
    token = first.begin("ann", "10.0.0.1", "browser")
    first.close()
    again = LoginSessions(path)
    assert again.person_of(token) == "ann"
    assert again.person_of(token[:-1]) is None
    assert again.person_of("") is None
    assert [one.address for one in again.of("ann")] == ["10.0.0.1"]
    again.close()
    assert all(token.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_sessions_end(tmp_path: Path) -> None:
    sessions = LoginSessions(tmp_path / "platform.sqlite3")
    tokens = [sessions.begin(name) for name in ("ann", "ann", "bob")]
    sessions.end(tokens[0])
    assert [sessions.person_of(token) for token in tokens] == [None, "ann", "bob"]
    sessions.end_all("ann")
    assert [sessions.person_of(token) for token in tokens] == [None, None, "bob"]
    sessions.close()


def test_a_session_ends_by_idleness_and_by_age(tmp_path: Path) -> None:
    clock = ManualClock(1_000_000.0)
    sessions = LoginSessions(tmp_path / "platform.sqlite3", clock)
    idle, used = sessions.begin("ann"), sessions.begin("ann")
    clock.advance(IDLE_S - 100)
    assert sessions.person_of(used) == "ann"
    clock.advance(200)
    assert sessions.person_of(idle) is None
    for _ in range(6):
        assert sessions.person_of(used) == "ann"
        clock.advance(IDLE_S - 100)
    assert sessions.person_of(used) is None
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


def test_the_audit_trail_keeps_order_and_cuts_secrets(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "platform.sqlite3")
    for number in range(5):
        trail.record("ann", "::1", "robot stopped", str(number), "signature=0123456789abcdef0123456789abcdef \ud800")
    entries = trail.entries(3)
    assert [entry.target for entry in entries] == ["4", "3", "2"]
    assert "0123456789abcdef" not in entries[0].detail
    assert [entry.target for entry in trail.entries(10, before=entries[-1].id)] == ["1", "0"]
    trail.close()


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
