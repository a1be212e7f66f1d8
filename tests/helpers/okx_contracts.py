"""A simulated OKX with spot and contracts whose prices only the test moves."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from types import TracebackType
from typing import Any

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.dialects.okx.rest import SimulatedOkx
from fmzthreads.simulator.dialects.okx.streams.connections import OkxSite
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import Instrument, okx_spot
from fmzthreads.simulator.engine.margin.listings import okx_contract
from fmzthreads.simulator.engine.orders import NewOrder, OrderView
from fmzthreads.simulator.faults import Faults
from fmzthreads.simulator.transport.http import RestApp
from fmzthreads.simulator.transport.listener import ServingThread
from fmzthreads.simulator.transport.stream_settings import StreamSettings
from fmzthreads.simulator.transport.websocket import WsConnection

__all__ = ["INVERSE", "LINEAR", "SPOT", "OkxContracts"]

LINEAR, INVERSE, SPOT = "BTC_USDT.swap", "BTC_USD.swap", "BTC_USDT"
_PLENTY = Decimal(10) ** 9


class OkxContracts:
    """One account with 10,000 USDT and 1 BTC, another with plenty, and a last, mark and index price of 50,000.

    Args:
        clock: A clock that the test moves; a wall clock when None.
        serving: Whether it listens on a port.
        hedge: Whether the account is in long/short mode.
        more: What is listed besides; without prices.
    """

    def __init__(
        self, *, clock: ManualClock | None = None, serving: bool = True, hedge: bool = False, more: Iterable[Instrument] = ()
    ) -> None:  # fmt: skip
        listed = (*okx_spot(), okx_contract("BTC", "USDT"), okx_contract("BTC", "USD"), *more)
        self.exchange = SimulatedExchange(listed, clock=clock)
        self.key, self.secret, self.passphrase = "key", "secret", "passphrase"
        funds = {"USDT": Decimal(10_000), "BTC": Decimal(1)}
        self.account = self.exchange.create_account("user", self.key, self.secret, self.passphrase, funds)
        self.other = self.exchange.create_account("other", balances={"USDT": _PLENTY, "BTC": _PLENTY})
        self.faults = Faults(0, self.exchange.clock)
        self.dialect = SimulatedOkx(self.exchange, self.faults, rate_scale=0)
        self.site = OkxSite(self.exchange, self.dialect, self.faults, StreamSettings(), rate_scale=0)
        for instrument in (LINEAR, INVERSE):
            self.exchange.contracts.set_leverage(self.other, instrument, 1)
        self.exchange.contracts.set_hedge(self.account, hedge)
        for instrument in (LINEAR, INVERSE, SPOT):
            self.trade(instrument, "50000")
            if instrument != SPOT:
                self.exchange.contracts.set_prices(instrument, mark=Decimal(50_000), index=Decimal(50_000))
        self._wire: ServingThread | None = None
        if serving:
            app: Any = RestApp(self.dialect, self.faults)
            self._wire = ServingThread(
                app, host="127.0.0.1", port=0, name="okx-contracts", sockets=lambda *args, **more: WsConnection(*args, site=self.site, **more)
            )  # fmt: skip

    # --- the market ---

    def rest(self, instrument: str, side: str, price: str, quantity: str = "1") -> OrderView:
        """An order of the other account."""
        return self.exchange.place(
            self.other,
            NewOrder(instrument=instrument, side="buy" if side == "buy" else "sell", price=Decimal(price), quantity=Decimal(quantity)),
        )  # fmt: skip

    def trade(self, instrument: str, price: str, quantity: str = "1") -> None:
        """A trade of the other account with itself, which moves the last price."""
        for side in ("sell", "buy"):
            self.rest(instrument, side, price, quantity)

    def clear(self) -> None:
        """Takes out all orders of the other account."""
        self.exchange.cancel_all(self.other)

    # --- where it is ---

    @property
    def base_url(self) -> str:
        assert self._wire is not None
        return self._wire.base_url

    @property
    def stream_url(self) -> str:
        return "ws" + self.base_url.removeprefix("http")

    def __enter__(self) -> OkxContracts:
        if self._wire is not None:
            self._wire.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._wire is not None:
            self._wire.stop()
        self.site.stop()
