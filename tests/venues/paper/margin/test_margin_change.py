"""The margin of an isolated position is changed by the venues' own raw calls."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from fmzthreads.errors import InputError, InsufficientFunds, NotSupported, VenueRejected
from tests.helpers.paper_rooms import LINEAR, ContractRoom

NAMES = {"Futures_Binance": "BTCUSDT", "Futures_OKX": "BTC-USDT-SWAP"}
OKX = "/api/v5/account/position/margin-balance"


class Room(ContractRoom):
    """A room with an isolated contract, and its venue's call."""

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self.venue.contracts_only = True
        contract = self.market.contract(LINEAR)
        self.market.listed[LINEAR] = attrs.evolve(contract, venue_symbol=NAMES[name])
        self.binance = name == "Futures_Binance"
        if not self.binance:
            self.market.replies[("GET", "/api/v5/public/position-tiers")] = {"data": []}

    def move(self, amount: Any, side: str = "LONG", *, adds: bool = True, name: str = "") -> Any:
        if self.binance:
            text = f"symbol={name or 'BTCUSDT'}&amount={amount}&type={1 if adds else 2}"
            return self.venue.request(
                "POST", "/fapi/v1/positionMargin", text + (f"&positionSide={side}" if side else "")
            )
        body = {"instId": name or "BTC-USDT-SWAP", "amt": str(amount), "type": "add" if adds else "reduce"}
        return self.venue.request("POST", OKX, "", json.dumps({**body, **({"posSide": side.lower()} if side else {})}))


@pytest.fixture(params=list(NAMES))
def room(request: pytest.FixtureRequest) -> Room:
    made = Room(request.param)
    made.venue.set_cross(LINEAR, False)
    made.place(LINEAR, "buy", 100)  # worth 100, margin 10
    made.venue.look()
    return made


def test_margin_is_added_and_taken_back(room: Room) -> None:
    before = room.venue.positions()[0].Info.liquidationPrice
    reply = room.move(5)
    if room.binance:
        assert reply == {"amount": 5.0, "code": 200, "msg": "Successfully modify position margin.", "type": 1}
    else:
        assert reply["data"] == [
            {"amt": "5", "ccy": "USDT", "instId": "BTC-USDT-SWAP", "posSide": "long", "type": "add"}
        ]
    (position,) = room.venue.positions()
    assert (position.Margin, room.money(LINEAR)[:2]) == (15, (85, 15))
    assert position.Info.liquidationPrice == pytest.approx(before - 5 / 0.995)
    assert room.move("2.5", adds=False)
    assert room.money(LINEAR)[:2] == (87.5, 12.5)
    room.market.show(LINEAR, 91)  # it has lost 9; with the margin of before it would be liquidated at 90.45
    room.venue.look()
    room.market.show(LINEAR, 89)
    room.venue.look()
    assert room.told == [] or "tiers" in room.told[0]
    assert len(room.venue.positions()) == 1
    room.place(LINEAR, "closebuy", 100)
    assert room.money(LINEAR)[:2] == (pytest.approx(100 - 11.01), 0)


def too_much(room: Room, code: str) -> Any:
    """What each venue says: OKX's 59301, "exceeding the max limit", does not say that funds are missing, and has the same class live."""
    kind, said = (InsufficientFunds, code) if room.binance else (VenueRejected, "59301")
    return pytest.raises(kind, match=said, check=lambda error: type(error) is kind)


def test_what_the_leverage_asks_for_and_what_is_lost_stays(room: Room) -> None:
    room.move(20)
    with too_much(room, "-4051"):
        room.move("20.01", adds=False)
    room.market.show(LINEAR, 95)  # 5 are lost, and 9.5 are needed
    room.venue.look()
    with too_much(room, "-4051"):
        room.move("15.51", adds=False)
    room.move("15.5", adds=False)
    room.market.show(LINEAR, 200)  # a profit cannot be taken out; 20 are needed and 14.5 are there
    room.venue.look()
    with too_much(room, "-4051"):
        room.move("0.01", adds=False)
    assert room.venue.book.held()[0].margin == Decimal("14.5")


def test_no_more_than_is_free_is_added(room: Room) -> None:
    with too_much(room, "-4050"):
        room.move("90.01")
    room.move(90)
    assert room.money(LINEAR)[:2] == (0, 100)


def test_there_must_be_such_an_isolated_position(room: Room) -> None:
    for wrong in ({"side": "SHORT"}, {"side": ""}, {"name": "ETHUSDT"}):
        with pytest.raises(VenueRejected, match=r"-4054|59300"):
            room.move(1, **wrong)
    room.place(LINEAR, "closebuy", 100)
    with pytest.raises(VenueRejected, match=r"-4054|59300"):
        room.move(1)
    cross = Room(room.venue.name)
    cross.place(LINEAR, "buy", 1)
    with pytest.raises(VenueRejected, match=r"-4054|59300"):
        cross.move(1)


def test_in_one_way_mode_no_side_is_named() -> None:
    for name in NAMES:
        room = Room(name, position_mode="one_way")
        room.venue.set_cross(LINEAR, False)
        room.place(LINEAR, "sell", 100)
        room.move(5, "")
        assert room.venue.positions()[0].Margin == pytest.approx(14.999)
        with pytest.raises(VenueRejected, match=r"-4054|59300"):
            room.move(5, "SHORT")


@pytest.mark.parametrize("amount", [0, -1, "x", "nan", "1e400", "1e-400", "inf", ""])
def test_amounts_that_are_not_valid(room: Room, amount: Any) -> None:
    with pytest.raises(InputError):
        room.move(amount)
    assert room.money(LINEAR)[:2] == (90, 10)


def test_calls_that_are_not_valid(room: Room) -> None:
    path = "/fapi/v1/positionMargin" if room.binance else OKX
    for params, raw in (
        ("", ""),
        ("", "[]"),
        ("", "{"),
        ("amount=1&amt=1&type=1", ""),
        ("symbol=BTCUSDT&instId=x&amount=1&amt=1&type=3", ""),
    ):
        with pytest.raises(InputError):
            room.venue.request("POST", path, params, raw)
    for method, other in (
        ("GET", path),
        ("POST", "/fapi/v1/order"),
        ("POST", OKX if room.binance else "/fapi/v1/positionMargin"),
    ):
        if method == "POST":
            with pytest.raises(NotSupported):
                room.venue.request(method, other, "symbol=BTCUSDT&amount=1&type=1")
    spot = Room(room.venue.name)
    spot.venue.contracts_only = False
    with pytest.raises(NotSupported):
        spot.move(1)
