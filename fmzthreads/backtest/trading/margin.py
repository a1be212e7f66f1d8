"""The account of a futures exchange: margins, positions and profits in USDT or in coins, hedged or one net position.

Source: the published engine, github.com/fmzquant/backtest_javascript. It has no liquidation: equity may become negative.
"""

from __future__ import annotations

from typing import Any

from ...errors import InputError
from ...structures import Account, Asset, Position
from ..config.settings import ExchangeSettings, MarketDetail
from ..nano import ONE, cut, div, mul, nano, to_float
from .funding import FundingEvent
from .held_position import HeldPosition, contract_value
from .history import in_scope
from .ledger import Refused
from .market import MarketView
from .orders import DeskOrder, Direction, insufficient
from .spot import Wallet

__all__ = ["SWITCH_REFUSED", "MarginAccount", "SymbolPositions", "margin_currency_of"]

SWITCH_REFUSED = "can't switch mode when has position or pending order"

_DIRECTIONS: dict[str, Direction] = {
    "buy": "buy",
    "sell": "sell",
    "closesell": "closesell",
    "closesell_today": "closesell",
}


class SymbolPositions:
    """Both sides of one symbol, and its leverage.

    Attributes:
        view: The symbol.
        long: The long position; of one net position either this or the other is 0.
        short: The short position.
        level: The leverage of new positions, in nano.
    """

    __slots__ = ("_touched", "level", "long", "short", "view")

    def __init__(self, view: MarketView) -> None:
        self.view = view
        self.long = HeldPosition(view.detail, is_long=True)
        self.short = HeldPosition(view.detail, is_long=False)
        self.level = view.detail.margin_level
        self._touched: list[HeldPosition] = []

    def touch(self, position: HeldPosition) -> None:
        """Notes that a position was opened once, so that snapshots show it from now on."""
        if position not in self._touched:
            self._touched.append(position)

    def held(self) -> list[HeldPosition]:
        """The positions with contracts, long before short."""
        return [position for position in (self.long, self.short) if position.amount]

    def shown(self) -> list[HeldPosition]:
        """The positions that were opened at least once."""
        return self._touched


class MarginAccount:
    """Wallets and positions of a futures exchange.

    Attributes:
        wallets: The balances by currency, margins not included.
        symbols: The positions by symbol, in the order of first use.
        dual: Whether long and short are held side by side (hedge); else there is one net position.
        rate: ``SetRate``'s factor, in nano.
    """

    def __init__(self, settings: ExchangeSettings) -> None:
        self.settings = settings
        self.rate = ONE
        self.dual = True
        self.symbols: dict[str, SymbolPositions] = {}
        self.wallets: dict[str, Wallet] = {}
        only = settings.margin_currency
        for currency, amount in (
            (settings.quote_currency, settings.balance),
            (settings.base_currency, settings.stocks),
        ):
            if amount and (only is None or currency == only):
                self.wallets[currency] = Wallet(amount)
        self._nothing = Wallet()
        self._highest_fee = max(settings.fee_maker, settings.fee_taker)

    def wallet(self, currency: str) -> Wallet:
        """The balance of a currency to be changed, made when it is missing."""
        found = self.wallets.get(currency)
        if found is None:
            found = self.wallets[currency] = Wallet()
        return found

    def symbol(self, view: MarketView) -> SymbolPositions:
        """The positions of a symbol, made when they are missing."""
        found = self.symbols.get(view.detail.symbol)
        if found is None:
            found = self.symbols[view.detail.symbol] = SymbolPositions(view)
        return found

    def direction(self, side: str) -> Direction:
        """``*_today`` is as without it; an unknown side (``compat: fmz``) closes a long position."""
        return _DIRECTIONS.get(side, "closebuy")

    # orders

    def reserve(self, order: DeskOrder, asked: tuple[float, float], replaced: DeskOrder | None) -> None:
        """Freezes margin and fee for what opens, contracts for what closes.

        Raises:
            Refused: There is not enough.
        """
        positions = self.symbol(order.view)
        order.level = positions.level
        if self.dual and order.is_close:
            self._reserve_close(order, self._closed(positions, order), replaced)
            return
        detail = order.detail
        opening = order.amount
        if not self.dual:
            opening = max(0, opening - self._opposite(positions, order).amount)
        needed = self._needed(order, opening)
        wallet = self.wallets.get(margin_currency_of(detail), self._nothing)
        back = replaced.frozen if replaced is not None and self._freezes_money(replaced) else 0
        if needed and needed > wallet.free + back:
            raise Refused(insufficient(detail.symbol, order.side, *asked))
        if replaced is not None:
            self.release(replaced)
        if needed:
            self.wallet(margin_currency_of(detail)).freeze(needed)
        order.frozen = needed

    def _needed(self, order: DeskOrder, opening: int) -> int:
        if not opening:
            return 0
        price = order.price
        if order.market:
            price = order.birth.sell if order.is_buy else order.birth.buy
        value = contract_value(order.detail, price, order.amount)
        if opening != order.amount:
            value = mul(value, div(opening, order.amount))
        return mul(value, _inverse(order.level)) + max(mul(value, self._highest_fee), self.settings.fee_min)

    def _reserve_close(self, order: DeskOrder, position: HeldPosition, replaced: DeskOrder | None) -> None:
        back = 0
        if replaced is not None and not self._freezes_money(replaced) and replaced.is_buy == order.is_buy:
            back = replaced.frozen
        if order.amount > position.amount - position.frozen + back:
            raise Refused(_too_much(order, position), "ERR_INVALID_POSITION")
        if replaced is not None:
            self.release(replaced)
        position.frozen += order.amount
        order.frozen = order.amount

    def _freezes_money(self, order: DeskOrder) -> bool:
        return not (self.dual and order.is_close)

    def _closed(self, positions: SymbolPositions, order: DeskOrder) -> HeldPosition:
        return positions.short if order.is_buy else positions.long

    # In one net position an order of either kind first reduces the opposite side, which is the side that a close of its direction would close.
    _opposite = _closed

    def release(self, order: DeskOrder) -> None:
        """Frees what an order holds frozen: money, or contracts of a position."""
        if not order.frozen:
            return
        if self._freezes_money(order):
            self.wallet(margin_currency_of(order.detail)).freeze(-order.frozen)
        else:
            self._closed(self.symbol(order.view), order).frozen -= order.frozen
        order.frozen = 0

    def fill(self, order: DeskOrder, price: int, *, taker: bool, most: int | None = None) -> int:
        """Opens, closes, or (with one net position) first closes the opposite side and opens with the rest."""
        rate = self.settings.fee_taker if taker else self.settings.fee_maker
        before = quantity = order.remaining
        last = most is None or quantity <= most
        if most is not None and not last:
            quantity = cut(most, 10 ** (9 - min(order.detail.base_precision, 9)))
            if not quantity:
                return 0
        frozen = order.frozen
        self.release(order)
        positions = self.symbol(order.view)
        value = contract_value(order.detail, price, quantity)
        wallet = self.wallet(margin_currency_of(order.detail))
        order.fee -= wallet.commission
        if self.dual and order.is_close:
            self._close(self._closed(positions, order), quantity, value, rate)
        elif self.dual:
            self._open(order, positions, price, quantity, value, rate)
        else:
            self._fill_net(order, positions, price, quantity, value, rate)
        order.fee += wallet.commission
        order.filled(price, quantity, last=last)
        if not last:
            self._freeze_rest(order, frozen, before)
        return quantity

    def _freeze_rest(self, order: DeskOrder, frozen: int, before: int) -> None:
        """Freezes for what remains of an order its share of what was frozen before a fill."""
        if self._freezes_money(order):
            order.frozen = frozen * order.remaining // before
            self.wallet(margin_currency_of(order.detail)).freeze(order.frozen)
        else:
            order.frozen = order.remaining
            self._closed(self.symbol(order.view), order).frozen += order.frozen

    def _fill_net(
        self, order: DeskOrder, positions: SymbolPositions, price: int, quantity: int, value: int, rate: int
    ) -> None:
        opposite = self._opposite(positions, order)
        closing = min(quantity, opposite.amount)
        opening = quantity - closing
        if closing:
            self._close(opposite, closing, mul(value, div(closing, quantity)), rate)
        if opening:
            self._open(order, positions, price, opening, mul(value, div(opening, quantity)), rate)

    def _open(
        self, order: DeskOrder, positions: SymbolPositions, price: int, amount: int, value: int, rate: int
    ) -> None:
        position = positions.long if order.is_buy else positions.short
        if not position.amount:
            position.level = order.level
        positions.touch(position)
        margin = mul(value, _inverse(order.level))
        self._pay(order.detail, mul(value, rate), -margin)
        position.grow(price, amount, value, margin)

    def _close(self, position: HeldPosition, amount: int, value: int, rate: int) -> None:
        margin, profit = position.shrink(amount, value)
        self._pay(position.detail, mul(value, rate), margin + profit)

    def _pay(self, detail: MarketDetail, fee: int, change: int) -> None:
        wallet = self.wallet(margin_currency_of(detail))
        wallet.free += change - fee
        wallet.commission += fee

    def close_out(self, position: HeldPosition, price: int, fee: int) -> None:
        """Closes a whole position at a price, with a fee of its own."""
        value = contract_value(position.detail, price, position.amount)
        margin, profit = position.shrink(position.amount, value)
        self._pay(position.detail, fee, margin + profit)

    def fund(self, event: FundingEvent) -> None:
        """Has the longs pay the shorts, or the other way round when the rate is negative."""
        detail = event.view.detail
        positions = self.symbols.get(detail.symbol)
        if positions is None or not event.fair:
            return
        net = positions.long.amount - positions.short.amount
        if detail.is_coin_margined:
            cost = mul(div(mul(net, detail.volume_multiple), event.fair), event.rate)
        else:
            cost = mul(mul(mul(net, detail.volume_multiple), event.fair), event.rate)
        wallet = self.wallet(margin_currency_of(detail))
        wallet.free -= cost
        wallet.funding -= cost

    # settings

    def set_level(self, view: MarketView, level: float) -> None:
        """Sets the leverage of a symbol, unless it has a position; open orders keep the one that they were placed with."""
        positions = self.symbol(view)
        if level > 0 and not positions.held():
            positions.level = nano(level)

    def set_dual(self, dual: bool) -> None:
        """Chooses between hedge and one net position.

        Raises:
            InputError: There is a position.
        """
        if any(positions.held() for positions in self.symbols.values()):
            raise InputError(SWITCH_REFUSED)
        self.dual = dual

    # views

    def account(self, detail: MarketDetail) -> Account:
        """Balance and Stocks are those of the symbol; Equity and UPnL are in the exchange's margin currency."""
        quote = self.wallets.get(detail.quote_currency, self._nothing)
        base = self.wallets.get(detail.base_currency, self._nothing)
        equity, profit = self._equity() if self._is_measured(detail) else (0, 0)
        return Account(
            Balance=quote.free / ONE,
            FrozenBalance=quote.frozen / ONE,
            Stocks=base.free / ONE,
            FrozenStocks=base.frozen / ONE,
            Equity=equity / ONE,
            UPnL=profit / ONE,
        )

    def _is_measured(self, detail: MarketDetail) -> bool:
        return self.settings.margin_currency is not None or not detail.is_coin_margined

    def _margin_currency(self) -> str:
        return self.settings.margin_currency or self.settings.quote_currency

    def _equity(self) -> tuple[int, int]:
        # With margins and profits of the exchange's margin currency; contracts in another currency do not count.
        currency = self._margin_currency()
        wallet = self.wallets.get(currency, self._nothing)
        margins, profits = self._tied(currency)
        return wallet.total + margins + profits, profits

    def _tied(self, currency: str) -> tuple[int, int]:
        margins = profits = 0
        for positions in self.symbols.values():
            held = positions.held()
            if not held or margin_currency_of(positions.view.detail) != currency:
                continue
            last = positions.view.last_price()
            for position in held:
                margins += position.margin
                profits += position.profit(last)
        return margins, profits

    def assets(self, detail: MarketDetail) -> list[Asset]:
        """One row a currency, in alphabetical order, margins not included."""
        return [
            Asset(Currency=currency, Amount=to_float(wallet.free), FrozenAmount=to_float(wallet.frozen))
            for currency, wallet in sorted(self.wallets.items())
        ]

    def positions(self, symbol: str) -> list[Position]:
        """The positions, long before short; ``symbol`` may name a kind such as ``USDT.swap``."""
        rows = []
        for positions in self.symbols.values():
            held = positions.held()
            if not held or not in_scope(positions.view.detail, symbol):
                continue
            last = positions.view.last_price()
            rows += [_row(position, last) for position in held]
        return rows

    def worth(self, views: list[MarketView]) -> dict[str, Any]:
        """Assets, PnL, Utilization, and both sides of the symbols that had a position."""
        currency = self._margin_currency()
        wallet = self.wallets.get(currency, self._nothing)
        margins, profits = self._tied(currency)
        shown: dict[str, Any] = {
            "Assets": [_asset(currency, wallet) for currency, wallet in sorted(self.wallets.items())],
            "Utilization": to_float(div(margins, wallet.initial)) if wallet.initial else 0.0,
            "Symbols": {view.detail.symbol: self._sides(view) for view in views},
        }
        if all(self._is_measured(view.detail) for view in views):
            shown["PnL"] = to_float(wallet.total + margins + profits - wallet.initial)
        return shown

    def _sides(self, view: MarketView) -> dict[str, Any]:
        positions = self.symbols.get(view.detail.symbol)
        if positions is None:
            return {}
        last = view.last_price()
        return {("Long" if p.is_long else "Short"): _side(p, last) for p in positions.shown()}


def margin_currency_of(detail: MarketDetail) -> str:
    """The currency of a contract's margin and profit."""
    return detail.base_currency if detail.is_coin_margined else detail.quote_currency


def _inverse(level: int) -> int:
    # FMZ's engine multiplies by 1/level as a double rounded to nine decimals: 1/7 is 0.142857143.
    return nano(ONE / level)


def _too_much(order: DeskOrder, position: HeldPosition) -> str:
    verb, side = ("Buy", "short") if order.is_buy else ("Sell", "long")
    return (
        f"{verb}({order.price}/{ONE},{order.amount}/{ONE}) {order.side} position: "
        f"{{side: {side}, amount: {position.amount}/{ONE}, frozenAmount: {position.frozen}/{ONE}}}"
    )


def _row(position: HeldPosition, last: int) -> Position:
    detail = position.detail
    return Position(
        Price=to_float(position.price),
        Amount=to_float(position.amount),
        FrozenAmount=to_float(position.frozen),
        Profit=to_float(position.profit(last)),
        Margin=to_float(position.margin),
        MarginLevel=to_float(position.level),
        Type=0 if position.is_long else 1,
        Symbol=detail.symbol,
        ContractType=detail.contract_type,
    )


def _side(position: HeldPosition, last: int) -> dict[str, Any]:
    return {
        "Symbol": position.detail.symbol,
        "Type": "Long" if position.is_long else "Short",
        "Amount": to_float(position.amount),
        "Price": to_float(position.price),
        "Margin": to_float(position.margin),
        "Profit": to_float(position.profit(last)),
        "CloseProfit": to_float(position.close_profit),
    }


def _asset(currency: str, wallet: Wallet) -> dict[str, Any]:
    return {
        "Currency": currency,
        "Amount": to_float(wallet.free),
        "FrozenAmount": to_float(wallet.frozen),
        "Initial": to_float(wallet.initial),
        "Commission": to_float(wallet.commission),
        "Funding": to_float(wallet.funding),
    }
