"""What holds for all tests: an extra that is not installed skips a test by name, and no example of hypothesis has a deadline."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import re
import signal
import tempfile
import warnings
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fmzthreads.errors import MissingExtra

# Counts of a simulator on a port that another test had before must not be this test's; tests of the sharing switch it on.
os.environ.setdefault("FMZTHREADS_SHARE_LIMITS", "0")

# The machine may be busy: how long an example takes, or takes to be made, says nothing about the code.
settings.register_profile("same", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("fuzz", settings.get_profile("same"), derandomize=False)
# Ordinary runs see the same examples, so that what they say depends on the code alone; "tox -e fuzz" looks for new ones.
settings.load_profile("fuzz" if os.environ.get("FMZTHREADS_FUZZ") else "same")

# A shell that runs the tests in the background has Ctrl-C ignored, by them and by every process that they start; some of them test it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_homes = tempfile.TemporaryDirectory(prefix="fmzthreads-tests-", ignore_cleanup_errors=True)
_numbers = itertools.count(1)
_ended = itertools.count(1)
_SWEEP_EVERY = 100


@pytest.fixture(autouse=True)
def _own_garbage() -> Iterator[None]:
    """Collects what a test has left, so that a socket left open fails the test that opened it, and not a later one."""
    yield
    gc.collect()
    if next(_ended) % _SWEEP_EVERY == 0:  # what outlived its own test, such as a thread that ended a moment later
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.unfreeze()
            gc.collect()
    gc.freeze()  # what is still there need not be looked through again: each collection sees one test only


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's home, and none sees what another left: exchange objects with keys keep an order log."""
    monkeypatch.setenv("FMZTHREADS_HOME", str(Path(_homes.name) / str(next(_numbers))))


@pytest.fixture(autouse=True)
def _one_sample_of_the_venues_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late: tests that count requests must not see the repeats that a slow sample of the venue's time has."""
    monkeypatch.setattr("fmzthreads.venues.rest.server_time._GOOD_RTT_S", 60.0)


@pytest.fixture
def own_event_loop() -> Iterator[None]:
    """An event loop for clients that take the current one, or make one, and never close it; a loop left open would fail a later test."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def swept() -> Iterator[None]:
    """Throws away, within the test, what a library leaves to the garbage collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    return (yield from _skipping())


def _skipping() -> Generator[None, object, object]:
    try:
        return (yield)
    except MissingExtra as error:
        named = re.search(r"the package '(\w+)'", str(error))
        if named is None or find_spec(named[1]) is not None:
            raise  # it is there: that the error came all the same is a defect
        pytest.skip(str(error))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Names a test after the length of its bytes: compressed ones hold the time at which they were made, and names must not change."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) and len(val) > 16 else None
