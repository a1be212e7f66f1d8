"""Paper trading of contracts: margin, positions, profits, funding, liquidation; by hand for a linear and an inverse contract."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fmzthreads.constants import PD_LONG, PD_SHORT
from fmzthreads.errors import InputError, InsufficientFunds, InvalidOrder
from tests.helpers.paper_rooms import HOUR_MS, INVERSE, LINEAR, ContractRoom


def test_a_linear_position_is_opened_valued_and_closed() -> None:
    desk = ContractRoom(taker_fee=Decimal("0.001"))
    desk.place(LINEAR, "buy", 100)  # 100 contracts of 0.01 at 100 are worth 100, at ten-fold leverage 10
    assert desk.money(LINEAR) == pytest.approx((89.9, 10, 99.9, 0))
    (position,) = desk.venue.positions()
    assert (position.Amount, position.Price, position.Type, position.Margin) == (100, 100, PD_LONG, 10)
    desk.market.show(LINEAR, 110.01)
    desk.market.marks[LINEAR] = 110.0
    desk.venue.look()
    assert desk.money(LINEAR) == pytest.approx((89.9, 10, 109.9, 10))
    desk.place(LINEAR, "closebuy", 40)  # at 110: profit 4, fee 0.044
    assert desk.money(LINEAR) == pytest.approx((89.9 + 4 + 4 - 0.044, 6, 109.856, 6))
    desk.place(LINEAR, "closebuy", 60)
    assert desk.venue.positions() == []
    assert desk.money(LINEAR) == pytest.approx((109.79, 0, 109.79, 0))


def test_an_inverse_position_gains_in_coins() -> None:
    desk = ContractRoom()
    desk.place(INVERSE, "sell", 5, 99.99)  # 500 USD at 99.99
    margin = 500 / 99.99 / 10
    assert desk.money(INVERSE) == pytest.approx((10 - margin, margin, 10, 0), abs=1e-3)
    desk.market.show(INVERSE, 80.0)
    desk.venue.look()
    profit = 500 / 80 - 500 / 99.99
    assert desk.money(INVERSE)[3] == pytest.approx(profit)
    desk.place(INVERSE, "sell", 5)  # the average of inverse contracts is harmonic: no profit appears or vanishes
    assert desk.money(INVERSE)[3] == pytest.approx(profit - 500 * (1 / 79.99 - 1 / 80), abs=1e-9)
    (position,) = desk.venue.positions("USD.swap")
    assert (position.Type, position.Amount) == (PD_SHORT, 10)
    assert desk.venue.positions("USDT.swap") == []
    desk.place(INVERSE, "closesell", 10)
    assert desk.money(INVERSE)[0] == pytest.approx(10 + profit - 500 * (1 / 79.99 - 1 / 80))


def test_closing_orders_never_open() -> None:
    desk = ContractRoom()
    with pytest.raises(InvalidOrder, match="has 0 contracts"):
        desk.place(LINEAR, "closebuy", 1)
    desk.place(LINEAR, "buy", 10)
    desk.place(LINEAR, "closebuy", 6, 150)
    with pytest.raises(InvalidOrder, match="of which 6 are being closed"):
        desk.place(LINEAR, "closebuy", 5)
    with pytest.raises(InvalidOrder):
        desk.place(LINEAR, "closesell", 1)
    (position,) = desk.venue.positions(LINEAR)
    assert position.FrozenAmount == 6
    desk.market.set_book(LINEAR, asks=[(161.0, 100.0)], bids=[(160.0, 100.0)])
    desk.venue.look()
    assert desk.venue.positions()[0].Amount == 4
    assert desk.venue.account(LINEAR).Balance == pytest.approx(100 - 0.4 + 6 * 0.01 * 50)


def test_long_and_short_lie_beside_each_other_and_the_leverage_counts() -> None:
    desk = ContractRoom()
    assert desk.venue.position_mode() == "hedge"
    assert desk.venue.set_margin_level(LINEAR, 20) == 20
    desk.place(LINEAR, "buy", 100)
    desk.place(LINEAR, "sell", 100)
    assert {position.Type for position in desk.venue.positions()} == {PD_LONG, PD_SHORT}
    assert desk.money(LINEAR)[1] == pytest.approx(10, abs=0.01)
    with pytest.raises(InsufficientFunds):
        desk.place(LINEAR, "buy", 2000)
    with pytest.raises(InputError):
        desk.venue.set_margin_level(LINEAR, 0)


def test_a_resting_order_holds_margin_and_frees_it() -> None:
    desk = ContractRoom()
    order_id = desk.place(LINEAR, "buy", 100, 90)
    assert desk.money(LINEAR)[:2] == (91, 9)
    desk.venue.cancel(order_id)
    assert desk.money(LINEAR)[:2] == (100, 0)


def test_funding_is_paid_once_by_the_rate_shown_before_its_time() -> None:
    desk = ContractRoom()
    desk.place(LINEAR, "buy", 100)
    desk.place(INVERSE, "sell", 1, 99.99)
    desk.venue.look()
    desk.clock.advance(3600)
    desk.venue.look()  # the venue still shows the old time
    assert desk.venue.funding_payments() == []
    desk.market.due_ms += HOUR_MS
    desk.market.rate = 0.5
    desk.venue.look()
    desk.venue.look()
    long, short = sorted(desk.venue.funding_payments(), key=lambda one: one.Currency, reverse=True)
    assert (long.Symbol, long.Currency) == (LINEAR, "USDT")
    assert long.Amount == pytest.approx(-0.1)  # 100 USDT at 0.1 %
    assert short.Amount == pytest.approx(0.001)  # 1 BTC at 0.1 %
    assert desk.venue.account(LINEAR).Equity == pytest.approx(99.9)


def test_an_account_without_cover_is_liquidated_at_the_mark_price() -> None:
    desk = ContractRoom(taker_fee=Decimal("0.001"))
    desk.place(LINEAR, "buy", 900)  # worth 900
    resting = desk.place(LINEAR, "buy", 1, 50)
    desk.market.show(LINEAR, 89.6, mark=89.7)  # a loss of 92.7: 6.4 are left, and 4.04 are needed
    desk.venue.look()
    assert desk.told == []
    desk.market.show(LINEAR, 89.6, mark=89.3)
    desk.venue.look()
    assert desk.told == ["the paper account was liquidated: long 900 BTC_USDT.swap at 89.3"]
    assert desk.venue.positions() == []
    assert desk.venue.order(resting).Status == 2
    free, frozen, equity, _ = desk.money(LINEAR)
    assert (free, frozen) == (pytest.approx(100 - 0.9 - 96.3 - 0.8037), 0)
    assert equity == free
    last = desk.venue.history_orders(LINEAR)[-1]
    assert (last.DealAmount, last.Offset) == (900, 1)
    assert desk.venue.fills(last)[0].Info.how == "liquidation"
    desk.place(LINEAR, "buy", 1)  # numbers go on


def test_funding_whose_time_is_moved_before_it_has_come_is_not_paid() -> None:
    desk = ContractRoom()
    desk.place(LINEAR, "buy", 100)
    desk.venue.look()
    desk.clock.advance(1800)
    desk.market.due_ms += HOUR_MS
    desk.venue.look()
    desk.clock.advance(3600)
    desk.venue.look()
    assert desk.venue.funding_payments() == []
    desk.clock.advance(1800)
    desk.market.due_ms += HOUR_MS
    desk.venue.look()
    assert len(desk.venue.funding_payments()) == 1


def test_at_the_maintenance_margin_it_is_liquidated() -> None:
    desk = ContractRoom(maintenance_rate=Decimal("0.04"), balances={"USDT": 10})
    desk.place(LINEAR, "buy", 100)
    desk.market.show(LINEAR, 93.76)
    desk.venue.look()
    assert desk.told == []
    desk.market.show(LINEAR, 93.75)  # 3.75 are left, and 4 % of 93.75 are needed
    desk.venue.look()
    assert desk.told == ["the paper account was liquidated: long 100 BTC_USDT.swap at 93.75"]


def test_what_is_missing_is_the_venues_loss() -> None:
    desk = ContractRoom()
    desk.place(LINEAR, "buy", 900)
    desk.market.show(LINEAR, 50.0)
    desk.venue.look()
    assert desk.money(LINEAR) == (0, 0, 0, 0)


def test_positions_outlive_the_process(tmp_path: Path) -> None:
    desk = ContractRoom(tmp_path)
    desk.venue.set_margin_level(LINEAR, 5)
    desk.place(LINEAR, "buy", 10)
    before = desk.venue.positions()
    desk.venue.close()
    desk = ContractRoom(tmp_path)
    desk.count = 9
    assert desk.venue.positions() == before
    assert desk.venue.look() is True
    desk.place(LINEAR, "closebuy", 10)
    assert desk.venue.look() is False
    desk.venue.close()


def test_a_position_is_closed_when_fees_and_losses_have_left_nothing_free() -> None:
    desk = ContractRoom(taker_fee=Decimal("0.001"), balances={"USDT": 10})
    desk.place(LINEAR, "buy", 100)  # margin 10, fee 0.1
    assert desk.money(LINEAR)[:2] == (-0.1, 10)
    with pytest.raises(InsufficientFunds):
        desk.place(LINEAR, "buy", 1)
    desk.place(LINEAR, "closebuy", 100, 99)
    assert desk.venue.positions() == []
