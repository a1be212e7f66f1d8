"""Where brackets come from: OKX's public tiers, what is kept of them, and the default."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from fmzthreads.errors import InputError, OperationFailed
from tests.helpers.paper_rooms import LINEAR, ContractRoom

PATH = ("GET", "/api/v5/public/position-tiers")
# "Get position tiers" in OKX's API guide.
TIERS: dict[str, Any] = {
    "code": "0",
    "data": [
        {"tier": "2", "minSz": "501", "maxSz": "1000", "mmr": "0.02", "imr": "0.05", "maxLever": "20"},
        {"tier": "1", "minSz": "0", "maxSz": "500", "mmr": "0.01", "imr": "0.02", "maxLever": "50"},
    ],
}


def room_of(folder: Path | None = None, *, reply: Any = TIERS, **options: Any) -> ContractRoom:
    room = ContractRoom(folder, name="Futures_OKX", **options)
    room.market.replies[PATH] = reply
    contract = room.market.contract(LINEAR)
    room.market.listed[LINEAR] = attrs.evolve(contract, venue_symbol="BTC-USDT-SWAP")
    return room


def test_okxs_tiers_count_contracts() -> None:
    room = room_of()
    with pytest.raises(InputError, match="from 1 to 50 by its brackets"):
        room.venue.set_margin_level(LINEAR, 51)
    assert ("GET", PATH[1], "instType=SWAP&tdMode=cross&instFamily=BTC-USDT", "") in room.market.requests
    room.place(LINEAR, "buy", 600)
    room.venue.look()
    assert room.venue.positions()[0].Info.maintenanceMargin == pytest.approx(12)
    asked = [one for one in room.market.requests if one[1] == PATH[1]]
    assert len(asked) == 1
    room.clock.advance(3601)
    room.venue.look()
    assert len([one for one in room.market.requests if one[1] == PATH[1]]) == 2


def test_what_was_read_once_serves_when_the_venue_is_away(tmp_path: Path) -> None:
    room = room_of(tmp_path)
    room.venue.set_margin_level(LINEAR, 50)
    room.venue.close()
    room = room_of(tmp_path)
    room.market.fail("request", OperationFailed("away"), always=True)
    with pytest.raises(InputError, match="from 1 to 50"):
        room.venue.set_margin_level(LINEAR, 51)
    assert room.told == [f"the position tiers of {LINEAR} could not be read; those of the last time are used"]
    room.venue.close()


@pytest.mark.parametrize(
    "reply", [{"data": []}, {"code": "1"}, [], {"data": [{"tier": "1"}]}, {"data": [{**TIERS["data"][0], "mmr": "x"}]}]
)
def test_the_default_serves_when_there_are_none(reply: Any) -> None:
    room = room_of(reply=reply, maintenance_rate=Decimal("0.03"))
    assert room.venue.set_margin_level(LINEAR, 200) == 200
    assert room.told == [f"the position tiers of {LINEAR} could not be read; a maintenance rate of 0.03 is used"]
    room.place(LINEAR, "buy", 100)
    room.venue.look()
    assert room.venue.positions()[0].Info.maintenanceMargin == pytest.approx(3)
    assert len(room.told) == 1


def test_those_of_the_settings_go_first() -> None:
    rows = [{"maintMarginRatio": 0.05, "initialLeverage": 10}]
    room = room_of(brackets={LINEAR: rows})
    with pytest.raises(InputError, match="from 1 to 10"):
        room.venue.set_margin_level(LINEAR, 11)
    assert room.market.requests == []
