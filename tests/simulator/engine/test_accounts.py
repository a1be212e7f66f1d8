from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.errors import InputError
from fmzthreads.simulator.engine.accounts import TradingAccount
from fmzthreads.simulator.engine.instruments import UNIT, Instrument, binance_spot, from_units, okx_spot, to_units
from fmzthreads.simulator.engine.reasons import Reason, Rejected
from fmzthreads.simulator.engine.settlement import fee_units


def test_freeze_and_release_move_money_and_make_none() -> None:
    account = TradingAccount("a")
    account.deposit("USDT", 100)
    account.freeze("USDT", 70)
    assert (account.free["USDT"], account.frozen["USDT"]) == (30, 70)
    account.release("USDT", 50)
    assert (account.free["USDT"], account.frozen["USDT"]) == (80, 20)


def test_more_than_there_is_cannot_be_frozen() -> None:
    account = TradingAccount("a")
    account.deposit("USDT", 100)
    with pytest.raises(Rejected, match="needed") as caught:
        account.freeze("USDT", 101)
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    assert (account.free["USDT"], account.frozen["USDT"]) == (100, 0)
    with pytest.raises(Rejected):
        account.freeze("BTC", 1)


def test_secrets_are_compared_and_never_shown() -> None:
    account = TradingAccount("a", key="k", secret="s3cret", passphrase="p4ss")
    assert account.may("s3cret")
    assert account.may("s3cret", "p4ss")
    assert not account.may("s3cret", "wrong")
    assert not account.may("wrong", "p4ss")
    assert "s3cret" not in repr(account)
    assert "p4ss" not in repr(account)


@pytest.mark.parametrize("bad", [{"maker_fee": D("-0.1")}, {"taker_fee": D(1)}, {"history": 0}])
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        TradingAccount("a", **bad)  # type: ignore[arg-type]


def test_a_negative_deposit_is_refused() -> None:
    with pytest.raises(InputError):
        TradingAccount("a").deposit("BTC", -1)


def test_fees_are_cut_to_their_digits() -> None:
    assert fee_units(to_units(D("0.12345")), D("0.001"), UNIT // 10**8) == to_units(D("0.00012345"))
    assert fee_units(to_units(D("0.123456789")), D("0.001"), UNIT // 10**8) == to_units(D("0.00012345"))
    assert fee_units(5 * UNIT, D(0), UNIT // 10**8) == 0
    assert fee_units(to_units(D("0.00000001")), D("0.001"), UNIT // 10**8) == 0


@given(st.integers(0, 10**40), st.decimals(0, D("0.9999"), places=6), st.integers(0, 16))
def test_a_fee_is_never_more_than_the_rate(received: int, rate: D, digits: int) -> None:
    fee = fee_units(received, rate, UNIT // 10**digits)
    assert 0 <= fee <= received
    assert fee * 10**6 <= received * int(rate * 10**6)
    assert fee % (UNIT // 10**digits) == 0


@given(st.decimals(D("-1e20"), D("1e20"), places=16))
def test_units_there_and_back_are_exact(amount: D) -> None:
    assert from_units(to_units(amount)) == amount


@pytest.mark.parametrize("bad", [D("NaN"), D("Infinity"), D("1e-17"), D("1e41"), 0.5, "1"])
def test_units_refuse_what_is_not_exact(bad: object) -> None:
    with pytest.raises(InputError):
        to_units(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (D("NaN"), Reason.BAD_PRICE), (D("Infinity"), Reason.BAD_PRICE), (D(0), Reason.BAD_PRICE), (D(-1), Reason.BAD_PRICE),
        (D("100.001"), Reason.PRICE_TICK), (D("1e-20"), Reason.PRICE_TICK), (D("1000000.01"), Reason.PRICE_RANGE), (D("1e50"), Reason.BAD_PRICE),
    ],
)  # fmt: skip
def test_price_filter(price: D, reason: Reason) -> None:
    with pytest.raises(Rejected) as caught:
        binance_spot()[0].ticks(price)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (D("NaN"), Reason.BAD_QUANTITY), (D(0), Reason.BAD_QUANTITY), (D(-1), Reason.BAD_QUANTITY), (D("0.000001"), Reason.QUANTITY_TOO_SMALL),
        (D("0.000015"), Reason.QUANTITY_STEP), (D(9001), Reason.QUANTITY_TOO_LARGE),
    ],
)  # fmt: skip
def test_quantity_filter(quantity: D, reason: Reason) -> None:
    with pytest.raises(Rejected) as caught:
        binance_spot()[0].lots(quantity)
    assert caught.value.reason is reason


def test_market_orders_have_a_limit_of_their_own() -> None:
    instrument = binance_spot()[0]
    assert instrument.lots(D(101)) == 10_100_000
    with pytest.raises(Rejected, match="above 100"):
        instrument.lots(D(101), market=True)


def test_steps_come_back_as_decimals_without_noise() -> None:
    for instrument in (*binance_spot(), *okx_spot()):
        assert instrument.price(instrument.ticks(D(2000))) == D(2000)
        assert instrument.quantity(instrument.lots(D("0.5"))) == D("0.5")
        assert instrument.turnover(3, 1) == 3 * instrument.tick * instrument.step


@pytest.mark.parametrize(
    "bad", [{"tick": D(0)}, {"step": D("NaN")}, {"maker_fee": D("-0.0001")}, {"tick": D("1e-10"), "step": D("1e-10")}]
)
def test_bad_instruments_are_refused(bad: dict[str, D]) -> None:
    good = {"tick": D("0.01"), "step": D("0.01"), "min_quantity": D("0.01")}
    with pytest.raises(InputError):
        Instrument(id="A_B", base="A", quote="B", **{**good, **bad})  # type: ignore[arg-type]
