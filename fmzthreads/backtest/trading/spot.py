"""The account of a spot exchange: one balance a currency, fees in quote currency.

Source: the published engine, github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

from typing import Any

from ...constants import ORDER_STATE_CLOSED
from ...structures import Account, Asset, Position
from ..config.settings import ExchangeSettings, MarketDetail
from ..nano import ONE, cut, div, mul, to_float
from .funding import FundingEvent
from .ledger import Refused
from .market import MarketView
from .orders import DeskOrder, Direction, insufficient

__all__ = ["SpotAccount", "Wallet"]


class Wallet:
    """One currency of an account, in nano.

    Attributes:
        free: What can be spent.
        frozen: What open orders hold.
        initial: What there was at the start.
        commission: The fees paid so far.
        funding: The funding received, less what was paid.
        insured: What liquidations fell short of, which an insurance fund has paid.
    """

    __slots__ = ("commission", "free", "frozen", "funding", "initial", "insured")

    def __init__(self, initial: int = 0) -> None:
        self.free = initial
        self.frozen = 0
        self.initial = initial
        self.commission = 0
        self.funding = 0
        self.insured = 0

    @property
    def total(self) -> int:
        """Free and frozen together."""
        return self.free + self.frozen

    def freeze(self, amount: int) -> None:
        """Moves an amount from free to frozen; a negative one back."""
        self.free -= amount
        self.frozen += amount


class SpotAccount:
    """Balances of a spot exchange.

    Attributes:
        wallets: The balances by currency; those that nothing has touched are absent.
        rate: ``SetRate``'s factor, in nano.
        deals_at_once: Whether ``deal`` knows the fees: as a taker, less than all.
    """

    def __init__(self, settings: ExchangeSettings) -> None:
        self.settings = settings
        self.rate = ONE
        self.wallets: dict[str, Wallet] = {}
        if settings.balance:
            self.wallets[settings.quote_currency] = Wallet(settings.balance)
        if settings.stocks:
            self.wallets[settings.base_currency] = Wallet(settings.stocks)
        self._nothing = Wallet()
        self._fee_maker, self._fee_taker = settings.fee_maker, settings.fee_taker
        self.deals_at_once = settings.fee_taker < ONE
        self._highest_fee = max(settings.fee_maker, settings.fee_taker)

    def wallet(self, currency: str) -> Wallet:
        """The balance of a currency to be changed, made when it is missing."""
        found = self.wallets.get(currency)
        if found is None:
            found = self.wallets[currency] = Wallet()
        return found

    def direction(self, side: str) -> Direction:
        """Anything other than ``buy`` sells; what is neither ``buy`` nor ``sell`` shows the offset of a close."""
        return "buy" if side == "buy" else "sell" if side == "sell" else "closebuy"

    def reserve(self, order: DeskOrder, asked: tuple[float, float], replaced: DeskOrder | None) -> None:
        """Freezes money for a buy, coins for a sell.

        Raises:
            Refused: There is not enough.
        """
        detail, is_buy, needed = order.detail, order.is_buy, order.amount
        if is_buy and not order.in_quote:
            cost = mul(order.price, needed)
            needed = cost + mul(cost, self._highest_fee)
        currency = detail.quote_currency if is_buy else detail.base_currency
        wallet = self.wallets.get(currency)
        free = wallet.free if wallet is not None else 0
        if replaced is not None and replaced.is_buy == is_buy:
            free += replaced.frozen
        if free < needed:
            raise Refused(insufficient(detail.symbol, "buy" if is_buy else "sell", *asked))
        if replaced is not None:
            self.release(replaced)
        if wallet is None:
            wallet = self.wallet(currency)
        wallet.free -= needed
        wallet.frozen += needed
        order.frozen = needed

    def deal(self, order: DeskOrder, asked: tuple[float, float]) -> None:
        """Fills a market order at the tick at which it is placed: in one step what ``reserve`` and then ``fill`` do, for prices above 0.

        Raises:
            Refused: There is not enough.
        """
        detail, wallets, amount = order.detail, self.wallets, order.amount
        is_buy = order.is_buy
        paid = wallets.get(detail.quote_currency if is_buy else detail.base_currency)
        if paid is None or paid.free < amount:
            raise Refused(insufficient(detail.symbol, "buy" if is_buy else "sell", *asked))
        if is_buy:
            price = order.birth.sell
            quantity = amount * ONE // price * (ONE - self._fee_taker) // ONE
            value = price * quantity // ONE
            fee = mul(value, self._fee_taker)
            order.spent = value + fee
            paid.free -= value + fee
            paid.commission += fee
            (wallets.get(detail.base_currency) or self.wallet(detail.base_currency)).free += quantity
        else:
            price, quantity = order.birth.buy, amount
            value = price * quantity // ONE
            fee = mul(value, self._fee_taker)
            paid.free -= quantity
            quote = wallets.get(detail.quote_currency) or self.wallet(detail.quote_currency)
            quote.free += value - fee
            quote.commission += fee
        order.fee, order.turnover = fee, value
        order.deal, order.average = quantity, price
        order.state = ORDER_STATE_CLOSED

    def release(self, order: DeskOrder) -> None:
        """Frees what an order holds frozen."""
        detail = order.detail
        if order.frozen:
            self.wallet(detail.quote_currency if order.is_buy else detail.base_currency).freeze(-order.frozen)
            order.frozen = 0

    def fill(self, order: DeskOrder, price: int, *, taker: bool, most: int | None = None) -> int:
        """Exchanges money and coins; the fee is always in quote currency."""
        detail = order.detail
        rate = self._fee_taker if taker else self._fee_maker
        frozen = order.frozen
        if order.in_quote:
            before = order.amount - order.spent
            quantity = mul(div(before, price), ONE - rate)
        else:
            before = quantity = order.amount - order.deal
        last = True
        if most is not None and quantity > most:
            last, quantity = False, cut(most, 10 ** (9 - min(detail.base_precision, 9)))
            if not quantity:
                return 0
        value = price * quantity // ONE
        fee = mul(value, rate)
        order.frozen = 0
        wallets = self.wallets
        quote = wallets.get(detail.quote_currency) or self.wallet(detail.quote_currency)
        base = wallets.get(detail.base_currency) or self.wallet(detail.base_currency)
        if order.is_buy:
            quote.frozen -= frozen
            quote.free += frozen - value - fee
            base.free += quantity
        else:
            base.frozen -= frozen
            quote.free += value - fee
            base.free += frozen - quantity
        quote.commission += fee
        order.fee += fee
        if order.in_quote:
            order.spent += value + fee
        order.filled(price, quantity, last=last)
        if not last:
            self._freeze_rest(order, frozen, before)
        return quantity

    def _freeze_rest(self, order: DeskOrder, frozen: int, before: int) -> None:
        """Freezes for what remains of an order its share of what was frozen before a fill."""
        order.frozen = frozen * order.remaining // before
        self.wallet(order.detail.quote_currency if order.is_buy else order.detail.base_currency).freeze(order.frozen)

    def set_level(self, view: MarketView, level: float) -> None:
        """Does nothing: spot has no leverage."""

    def fund(self, event: FundingEvent) -> None:
        """Does nothing: spot has no funding."""

    def account(self, detail: MarketDetail) -> Account:
        """Balance and Stocks are those of the symbol; Equity and UPnL are 0."""
        quote = self.wallets.get(detail.quote_currency, self._nothing)
        base = self.wallets.get(detail.base_currency, self._nothing)
        free, frozen = quote.free, quote.frozen
        if self.rate != ONE:
            free, frozen = mul(free, self.rate), mul(frozen, self.rate)
        return Account(
            Balance=free / ONE,
            FrozenBalance=frozen / ONE,
            Stocks=base.free / ONE,
            FrozenStocks=base.frozen / ONE,
            Equity=0.0,
            UPnL=0.0,
        )

    def assets(self, detail: MarketDetail) -> list[Asset]:
        """One row a currency, in alphabetical order."""
        quote, rate = self.settings.quote_currency, self.rate
        rows = []
        for currency, wallet in sorted(self.wallets.items()):
            free, frozen = wallet.free, wallet.frozen
            if rate != ONE and currency == quote:
                free, frozen = mul(free, rate), mul(frozen, rate)
            rows.append(Asset(Currency=currency, Amount=to_float(free), FrozenAmount=to_float(frozen)))
        return rows

    def positions(self, symbol: str) -> list[Position] | None:
        """None: spot has no positions."""
        return None

    def worth(self, views: list[MarketView]) -> dict[str, Any]:
        """Assets, PnL and Utilization: the change of the money, and of the coins at the current prices."""
        settings = self.settings
        quote = self.wallets.get(settings.quote_currency, self._nothing)
        profit, held = quote.total - quote.initial, 0
        for view in views:
            base = self.wallets.get(view.detail.base_currency, self._nothing)
            value = mul(base.total - base.initial, view.last_price())
            profit += value
            held += abs(value)
        assets = [
            {
                "Currency": currency,
                "Amount": to_float(wallet.free),
                "FrozenAmount": to_float(wallet.frozen),
                "Initial": to_float(wallet.initial),
                "Commission": to_float(wallet.commission),
            }
            for currency, wallet in sorted(self.wallets.items())
        ]
        return {
            "Assets": assets,
            "PnL": to_float(profit),
            "Utilization": to_float(div(held, quote.initial)) if quote.initial else 0.0,
            "Symbols": {view.detail.symbol: {} for view in views},
        }
