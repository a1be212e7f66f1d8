"""Paper venues over a market that the test sets, whose looks the test makes itself."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from fmzthreads.errors import UnknownSymbol
from fmzthreads.exchange.contracts.converter import Contract, ContractValue
from fmzthreads.exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.structures import Funding, Trade
from fmzthreads.testing import FakeVenue
from fmzthreads.venues.paper.settings import Paper
from fmzthreads.venues.paper.venue import PaperVenue
from tests.helpers.exchange_room import JumpClock

ASKS = [(101.0, 1.0), (102.0, 2.0), (103.0, 3.0)]
BIDS = [(100.0, 1.0), (99.0, 2.0), (98.0, 3.0)]


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


class PaperRoom:
    """What both rooms can do with a paper venue."""

    venue: PaperVenue
    market: FakeVenue
    symbol: str
    count = 0

    def next_id(self) -> str:
        self.count += 1
        return f"c{self.count}"

    def condition(
        self,
        side: Any,
        amount: float,
        kind: int,
        *,
        options: dict[str, str] | None = None,
        client_id: str = "",
        symbol: str = "",
        **prices: float | None,
    ) -> str:
        """Places a condition order; ``prices`` are the fields of ``ConditionTerms``."""
        terms = ConditionTerms(kind=kind, **{name: _exact(price) for name, price in prices.items()})
        intent = ConditionIntent(
            symbol=symbol or self.symbol,
            side=side,
            amount=Decimal(str(amount)),
            terms=terms,
            client_order_id=client_id or self.next_id(),
            options=options or {},
        )
        return self.venue.place_condition(intent)

    def change(
        self,
        order_id: str,
        side: Any,
        price: float | None = None,
        amount: float | None = None,
        terms: ConditionTerms | None = None,
        **more: Any,
    ) -> str:
        """Changes an order, or a condition order if there are ``terms``."""
        intent = ModifyIntent(
            order_id=order_id,
            symbol=order_id.partition(",")[0],
            side=side,
            price=_exact(price),
            amount=_exact(amount),
            client_order_id=self.next_id(),
            terms=terms,
            **more,
        )
        return self.venue.modify(intent) if terms is None else self.venue.modify_condition(intent)

    def trade(self, *trades: tuple[float, float]) -> None:
        """Public trades, and a look at them."""
        rows = self.market.public_trades.setdefault(self.symbol, [])
        for price, amount in trades:
            rows.append(Trade(Info={}, Id=str(len(rows)), Time=len(rows), Price=price, Amount=amount, Type=1))
        self.venue.look()

    def fills(self, order_id: str) -> list[tuple[float, float, str, bool]]:
        fills = self.venue.fills(self.venue.order(order_id))
        return [(float(one.Price), float(one.Amount), one.Info.how, one.Maker) for one in fills]


class SpotRoom(PaperRoom):
    """A paper venue over a fake spot market."""

    symbol = "BTC_USDT"

    def __init__(self, folder: Path | None = None, *, name: str = "Fake", **settings: Any) -> None:
        self.clock = JumpClock()
        self.market = FakeVenue(name, clock=self.clock)
        self.market.set_book("BTC_USDT", asks=ASKS, bids=BIDS)
        settings.setdefault("balances", {"USDT": 1000, "BTC": 10})
        settings.setdefault("latency_ms", 0)
        self.venue = PaperVenue(self.market, Paper(**settings), folder, self.clock, watching=False)
        self.told: list[str] = []
        self.venue.warn_with(self.told.append)

    def place(self, side: Any, price: float | None, amount: float, **more: Any) -> str:
        return self.venue.place(
            OrderIntent(
                symbol="BTC_USDT",
                side=side,
                price=_exact(price),
                amount=Decimal(str(amount)),
                **{"client_order_id": self.next_id(), **more},
            )
        )

    def money(self) -> tuple[float, float, float, float]:
        account = self.venue.account("BTC_USDT")
        return account.Balance, account.FrozenBalance, account.Stocks, account.FrozenStocks


LINEAR, INVERSE = "BTC_USDT.swap", "BTC_USD.swap"
HOUR_MS = 3_600_000


class ContractMarket(FakeVenue):
    """A linear contract of 0.01 BTC and an inverse one of 100 USD."""

    def __init__(self, clock: JumpClock, name: str) -> None:
        super().__init__(name, clock=clock, pairs=(LINEAR, INVERSE))
        self.marks = {LINEAR: 100.0, INVERSE: 100.0}
        self.listed: dict[str, Contract | None] = {}
        """Contracts that are other than usual, and None for those that are no longer listed."""
        self.due_ms = int(clock.now() * 1000) + HOUR_MS
        self.rate = 0.001
        for symbol in self.marks:
            self.show(symbol, 100.0)

    def show(self, symbol: str, price: float, mark: float | None = None) -> None:
        self.marks[symbol] = price if mark is None else mark
        self.set_book(symbol, asks=[(price, 1000.0)], bids=[(price - 0.01, 1000.0)])

    def contract(self, symbol: str) -> Contract:
        if symbol in self.listed:
            found = self.listed[symbol]
            if found is None:
                raise UnknownSymbol(f"{symbol} is not listed")
            return found
        value = ContractValue(Decimal("0.01"), True) if symbol == LINEAR else ContractValue(Decimal(100), False)
        currency = "USDT" if symbol == LINEAR else "BTC"
        return Contract(
            symbol=symbol,
            venue_symbol=symbol,
            value=value,
            value_currency="",
            margin_currency=currency,
            step=Decimal(1),
        )

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        assert symbol is not None
        return [
            Funding(
                Info={"markPrice": str(self.marks[symbol])},
                Symbol=symbol,
                Interval=HOUR_MS,
                Time=self.due_ms,
                Rate=self.rate,
            )
        ]


class ContractRoom(PaperRoom):
    """A paper venue over that market, without a thread and without fees unless given."""

    market: ContractMarket
    symbol = LINEAR

    def __init__(self, folder: Path | None = None, *, name: str = "Fake", **settings: Any) -> None:
        self.clock = JumpClock()
        self.market = ContractMarket(self.clock, name)
        settings = {"balances": {"USDT": 100, "BTC": 10}, "latency_ms": 0, "taker_fee": 0, "maker_fee": 0, **settings}
        self.venue = PaperVenue(self.market, Paper(**settings), folder, self.clock, watching=False)
        self.told: list[str] = []
        self.venue.warn_with(self.told.append)

    def place(self, symbol: str, side: Any, amount: float, price: float | None = None, **more: Any) -> str:
        return self.venue.place(
            OrderIntent(
                symbol=symbol,
                side=side,
                price=_exact(price),
                amount=Decimal(amount),
                **{"client_order_id": self.next_id(), **more},
            )
        )

    def money(self, symbol: str) -> tuple[float, float, float, float]:
        account = self.venue.account(symbol)
        free, frozen = (
            (account.Balance, account.FrozenBalance) if symbol == LINEAR else (account.Stocks, account.FrozenStocks)
        )
        return free, frozen, account.Equity, account.UPnL
