"""Processes that count together: killed while they hold the lock, with damaged, cut, deleted and read-only files."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fmzthreads import errors
from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.venues.limits import shared_file
from fmzthreads.venues.limits.limiter import Claim, Limiter
from fmzthreads.venues.limits.registry import SHARE_VARIABLE, Limiters
from fmzthreads.venues.limits.shared_file import RECORDS, SharedFile
from fmzthreads.venues.limits.table import Bucket
from fmzthreads.venues.limits.windows import AlignedWindow, SlidingWindow
from tests.helpers.forked import in_fork, needs_fork
from tests.venues.limits.helpers import bucket, claim

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fcntl")

DAY = 86_400
ADDRESS = "https://api.example.com"


def order(one: Bucket) -> Claim:
    """An order at noon: at midnight the count of a day would begin anew in the middle of a test."""
    asked = claim(WallClock(), (one, (1,)), patient=False)
    asked.server_now = lambda: 1000.5 * DAY
    return asked


def fill(limiter: Limiter, limit: int = 10, *, door: str = "orders") -> int:
    """How many more orders of a day a limiter lets go."""
    one, done = bucket(AlignedWindow("orders", limit, DAY, share=1.0), door=door, account="key"), 0
    try:
        while True:
            limiter.leave(limiter.enter(order(one)))
            done += 1
    except errors.RateLimited:
        return done


def limiter(path: Path) -> Limiter:
    """A limiter as another process would have it: its own memory, the same file."""
    return Limiter("V", WallClock(), SharedFile(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "limits" / "a.limits"


def take(limiter: Limiter, count: int) -> None:
    one = bucket(AlignedWindow("orders", 10, DAY, share=1.0), door="orders", account="key")
    for _ in range(count):
        limiter.leave(limiter.enter(order(one)))


def test_what_one_process_uses_the_other_does_not_get(path: Path) -> None:
    take(limiter(path), 7)
    assert fill(limiter(path)) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert b"key" not in path.read_bytes()


def test_limits_do_not_mix(path: Path) -> None:
    assert [fill(limiter(path), door=f"trade/order:{number}") for number in range(300)] == [10] * 300
    assert [fill(limiter(path), door=f"trade/order:{number}") for number in range(300)] == [0] * 300


def test_a_ban_is_known_to_all(path: Path) -> None:
    first, second, address = limiter(path), limiter(path), bucket()
    asked = claim(WallClock(), (address, ()))
    first.block(asked, "", errors.Banned("out", retry_after_s=120))
    with pytest.raises(errors.Banned, match="another process of this user was refused"):
        second.enter(asked)


HOLDER = """
import sys, time
from fmzthreads.clock import WallClock
from fmzthreads.venues.limits.limiter import Limiter
from fmzthreads.venues.limits.shared_file import SharedFile
from fmzthreads.venues.limits.windows import AlignedWindow
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.venues.limits.test_shared_file import take
file = SharedFile(Path({path!r}))
take(Limiter("V", WallClock(), file), 4)
assert file.lock()
print("locked", flush=True)
time.sleep(600)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that has used four orders and holds the lock."""
    root = Path(__file__).resolve().parents[3]
    code = textwrap.dedent(HOLDER).format(path=str(path), root=str(root))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_process_that_is_killed_with_the_lock_leaves_its_counts_and_no_lock(path: Path) -> None:
    process = holder(path)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()  # type: ignore[union-attr]
    assert fill(limiter(path)) == 6


def test_a_process_that_is_suspended_with_the_lock_does_not_hold_up_orders(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = holder(path)
    try:
        alone = limiter(path)
        with caplog.at_level(logging.WARNING):
            assert fill(alone) == 10  # it counts alone, and says so once
            assert fill(alone) == 0
        assert [record.message.count("another process holds its lock") for record in caplog.records] == [1]
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()  # type: ignore[union-attr]


@needs_fork
def test_a_forked_child_has_a_lock_of_its_own(path: Path) -> None:
    ours = limiter(path)
    take(ours, 2)

    def child() -> int:
        take(ours, 3)
        return fill(ours)

    assert in_fork(child) == 5
    assert fill(ours) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(os.urandom(5000)),
        lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
        lambda path: path.write_bytes(path.read_bytes()[:700]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.unlink(),
    ],
    ids=["empty", "short-noise", "noise", "cut", "longer", "deleted"],
)
def test_a_damaged_file_is_begun_anew(path: Path, damage: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_file, "_LOOK_S", 0.0)
    first = limiter(path)
    take(first, 4)
    damage(path)  # type: ignore[operator]
    second = limiter(path)
    take(second, 4)
    take(first, 1)
    assert fill(limiter(path)) == 5
    assert fill(first) == 0


def test_noise_in_the_records_limits_nothing_for_ever(path: Path) -> None:
    first = limiter(path)
    take(first, 1)
    with path.open("r+b") as file:
        for number in range(1, RECORDS + 1):
            file.seek(number * 512)
            file.write(os.urandom(512))
    assert fill(limiter(path)) == 10


def test_a_ban_of_another_start_of_the_machine_is_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = claim(WallClock(), (bucket(), ()))
    limiter(path).block(asked, "", errors.Banned("out", retry_after_s=120))
    monkeypatch.setattr(shared_file, "_BOOT", b"another start of")
    again = limiter(path)
    again.leave(again.enter(asked))


def test_a_folder_that_cannot_be_used_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    alone = limiter(blocked / "a.limits")
    with caplog.at_level(logging.WARNING):
        assert fill(alone) == 10
        assert fill(alone) == 0
    assert len(caplog.records) == 1
    assert "this process counts alone" in caplog.records[0].message


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    path.parent.mkdir(parents=True)
    path.symlink_to(victim)
    with caplog.at_level(logging.WARNING):
        assert fill(limiter(path)) == 10
    assert victim.read_text() == "keep me"


def test_four_processes_at_once_never_exceed_a_limit(path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    code = f"""
import sys
sys.path.insert(0, {str(root)!r})
from pathlib import Path
from tests.venues.limits.test_shared_file import fill, limiter
one = limiter(Path({str(path)!r}))
print(sum(fill(one, 20, door=str(number)) for number in range(40)))
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)
    ]
    assert sum(int(process.communicate(timeout=60)[0]) for process in processes) == 40 * 20


def test_one_limiter_for_each_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    monkeypatch.delenv(SHARE_VARIABLE, raising=False)
    limiters, clock, manual = Limiters(), WallClock(), ManualClock()

    def find(base: str = ADDRESS, proxy: str = "", **options: object) -> Limiter:
        given = {"clock": WallClock(), "share": True, **options}
        return limiters.find("V", base, proxy, given["clock"], share=bool(given["share"]))  # type: ignore[arg-type]

    one = find(share=False)
    assert not one.shared
    assert find() is one
    assert one.shared
    assert find(ADDRESS + "/") is find(clock=clock) is one
    assert find("https://other.example.com") is not one
    assert find(proxy="socks5://127.0.0.1:1") is not one
    alone = find(clock=manual)
    assert alone is not one
    assert not alone.shared  # a clock turned by hand means nothing to other processes
    assert find(clock=manual) is alone
    assert not list(tmp_path.rglob("*.limits"))
    take(one, 1)
    assert len(list((tmp_path / "limits").iterdir())) == 1
    monkeypatch.setenv(SHARE_VARIABLE, "0")
    assert not find("https://third.example.com").shared


def test_calls_are_cheap_enough_to_be_counted_one_by_one(path: Path) -> None:
    """A bound so wide that only a slip such as a wait or a scan of the file breaks it."""
    shared, clock = limiter(path), WallClock()
    one = bucket(SlidingWindow("calls", 2**20, 2.0), door="x")
    began = clock.monotonic()
    for _ in range(1000):
        shared.leave(shared.enter(claim(clock, (one, (1,)))))
    assert clock.monotonic() - began < 10
