"""A process that is killed (SIGKILL) at any step of an order or a cancel; the next one settles what it left, on both venues."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.errors import NotSupported, OperationFailed
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.strategy.runtime import Runtime, use
from tests.helpers.crash import NAMES, run_until_killed
from tests.helpers.simulators import simulator

LIFETIME = {"Binance": "recv_window_ms", "OKX": "order_lifetime_ms"}


def unanswered(*_: str) -> Any:
    raise NotSupported("the venue does not support this")


class Scene:
    """A simulated exchange, a strategy's folder, and the exchange object of the process that comes after."""

    def __init__(self, server: Any, home: Path) -> None:
        self.server = server
        self.name = NAMES[server.venue]
        self.home = home
        self.exchange: Any = Exchange(
            self.name,
            "BTC_USDT",
            access_key=server.key,
            secret_key=server.secret,
            passphrase=server.passphrase,
            base=server.base_url,
            errors="raise",
            **{LIFETIME[self.name]: 60_000},  # on a busy machine an order must not expire on its way
        )
        self.exchange.venue.settling_s = 2.5  # so soon "no such order" is believed
        self.price = round(self.exchange.GetDepth().Bids[0].Price * 0.8, 1)

    def kill(self, step: str, what: str = "order", order_id: str = "") -> str:
        return run_until_killed(self.server, self.home, step, what, price=self.price, order_id=order_id)

    def rows(self, kind: str = "order") -> list[tuple[str, str, str]]:
        """Client order id, fate and order id of each row, in their order."""
        (file,) = self.home.glob("crashing*/orders.sqlite3")
        connection = sqlite3.connect(file)
        try:
            return connection.execute(
                "SELECT client_order_id, fate, order_id FROM intents WHERE kind = ? ORDER BY id", (kind,)
            ).fetchall()
        finally:
            connection.close()

    @property
    def at_venue(self) -> set[str]:
        return {order.Id for order in self.exchange.GetHistoryOrders()}


@pytest.fixture(params=["binance", "okx"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    with simulator(request.param) as server:
        runtime = Runtime(name="crashing", console=False)
        with use(runtime):
            made = Scene(server, tmp_path)
            try:
                yield made
            finally:
                made.exchange.close()
                runtime.close()


def test_killed_before_the_row_there_is_neither_a_row_nor_an_order(scene: Scene) -> None:
    scene.kill("before the row")
    assert scene.at_venue == set()
    assert scene.exchange.UnknownOrders(all_runs=True) == []
    assert scene.exchange.Buy(scene.price, 0.01) in scene.at_venue


def test_killed_before_the_first_byte_the_order_is_absent(scene: Scene) -> None:
    scene.kill("before the first byte")
    ((key, fate, _),) = scene.rows()
    assert fate == "sending"
    (left,) = scene.exchange.UnknownOrders(all_runs=True)
    assert (left.fate, left.intent.client_order_id, left.intent.symbol) == ("unknown", key, "BTC_USDT")
    assert left.run
    assert "ended" in left.detail
    assert scene.exchange.UnknownOrders() == []
    order_id = scene.exchange.Buy(scene.price, 0.01)
    assert scene.at_venue == {order_id}
    scene.exchange.close()
    assert [row[1] for row in scene.rows()] == ["absent", "placed"]
    assert scene.exchange.UnknownOrders(all_runs=True) == []


@pytest.mark.parametrize("step", ["after the last byte", "after the reply"])
def test_killed_after_the_order_left_it_is_found(scene: Scene, step: str) -> None:
    scene.kill(step)
    assert [row[1] for row in scene.rows()] == ["sending"]
    assert len(scene.at_venue) == 1
    second = scene.exchange.Buy(scene.price, 0.01)
    scene.exchange.close()
    first, last = scene.rows()
    assert (first[1], last[1:]) == ("placed", ("placed", second))
    assert first[0] != last[0]
    assert first[0][:7] == last[0][:7]
    assert scene.at_venue == {first[2], second}


def test_reconcile_tells_what_an_earlier_run_left_and_settles_it(scene: Scene) -> None:
    scene.kill("after the last byte")
    (record,) = scene.exchange.Reconcile()
    assert (record.fate, {record.order_id}) == ("placed", scene.at_venue)
    assert scene.exchange.UnknownOrders(all_runs=True) == []
    assert scene.exchange.Reconcile() == []


def test_without_an_answer_the_first_order_of_the_symbol_is_refused(scene: Scene) -> None:
    scene.kill("after the last byte")
    ask, scene.exchange.venue.order_by_client_id = scene.exchange.venue.order_by_client_id, unanswered
    with pytest.raises(
        OperationFailed, match=r"nothing was sent: an order of an earlier run for BTC_USDT .*not settled"
    ):
        scene.exchange.Buy(scene.price, 0.01)
    assert len(scene.at_venue) == 1
    eth = round(scene.exchange.GetDepth("ETH_USDT").Bids[0].Price * 0.8, 1)
    assert scene.exchange.CreateOrder("ETH_USDT", "buy", eth, 0.1)  # nothing was left of this one
    (record,) = scene.exchange.Reconcile()
    assert record.fate == "unknown"
    assert "does not support" in record.detail
    scene.exchange.venue.order_by_client_id = ask
    assert scene.exchange.Buy(scene.price, 0.01)
    assert [row[1] for row in scene.rows()][:1] == ["placed"]


@pytest.mark.parametrize(
    ("step", "fate"),
    [("before the first byte", "absent"), ("after the last byte", "cancelled"), ("after the reply", "cancelled")],
)
def test_a_cancel_is_settled_by_the_state_of_its_order(scene: Scene, step: str, fate: str) -> None:
    order_id = scene.kill("")  # a run that ends well
    scene.kill(step, "cancel", order_id)
    (left,) = scene.exchange.UnknownOrders(all_runs=True)
    assert left.is_cancel
    assert left.order_id == order_id
    sent = scene.exchange.venue.channel.send_once
    cancels = []
    scene.exchange.venue.channel.send_once = lambda ask, *rest: cancels.append(ask.path) or sent(ask, *rest)
    assert scene.exchange.Buy(scene.price, 0.01)
    assert len(cancels) == 1  # the order; no cancel was sent again
    scene.exchange.close()
    assert [row[1:] for row in scene.rows("cancel")] == [(fate, order_id)]
    assert scene.exchange.GetOrder(order_id).Status == (0 if fate == "absent" else 2)


def test_a_run_that_ends_well_leaves_nothing(scene: Scene) -> None:
    order_id = scene.kill("")
    assert scene.rows()[0][1:] == ("placed", order_id)
    assert scene.exchange.UnknownOrders(all_runs=True) == []
