import copy
import datetime as real
from datetime import UTC, timedelta, timezone

from fmzthreads.backtest.modules.datetime_module import datetime_module
from tests.backtest.modules.test_time_module import HandClock

EAST = timezone(timedelta(hours=8))


def test_now_goes_by_the_clock_in_the_zone() -> None:
    clock = HandClock()
    module = datetime_module(clock, EAST)
    assert str(module.datetime.now()) == "2024-01-01 08:00:00"
    assert str(module.datetime.utcnow()) == "2024-01-01 00:00:00"
    assert str(module.datetime.today()) == "2024-01-01 08:00:00"
    assert str(module.date.today()) == "2024-01-01"
    assert module.datetime.now(UTC) == real.datetime(2024, 1, 1, tzinfo=UTC)
    clock.sleep(17 * 3_600_000 + 250)
    assert str(module.datetime.now()) == "2024-01-02 01:00:00.250000"
    assert str(module.date.today()) == "2024-01-02"


def test_times_without_a_zone_are_in_that_of_the_run() -> None:
    module = datetime_module(HandClock(), EAST)
    now = module.datetime.now()
    assert now.timestamp() == 1_704_067_200.0
    assert module.datetime.fromtimestamp(1_704_067_200).hour == 8
    assert module.datetime.utcfromtimestamp(1_704_067_200).hour == 0
    assert module.datetime(2024, 1, 1, 8).timestamp() == 1_704_067_200.0
    assert now.astimezone(UTC).hour == 0
    assert (now + timedelta(hours=1)).timestamp() == 1_704_070_800.0
    assert module.datetime.strptime("2024-01-01 08:00", "%Y-%m-%d %H:%M").timestamp() == 1_704_067_200.0


def test_the_classes_are_pythons_for_everybody_else() -> None:
    module = datetime_module(HandClock(), UTC)
    plain = real.datetime(2024, 1, 1)
    assert isinstance(plain, module.datetime)
    assert isinstance(module.datetime.now(), real.datetime)
    assert isinstance(plain.date(), module.date)
    assert issubclass(real.datetime, module.datetime)
    assert module.datetime.now() == plain
    assert copy.deepcopy(module.datetime.now()) == plain
    assert module.timedelta is timedelta
    assert real.datetime.now() > plain + timedelta(days=365)
