"""Settings beyond FMZ's engine: partial fills and latencies."""

import pytest

from fmzthreads.backtest.config.details import detail_of
from fmzthreads.backtest.config.settings import BacktestSettings, Latency, PartialFills
from fmzthreads.backtest.config.task import header_task, settings_of
from fmzthreads.backtest.nano import ONE, nano
from fmzthreads.errors import InputError, UnknownName

EXCHANGES = '[{"eid":"Binance","currency":"BTC_USDT"},{"eid":"OKX","currency":"BTC_USDT","label":"far"}]'


def settings(*lines: str) -> BacktestSettings:
    return settings_of(header_task("\n".join(("backtest", f"exchanges: {EXCHANGES}", *lines))))


def test_nothing_is_asked_for_by_default() -> None:
    assert [(e.partial_fills, e.latency) for e in settings().exchanges] == [(None, None)] * 2


def test_partial_fills() -> None:
    both = settings("participation: 0.1", "queue: 0.5").exchanges
    assert [e.partial_fills for e in both] == [PartialFills(participation=nano(0.1), queue=nano(0.5))] * 2
    assert settings("queue: 1").exchanges[0].partial_fills == PartialFills(participation=ONE, queue=ONE)
    assert settings("participation: 1").exchanges[0].partial_fills == PartialFills(participation=ONE)
    asked = settings_of({"options": {"participation": 0.25}})
    assert asked.exchanges[0].partial_fills == PartialFills(participation=nano(0.25))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("latency: 30", [Latency(median_ms=30)] * 2),
        ("latency: [1, 2.5]", [Latency(samples_ms=(1, 2.5))] * 2),
        ('latency: {"median": 20, "p99": 90}', [Latency(median_ms=20, p99_ms=90)] * 2),
        ('latency: {"median": 20}', [Latency(median_ms=20)] * 2),
        ('latency: {"samples": [3]}', [Latency(samples_ms=(3,))] * 2),
        ('latency: {"Binance": 5, "far": [7]}', [Latency(median_ms=5), Latency(samples_ms=(7,))]),
        ('latency: {"OKX": {"median": 5}, "*": 9}', [Latency(median_ms=9), Latency(median_ms=5)]),
        ('latency: {"Kraken": 5}', [None, None]),
    ],
)
def test_latencies(line: str, expected: list[Latency | None]) -> None:
    assert [e.latency for e in settings(line).exchanges] == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("participation: 0", "participation is 0, expected a share of more than 0 and at most 1"),
        ("participation: 1.1", "participation is 1.1, expected"),
        ("participation: lots", "participation is 'lots', expected a number"),
        ("queue: -1", "queue is '-1', expected a number of at least 0"),
        ("latency: -1", "latency is '-1', expected a number of at least 0"),
        ("latency: []", "latency: samples is .*expected at least one value in ms"),
        ("latency: [-1]", "samples is -1, expected a number of at least 0"),
        ('latency: {"Binance": {"median": 50, "p99": 40}}', "latency of Binance: median 50 and p99 40, expected"),
        ('latency: {"median": 0, "p99": 40}', "median 0 and p99 40, expected"),
    ],
)
def test_what_is_not_valid_is_named(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(line)


def test_the_age_of_prices_is_only_looked_at_where_it_is_asked_for() -> None:
    def limits(*lines: str) -> list[int | None]:
        return [exchange.max_price_age_ms for exchange in settings(*lines).exchanges]

    assert limits() == limits("maxPriceAge:") == limits("participation: 0.5") == [None, None]
    assert limits("maxPriceAge: 90000") == [90_000, 90_000]
    assert limits("maxPriceAge: 0") == [0, 0]
    assert limits("mode: 1") == [60_000, 60_000]
    assert limits("mode: 1", "maxPriceAge: 5") == [5, 5]
    with pytest.raises(InputError, match="maxPriceAge is '-1', expected a number of at least 0"):
        settings("maxPriceAge: -1")


def test_an_unknown_key_of_a_latency() -> None:
    with pytest.raises(UnknownName, match=r"unknown key 'p90'.*p99"):
        settings('latency: {"median": 1, "p90": 2}')


@pytest.mark.parametrize("key", ["volumeMultiple", "marginLevel"])
@pytest.mark.parametrize("value", [0, "0", 0.0, 1e-12, -1])
def test_a_contract_of_no_size_or_leverage_is_refused(key: str, value: object) -> None:
    """It was taken as 1, and as 10; of a spot pair it means nothing."""
    with pytest.raises(InputError, match=rf"here: {key} is .*{value}.*, expected a number"):
        detail_of({key: value}, "BTC_USDT.swap", "here")
    if value != -1:
        assert detail_of({key: value}, "BTC_USDT", "here").volume_multiple == ONE
    for nothing in (None, ""):
        found = detail_of({key: nothing}, "BTC_USDT.swap", "here")
        assert (found.volume_multiple, found.margin_level) == (ONE, 10 * ONE)
