"""OKX v5's public channels for contracts: mark price, index, funding, open interest, liquidations ("Public Data" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ....engine.events import LiquidationEvent
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....transport.push import Push
from ....transport.topics import Feed, SampledTopic, Topic
from ...fields import plain_decimal
from ..public.contract_data import ContractData
from ..public.instruments import Instruments
from ..public.market import OkxMarket
from ..public.products import family_of, product_of
from .public_channels import data_push

__all__ = ["ContractChannels", "LiquidationsTopic"]

_MARK_S = 0.2
_INDEX_S = 0.1
_FUNDING_S = 30.0
_INTEREST_S = 3.0


class ContractChannels:
    """Makes the topics of contracts' public channels.

    Args:
        exchange: The source of the data.
        feed: Passes events into the event loop.
        instruments: The exchange's instruments under OKX's names.
        market: Renders price limits.
        contracts: Renders marks, indexes and funding.
        now_ms: The venue's time.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        feed: Feed,
        instruments: Instruments,
        market: OkxMarket,
        contracts: ContractData,
        now_ms: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._feed = feed
        self._instruments = instruments
        self._market = market
        self._contracts = contracts
        self._now_ms = now_ms

    def topic(self, arg: dict[str, Any]) -> Callable[[], Topic] | None:
        """The factory of a channel's topic; None if channel or instrument is unknown here."""
        channel, name = str(arg.get("channel")), arg.get("instId")
        if channel == "index-tickers":
            found = self._contracts.indexes().get(str(name))
            return None if found is None else self._sampled(arg, _INDEX_S, self._contracts.describe_index, found)
        if channel == "liquidation-orders":
            return lambda: LiquidationsTopic(self._feed, arg, self._exchange, self._instruments)
        instrument = self._instruments.find(str(name)) if name is not None else None
        if instrument is None:
            return None
        if channel == "price-limit":
            return self._sampled(arg, _MARK_S, self._market.describe_limit, instrument)
        kind = product_of(instrument)
        if channel == "funding-rate" and kind.inst_type == "SWAP":
            return self._sampled(arg, _FUNDING_S, self._contracts.describe_funding, instrument)
        if channel == "mark-price" and kind.contracts:
            return self._sampled(arg, _MARK_S, self._contracts.describe_mark, instrument)
        if channel == "open-interest" and kind.contracts:
            return self._sampled(arg, _INTEREST_S, self._contracts.describe_interest, instrument)
        return None

    def _sampled(
        self,
        arg: dict[str, Any],
        pace_s: float,
        describe: Callable[[Instrument, int], dict[str, Any]],
        instrument: Instrument,
    ) -> Callable[[], Topic]:
        """A row that is sent at once, and again when it has changed."""
        sent: list[dict[str, Any]] = []

        def _make() -> Iterator[Push]:
            row = describe(instrument, self._now_ms())
            if sent != [{**row, "ts": ""}]:
                sent[:] = [{**row, "ts": ""}]
                yield data_push(arg, [row])

        return lambda: SampledTopic(
            self._feed, pace_s, _make, lambda: [data_push(arg, [describe(instrument, self._now_ms())])]
        )


class LiquidationsTopic(Topic):
    """The channel ``liquidation-orders`` of one instrument type.

    Args:
        feed: The source of events.
        arg: The ``arg`` of the messages.
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
    """

    def __init__(self, feed: Feed, arg: dict[str, Any], exchange: SimulatedExchange, instruments: Instruments) -> None:
        super().__init__(feed)
        self._arg = arg
        self._exchange = exchange
        self._instruments = instruments

    def _listed(self) -> list[Instrument]:
        return [one for one in self._instruments.all() if product_of(one).inst_type == self._arg.get("instType")]

    def start(self) -> None:
        """Begins to listen to every instrument."""
        for instrument in self._listed():
            self.feed.watch(LiquidationEvent, instrument.id, self._tell)

    def stop(self) -> None:
        """Ends it."""
        for instrument in self._listed():
            self.feed.unwatch(LiquidationEvent, instrument.id, self._tell)

    def _tell(self, event: LiquidationEvent) -> None:
        order = event.order
        instrument = self._exchange.instrument(order.instrument)
        detail = {
            "side": order.side,
            "posSide": ("long" if order.side == "sell" else "short")
            if order.position_side == "net"
            else order.position_side,
            "bkPx": plain_decimal(order.price) if order.price is not None else "",
            "sz": plain_decimal(order.filled),
            "bkLoss": "0",
            "ccy": "",
            "ts": str(order.updated_ms),
        }
        row = {
            "instType": product_of(instrument).inst_type,
            "instId": self._instruments.name(instrument.id),
            "instFamily": family_of(instrument),
            "uly": family_of(instrument),
            "details": [detail],
        }
        self.publish(data_push(self._arg, [row]))
