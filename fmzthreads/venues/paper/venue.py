"""A venue on paper: market data of a real one, orders and balances of a paper account. No key is used."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from ...clock import Clock
from ...constants import PD_LONG, PD_SHORT
from ...errors import FmzError, InputError, StopRequested, VenueRejected, short_repr
from ...exchange.contracts.port import FundingPayment, PositionMode
from ...exchange.contracts.scopes import scope_includes
from ...exchange.venue import Venue
from ...structures import Account, Asset, Position
from ...structures.base import Info
from .margin.margin_change import margin_reply, move_margin, read_margin_change
from .margin.margin_watch import PaperMarginWatch
from .money.contract_money import profit_of, worth_of
from .money.positions import PaperPosition
from .settings import Paper
from .trading import PaperTrading
from .watch import MarketWatch

__all__ = ["PaperVenue"]

_LEVELS = 100
_MORE_LEVELS = 1000
_LIVE_AGE_S = 2.0
_BARS = 1000
_MINUTE_S = 60


class PaperVenue(PaperTrading):
    """Fills orders against a real market's book and trades, with money on paper.

    Args:
        market: The venue that the market data comes from; made without keys.
        paper: The account.
        folder: Where its file is kept unless ``paper`` names one; None for memory.
        clock: Tells the time, and is waited on for the latency.
        watching: Whether a thread looks at the market while orders rest; otherwise ``look`` must be called.

    Raises:
        OperationFailed: The file cannot be used, or another process trades with it.
    """

    def __init__(
        self, market: Venue, paper: Paper, folder: Path | None, clock: Clock, *, watching: bool = True
    ) -> None:
        file = paper.file
        if file is None and folder is not None:
            file = folder / f"paper-{''.join(c if c.isalnum() else '_' for c in market.name)}.sqlite3"
        super().__init__(market, paper, file, clock)
        self.margin = PaperMarginWatch(self.book, self.ways.brackets_at_once)
        self._warned = False
        if watching:
            self._watch = MarketWatch(self, clock, float(paper.poll_ms) / 1000)
        self._missed = {order.symbol for order in self.book.open_orders()}  # what rested while nothing looked
        if self._watched():
            self._wake()

    def account_id(self) -> str:
        """The venue and the account's file; see ``Venue.account_id``."""
        return f"paper:{self.name}:{self.account_file or 'memory'}"

    # Looks

    def look(self) -> bool:
        """Looks at the market of each symbol with resting orders or a position; returns whether there still are such."""
        for symbol in sorted(self._watched()):
            try:
                with self._turn(symbol):
                    self._look_at(symbol)
                self._warned = False
            except StopRequested:
                raise
            except FmzError as error:
                if not self._warned and symbol in self._watched():  # else it was delivered, and is no longer listed
                    self._warned = True
                    self._warn(f"resting paper orders of {symbol} cannot be matched; it is tried again: {error}")
        return bool(self._watched())

    def _watched(self) -> set[str]:
        held = {one.symbol for one in self.book.held()}
        return held | {order.symbol for order in self.book.open_orders()} | self.conditions.symbols()

    def _look_at(self, symbol: str) -> None:
        contract = self._learn(symbol) if "." in symbol else None
        if contract is not None and symbol not in self._watched():
            return  # it has just been delivered
        if symbol in self._missed:
            self.book.catch_up(symbol, self.market.records(symbol, _MINUTE_S, _BARS))
            self._missed.discard(symbol)
        trades = self.market.trades(symbol)
        depth = self._depth(None, symbol)
        self.book.look(symbol, trades, depth)
        # After the fills, so that a stop finds the position of an entry that was filled by the same trades.
        self.conditions.see_trades(symbol, trades)
        if contract is None:
            self._place_triggered(symbol)
            return
        wanted = self.conditions.sources(symbol)
        row = self._references.of(contract, depth, index="index" in wanted)
        for source, price in (("mark", row.mark), ("index", row.index)):
            if source in wanted and price is not None:
                self.conditions.see(symbol, source, price)
        self._place_triggered(symbol)
        if row.mark is not None:
            self._delivery.see(symbol, row.mark)
            lost = self.margin.see(contract, row.mark, row.funding)
            if lost:
                self._warn(f"the paper account was {lost}")

    # Account

    def account(self, symbol: str) -> Account:
        """The paper balances of the pair, or of a contract's margin currency; see ``Venue.account``."""
        base, _, quote = symbol.partition(".")[0].partition("_")
        balances = self.book.balances
        found = Account(
            Info=Info(paper=True),
            Balance=float(balances.free(quote)),
            FrozenBalance=float(balances.frozen(quote)),
            Stocks=float(balances.free(base)),
            FrozenStocks=float(balances.frozen(base)),
        )
        if "." in symbol:
            equity, profit = self.margin.equity(self._learn(symbol).margin_currency)
            found.update(Equity=float(equity), UPnL=float(profit))
        return found

    def positions(self, symbol: str | None = None) -> list[Position]:
        """The paper positions; see ``Venue.positions``."""
        return [self._shown(one) for one in self.book.held() if scope_includes(symbol, one.symbol)]

    def _shown(self, position: PaperPosition) -> Position:
        contract = self._learn(position.symbol)
        mark = self.margin.mark(position.symbol) or position.price
        side = "closebuy" if position.long else "closesell"
        closing = sum((one.left for one in self.book.open_orders(position.symbol) if one.side == side), Decimal(0))
        liquidation = self.margin.liquidation_price(position)
        return Position(
            Info=Info(
                paper=True,
                markPrice=float(mark),
                liquidationPrice=float(liquidation or 0),
                maintenanceMargin=float(self.margin.maintenance(position)),
                marginMode="isolated" if position.isolated else "cross",
            ),
            Symbol=position.symbol,
            MarginLevel=float(self.book.level(position.symbol)),
            Amount=float(position.amount),
            FrozenAmount=float(closing),
            Price=float(position.price),
            Profit=float(profit_of(contract, position, position.amount, mark)),
            Type=PD_LONG if position.long else PD_SHORT,
            ContractType=position.symbol.partition(".")[2],
            Margin=float(position.margin),
        )

    def position_mode(self) -> PositionMode:
        """That of the account; see ``ContractPort.position_mode``."""
        return "hedge" if self.book.hedge else "one_way"

    def io(self, command: str, *args: object) -> Any:
        """``dual`` sets the account's position mode, while there are neither orders of contracts nor positions; else see ``Venue.io``."""
        if command != "dual" or not self.contracts_only:
            return super().io(command, *args)
        if len(args) != 1 or not isinstance(args[0], bool):
            raise InputError(f"IO('dual') takes True (hedge) or False (one-way), got {short_repr(args)}")
        with self.book.lock:
            if self.book.hedge is not args[0]:
                orders = [one for one in self.book.open_orders() if "." in one.symbol]
                for found, said in (
                    (orders or self.conditions.symbols(), self.ways.dual_with_orders),
                    (self.book.held(), self.ways.dual_with_position),
                ):
                    if found:
                        raise self.ways.refusal(VenueRejected, said, "IO('dual')")
                self.book.set_hedge(args[0])
        return True

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """Public GETs, and the venue's own call that changes the margin of an isolated position; see ``Venue.request``."""
        change = read_margin_change(self.ways, http_method, resource, params, raw) if self.contracts_only else None
        if change is None:
            return super().request(http_method, resource, params, raw)
        contracts = [self._learn(symbol) for symbol in sorted({one.symbol for one in self.book.held()})]
        contract = next((one for one in contracts if one.venue_symbol == change.venue_symbol), None)
        if contract is None:
            raise self.ways.refusal(VenueRejected, self.ways.no_margin_position, change.venue_symbol)
        move_margin(self.book, contract, change, self.margin.mark(contract.symbol), self.ways)
        return margin_reply(change, contract)

    def set_cross(self, symbol: str, cross: bool) -> None:
        """For what is opened from now on, while the contract has neither orders nor a position; see ``ContractPort.set_cross``."""
        self._learn(symbol)
        with self.book.lock:
            if self.book.isolated(symbol) is not cross:
                return
            for found, said in (
                (self.book.open_orders(symbol), self.ways.mode_with_orders),
                ([one for one in self.book.held() if one.symbol == symbol], self.ways.mode_with_position),
            ):
                if found:
                    raise self.ways.refusal(VenueRejected, said, symbol)
            self.book.set_isolated(symbol, not cross)

    def set_margin_level(self, symbol: str, level: int) -> float:
        """For what is opened from now on; see ``ContractPort.set_margin_level``."""
        contract = self._learn(symbol)
        brackets = self.book.brackets(symbol)
        with self.book.lock:
            sizes = [
                brackets.size(one.amount, worth_of(contract, one.amount, self.margin.mark(symbol) or one.price))
                for one in self.book.held()
                if one.symbol == symbol
            ]
            most = brackets.at(max(sizes, default=Decimal(0))).leverage
            if not 1 <= level <= most:
                of = "its position" if sizes else "its brackets"
                raise InputError(
                    f"the leverage of {symbol} on paper is from 1 to {most.normalize():f} by {of}, got {short_repr(level)}; nothing was sent"
                )
            self.book.set_level(symbol, Decimal(level))
        return float(level)

    def funding_payments(self, symbol: str | None = None, since_ms: int = 0, limit: int = 0) -> list[FundingPayment]:
        """Those of the paper account; see ``ContractPort.funding_payments``."""
        rows = [
            FundingPayment(
                Info=Info(paper=True),
                Id=str(place),
                Symbol=one.symbol,
                Amount=float(one.amount),
                Currency=one.currency,
                Time=one.time_ms,
            )
            for place, one in enumerate(self.book.store.payments())
            if one.time_ms >= since_ms and (scope_includes(symbol, one.symbol))
        ]
        return (rows[:limit] if since_ms else rows[-limit:]) if limit else rows

    def assets(self) -> list[Asset]:
        """All paper balances that are not zero; see ``Venue.assets``."""
        return [
            Asset(Info=Info(paper=True), Currency=currency, Amount=float(free), FrozenAmount=float(frozen))
            for currency, (free, frozen) in self.book.balances.rows.items()
            if free or frozen
        ]

    def margin_assets(self, symbol: str) -> list[Asset]:
        """That of the contract's margin currency; see ``ContractPort.margin_assets``."""
        currency = self._learn(symbol).margin_currency
        return [asset for asset in self.assets() if asset["Currency"] == currency]

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """Those of the paper account; see ``Venue.fee_rates``."""
        return float(self.paper.maker_fee), float(self.paper.taker_fee)

    # The end

    def close(self) -> None:
        """Ends the matching and closes the account's file: open orders go on when it is opened again."""
        if self._watch is not None:
            self._watch.close()
        self._live.close()
        self.market.close()
        self._accounts.leave(self.book)
