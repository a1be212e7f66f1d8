"""What the venue has done is returned, whatever happens to its line in the journal."""

from __future__ import annotations

from fmzthreads.exchange.exchange import Exchange
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.nasty_values import Rude


class _Pedantic(MemoryHost):
    def order_line(self, kind: int, **fields: object) -> None:
        str(fields["tail"][0])  # type: ignore[index] # as a journal that renders the line


def test_an_order_whose_line_cannot_be_written_returns_its_id() -> None:
    host, venue = _Pedantic(), FakeVenue()
    exchange = Exchange("Fake", "BTC_USDT", venue=venue, host=host)
    order_id = exchange.Buy(99.0, 1.0, Rude())
    assert isinstance(order_id, str)
    assert len(venue.placed) == 1
    assert [text for text in host.errors if "could not be written" in text and order_id in text]
    assert exchange.CancelOrder(order_id, Rude()) is True
