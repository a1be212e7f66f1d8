"""Hedges one coin across two exchanges, from one plain synchronous script.

Prices come from both exchanges' live order books (``Subscribe``), or, with ``streams=False``, from both books fetched at once; orders and
accounts go by REST, always on both exchanges side by side. Where one exchange bids more than the other asks, beyond both fees, the bot buys on the one and
sells on the other at the same moment, so that it never holds more of the coin than it started with. What it does when that goes wrong:

- a leg fails, times out or fills in part: what both accounts then hold says how much is missing, and that much is bought or sold at
  once where it is cheapest; no new hedge is made before that;
- nobody can say whether an order exists: nothing is sent again; the accounts are read until they answer;
- an exchange does not answer: no new hedges, and the status line says so.

Run it against two simulated exchanges with ``fmzthreads demo``, or on its own with keys and base addresses in the environment
(``FMZ_BINANCE_ACCESS_KEY``, ``FMZ_BINANCE_SECRET_KEY``, ``FMZ_BINANCE_BASE``, the same with ``OKX``, and ``FMZ_OKX_PASSPHRASE``).
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from fmzthreads import Exchange, Log, LogProfit, LogStatus, Report, Sleep, TaskQueue, UnixNano, gather

PAIR = "BTC_USDT"
AMOUNT = 0.02  # the most to hedge at once, in coins
MIN_EDGE = 0.0001  # what must be left after both fees, as a fraction of the price
FEE_RATES = {"Binance": 0.001, "OKX": 0.001, "Futures_Binance": 0.0005}  # what a taker pays
THROUGH = 0.005  # how far through the book a repair may trade, as a fraction of the price
TIMEOUT_MS = 1000  # how long one pair of calls may take
MAX_AGE_MS = 40  # a live book that was last confirmed longer ago is watched, and not traded on
PAUSE_MS = 55  # between two looks by REST; OKX allows 40 books in 2 s
LIVE_PAUSE_MS = 10  # between two looks at live books
ACCOUNTS_EVERY_MS = 1000  # how often both accounts are read when nothing happens
HEDGE_PAUSE_MS = 200  # after a hedge; OKX allows its account to be read 10 times in 2 s


class Plan:
    """Where to buy, where to sell, at which limits, and how much."""

    def __init__(self, buy: int, sell: int, buy_price: float, sell_price: float, amount: float) -> None:
        self.buy, self.sell = buy, sell
        self.buy_price, self.sell_price = buy_price, sell_price
        self.amount = amount


class Holding:
    """What an account holds: coins and money, and how much of each an order may spend."""

    def __init__(self, coins: float, money: float, free_coins: float, free_money: float) -> None:
        self.coins, self.money = coins, money
        self.free_coins, self.free_money = free_coins, free_money


class HedgeBot:
    """The bot's state: what it began with, what it holds, what it did and what went wrong."""

    def __init__(
        self, exchanges: Sequence[Any], amount: float = AMOUNT, timeout_ms: float = TIMEOUT_MS, streams: bool = True
    ) -> None:
        self.exchanges = list(exchanges)
        self.names = [exchange.GetName() for exchange in exchanges]
        self.symbols = [PAIR for _ in exchanges]
        self.fees = [FEE_RATES[name] for name in self.names]
        self.coin_fees = list(self.fees)  # the part of the coins bought that the fee takes
        self.pair, self.amount, self.timeout_ms, self.streams = PAIR, amount, timeout_ms, streams
        self.queue = TaskQueue(self.exchanges, [{} for _ in self.exchanges])
        self.lot = 0.0  # the larger of both exchanges' lots, in coins
        self.lots: list[float] = []
        self.min_notionals: list[float] = []
        self.begin: list[Holding] = []  # the accounts at the start; empty until both have answered
        self.accounts: list[Holding] = []
        self.books: list[Any] = [None] * len(self.exchanges)
        self.sure = False  # whether the accounts are known since the last order
        self.accounts_at = 0  # when they were read last, in nanoseconds
        self.orders: list[dict[str, Any]] = []
        self.failures: list[dict[str, str]] = []
        self.sent = [0] * len(self.exchanges)  # orders, by exchange
        self.loops = self.calls = self.hedges = 0
        self.ratios: deque[float] = deque(maxlen=100_000)  # wall of a pair of calls over the slower of the two
        self.skews_ms: deque[float] = deque(maxlen=100_000)
        self.leg_ms: list[deque[float]] = [deque(maxlen=100_000) for _ in self.exchanges]
        self.status = "starting"

    # ---- what it knows ----

    def exposure(self) -> float:
        """How many coins it holds beyond those it began with; negative when it is short."""
        if not self.begin:
            return 0.0
        return sum(now.coins - then.coins for now, then in zip(self.accounts, self.begin, strict=True))

    def profits(self) -> list[float]:
        """What each account has gained, in quote currency, with the coins valued at one price for both."""
        price = self.mark()
        if not self.begin or not price:
            return [0.0] * len(self.exchanges)
        return [
            now.money - then.money + (now.coins - then.coins) * price
            for now, then in zip(self.accounts, self.begin, strict=True)
        ]

    def mark(self) -> float:
        """The mean of the mid prices last seen; 0 before the first."""
        mids = [(b.Bids[0].Price + b.Asks[0].Price) / 2 for b in self.books if b and b.Bids and b.Asks]
        return sum(mids) / len(mids) if mids else 0.0

    def edge(self) -> float | None:
        """What the better direction would earn after both fees, as a fraction of the price; None without both books."""
        if not all(b and b.Bids and b.Asks for b in self.books):
            return None
        edges: list[float] = []
        for buy, sell in ((0, 1), (1, 0)):
            cost = self.books[buy].Asks[0].Price * (1 + self.fees[buy])
            gain = self.books[sell].Bids[0].Price * (1 - self.fees[sell])
            edges.append(gain / cost - 1)
        return max(edges)

    def say(self, text: str) -> None:
        """Logs what it does, once, and shows it in the status line."""
        if text != self.status:
            Log(text)
        self.status = text
        LogStatus(text)

    # ---- calls on both exchanges at once ----

    def both(self, method: str, *args: Any) -> list[Any]:
        """The same call on both exchanges, side by side; None where one failed or took too long."""
        pair = gather(self.exchanges, method, *args, timeout_ms=self.timeout_ms)
        live = [value is not None and is_live(value) for value in pair]
        self.calls += live.count(False)
        for name, times, row, was_live in zip(self.names, self.leg_ms, pair.report.rows, live, strict=True):
            if not row.ok:
                self.say(f"{name} did not answer {method} ({row.status}: {row.error}); no new hedge until it does")
            elif not was_live:
                times.append(row.duration_ms or 0.0)
        if pair.ok and not any(live):
            self.ratios.append(over_slower(pair.report))
            self.skews_ms.append(pair.start_skew_ms)
        return list(pair)

    def holdings(self) -> list[Holding] | None:
        """Asks what both accounts hold; None when one does not answer."""
        accounts = self.both("GetAccount")
        return [spot_holding(account) for account in accounts] if all(accounts) else None

    def read_accounts(self) -> bool:
        """Reads both accounts; False, and the old ones stay, when one does not answer."""
        accounts = self.holdings()
        self.sure = accounts is not None
        if accounts is not None:
            self.accounts, self.accounts_at = accounts, UnixNano()
        return self.sure

    def start(self) -> bool:
        """Learns the markets' steps and what it begins with; False while an exchange does not answer."""
        markets = self.both("GetMarkets")
        if not all(markets):
            return False
        self.learn([market[symbol] for market, symbol in zip(markets, self.symbols, strict=True)])
        if not self.read_accounts():
            return False
        self.begin = list(self.accounts)
        for exchange in self.exchanges if self.streams else ():
            exchange.Subscribe("depth")
        self.say("both exchanges answer")
        return True

    def learn(self, rules: Sequence[Any]) -> None:
        """Keeps the markets' smallest amounts."""
        self.lots = [rule.AmountSize for rule in rules]
        self.lot = max(self.lots)
        self.min_notionals = [max(rule.get("MinNotional") or 0.0, 5.0) for rule in rules]

    # ---- hedging ----

    def turn(self) -> None:
        """One look at both books and, where it pays, one hedge."""
        self.loops += 1
        if not self.begin and not self.start():
            return
        self.books = self.both("GetDepth")
        old = UnixNano() - self.accounts_at > ACCOUNTS_EVERY_MS * 1e6
        if (not self.sure or (old and all(self.books))) and not self.read_accounts():
            return
        if abs(self.exposure()) >= self.lot and self.worth(self.exposure()) and not self.repair("left over"):
            return
        if not all(self.books):
            return
        plan = self.plan()
        if plan:
            self.hedge(plan)
            Sleep(HEDGE_PAUSE_MS)
        else:
            self.say("watching: no spread beyond the fees")

    def plan(self) -> Plan | None:
        """The better of the two directions, if it pays and the accounts can pay for it."""
        if any(is_live(book) and book.Info.AgeMs > MAX_AGE_MS for book in self.books):
            return None
        best: Plan | None = None
        for buy, sell in ((0, 1), (1, 0)):
            asks, bids = self.books[buy].Asks, self.books[sell].Bids
            if not asks or not bids:
                continue
            most = min(self.amount, self.room(buy, "buy", asks[0].Price), self.room(sell, "sell", bids[0].Price))
            amount, buy_price, sell_price = paying(asks, bids, self.fees[buy], self.fees[sell], most)
            amount = cut(amount, self.lot)
            least = max(self.min_notionals) * 1.01
            if amount * sell_price * (1 - self.fees[buy]) >= least and (not best or amount > best.amount):
                best = Plan(buy, sell, buy_price, sell_price, amount)
        return best

    def room(self, index: int, side: str, price: float) -> float:
        """How many coins an account can buy or sell at a price."""
        account = self.accounts[index]
        return account.free_coins if side == "sell" else account.free_money / (price * (1 + THROUGH))

    def amounts(self, plan: Plan) -> tuple[float, float]:
        """How many coins to buy and how many to sell, so that nothing is left over."""
        # The buyer's fee is taken from the coins bought, and what was left over before is sold along.
        left = plan.amount * (1 - self.coin_fees[plan.buy]) + self.exposure()
        return plan.amount, cut(min(left, self.room(plan.sell, "sell", plan.sell_price)), self.lot)

    def hedge(self, plan: Plan) -> None:
        """Both legs at once; then what the accounts say decides whether anything is missing."""
        bought, sold = self.amounts(plan)
        if not self.takes(plan.sell, sold, plan.sell_price) or not self.takes(plan.buy, bought, plan.buy_price):
            return
        self.say(
            f"hedging {bought:.5f}: buy {self.names[plan.buy]} at {plan.buy_price}, "
            f"sell {self.names[plan.sell]} at {plan.sell_price}"
        )
        self.hedges += 1
        legs = [(plan.buy, "buy", plan.buy_price, bought), (plan.sell, "sell", plan.sell_price, sold)]
        sent = self.send(legs, gate=True)
        if not self.read_accounts():
            self.say("an account does not answer after an order; nothing is sent before it does")
        elif abs(self.exposure()) >= self.lot:
            self.note_short_fills(sent)
            if self.worth(self.exposure()):
                self.repair("a leg did not fill")

    def units(self, index: int, coins: float, price: float) -> float:
        """The amount of an order for so many coins, in what the exchange counts; cut down to its lots."""
        return cut(coins, self.lots[index])

    def send(self, legs: Sequence[tuple[int, str, float, float]], gate: bool = False) -> list[dict[str, Any]]:
        """Sends immediate-or-cancel orders of so many coins side by side; gives those that the exchanges took."""
        self.sure = False
        taken: list[dict[str, Any]] = []
        legs = [(index, side, price, self.units(index, coins, price)) for index, side, price, coins in legs]
        for index, side, price, amount in legs:
            self.sent[index] += 1
            param = ["CreateOrder", self.symbols[index], f"{side};timeInForce=IOC", price, amount]
            self.queue.push(exchange=index, ret="leg", param=param, gate=gate)
        report = self.queue.run(timeout_ms=self.timeout_ms * 2)
        rows = report.rows
        self.calls += len(legs)
        if gate and report.ok:
            self.ratios.append(over_slower(report))
            self.skews_ms.append(report.start_skew_ms)
        for (index, side, price, amount), row in zip(legs, rows, strict=True):
            if row.ok:
                taken.append({"exchange": index, "id": row.value, "side": side, "price": price, "amount": amount})
            else:
                self.fail(index, side, amount, f"{row.status}: {row.error or 'no reply in time'}")
        self.orders += taken
        return taken

    def note_short_fills(self, orders: Sequence[dict[str, Any]]) -> None:
        """Asks what became of the orders, side by side, and keeps those that filled in part or not at all."""
        for order in orders:
            self.queue.push(exchange=order["exchange"], param=["GetOrder", order["id"]])
        self.calls += len(orders)
        for order, row in zip(orders, self.queue.run(timeout_ms=self.timeout_ms).rows, strict=True):
            if row.ok and row.value.DealAmount < order["amount"] * (1 - 1e-9):
                self.fail(
                    order["exchange"],
                    order["side"],
                    order["amount"],
                    f"filled {row.value.DealAmount:.5f} of it: the price moved past the limit",
                )

    def fail(self, index: int, side: str, amount: float, why: str) -> None:
        """Keeps a leg that went wrong; its repair is noted when it is made."""
        leg = {"exchange": self.names[index], "leg": f"{side} {amount:.5f}", "why": why, "repair": ""}
        self.failures.append(leg)
        self.say(f"the {side} on {self.names[index]} went wrong: {why}")

    # ---- repair ----

    def takes(self, index: int, amount: float, price: float) -> bool:
        """Whether so many coins are enough for an order on an exchange."""
        return abs(amount) * price >= self.min_notionals[index] * 1.01

    def worth(self, amount: float) -> bool:
        """Whether so many coins are enough for an order of their own."""
        return any(self.takes(index, amount, self.mark()) for index in range(len(self.exchanges)))

    def repair(self, why: str) -> bool:
        """Trades what is missing where it is cheapest; True when nothing is missing any more."""
        missing = self.exposure()
        side = "sell" if missing > 0 else "buy"
        index = self.cheapest(side, abs(missing))
        if index is None:
            self.say(f"{missing:+.5f} coins to even out ({why}), and no exchange can take it now")
            return False
        book = self.books[index]
        price = book.Bids[0].Price * (1 - THROUGH) if side == "sell" else book.Asks[0].Price * (1 + THROUGH)
        amount = abs(missing) if side == "sell" else abs(missing) / (1 - self.coin_fees[index])
        text = f"{side} {amount:.5f} on {self.names[index]}"
        self.say(f"evening out {missing:+.5f} coins ({why}): {text}")
        for failure in self.failures:
            failure["repair"] = failure["repair"] or text
        self.send([(index, side, price, amount + self.lots[index] / 2)])
        return self.read_accounts() and abs(self.exposure()) < self.lot

    def cheapest(self, side: str, amount: float) -> int | None:
        """The exchange that answers, takes and can pay such an order, and has the best price; None when there is none."""
        offers = []
        for index, book in enumerate(self.books):
            if not book or not book.Bids or not book.Asks or not self.takes(index, amount, self.mark()):
                continue
            price = book.Bids[0].Price if side == "sell" else book.Asks[0].Price
            if self.room(index, side, price) >= amount * (1 if side == "sell" else 1.002):
                offers.append((-price if side == "sell" else price, index))
        return min(offers)[1] if offers else None

    def finish(self, patience_ms: float = 1000, tries: int = 5) -> None:
        """Cancels what is open and evens out what is left, down to one lot; waits so long for each pair of calls."""
        self.timeout_ms = min(self.timeout_ms, patience_ms)
        for exchange, orders in zip(self.exchanges, self.both("GetOrders"), strict=True):
            for order in orders or []:
                exchange.CancelOrder(order.Id)
        for _ in range(tries):
            self.books = self.both("GetDepth")
            if not self.begin or not any(self.books) or not self.read_accounts() or abs(self.exposure()) < self.lot:
                break
            if self.worth(self.exposure()):
                self.repair("at the end")
            else:
                self.round_trip()
        self.say(f"finished: {self.hedges} hedges, exposure {self.exposure():+.8f}")

    def round_trip(self) -> None:
        """Evens out less than the smallest order: one order that is larger by so much than the one back."""
        least = min(self.min_notionals)
        index = self.cheapest("buy", least / self.mark() * 3)
        if index is None:
            return
        book, fee, lot = self.books[index], self.coin_fees[index], self.lots[index]
        back = cut(self.min_notionals[index] * 1.2 / self.mark() + abs(self.exposure()), lot)
        bought = cut((back - self.exposure()) / (1 - fee) + lot / 2, lot)
        self.send([(index, "buy", book.Asks[0].Price * (1 + THROUGH), bought)])
        self.send([(index, "sell", book.Bids[0].Price * (1 - THROUGH), back)])

    def run(self, seconds: float, on_turn: Callable[[HedgeBot], None] | None = None, hedges: float = math.inf) -> None:
        """Turns until the time is up, so many hedges are made, the strategy is stopped or Ctrl-C is pressed."""
        end = UnixNano() + seconds * 1e9
        while UnixNano() < end and self.hedges < hedges:
            self.turn()
            if on_turn:
                on_turn(self)
            Sleep(LIVE_PAUSE_MS if all(map(is_live, self.books)) else PAUSE_MS)


def over_slower(report: Report) -> float:
    """The wall time of calls that were made at once over the time of the slowest of them."""
    return (report.duration_ms or 0.0) / max(row.duration_ms or 0.0 for row in report.rows)


def is_live(value: Any) -> bool:
    """Whether an answer came from a live book, without asking the exchange."""
    return isinstance(value, dict) and bool(value.get("Info") and value["Info"].get("Live"))


def spot_holding(account: Any) -> Holding:
    """What a spot account holds, free and frozen; only what is free can be spent."""
    coins, money = account.Stocks + account.FrozenStocks, account.Balance + account.FrozenBalance
    return Holding(float(coins), float(money), float(account.Stocks), float(account.Balance))


def cut(amount: float, lot: float) -> float:
    """Cuts an amount down to whole lots (a hair above a whole number of lots is float noise)."""
    return round(math.floor(amount / lot + 1e-6) * lot, 12) if amount > 0 else 0.0


def paying(
    asks: Sequence[Any], bids: Sequence[Any], buy_fee: float, sell_fee: float, most: float
) -> tuple[float, float, float]:
    """How much pays, level by level, and the last ask and bid that do: ``(amount, buy_price, sell_price)``."""
    amount, buy_price, sell_price = 0.0, 0.0, 0.0
    i = j = 0
    ask_left = asks[0].Amount if asks else 0.0
    bid_left = bids[0].Amount if bids else 0.0
    while i < len(asks) and j < len(bids) and amount < most:
        cost, gain = asks[i].Price * (1 + buy_fee), bids[j].Price * (1 - sell_fee)
        if gain - cost < cost * MIN_EDGE:
            break
        step = min(ask_left, bid_left, most - amount)
        amount, buy_price, sell_price = amount + step, asks[i].Price, bids[j].Price
        ask_left, bid_left = ask_left - step, bid_left - step
        if ask_left <= 0:
            i += 1
            ask_left = asks[i].Amount if i < len(asks) else 0.0
        if bid_left <= 0:
            j += 1
            bid_left = bids[j].Amount if j < len(bids) else 0.0
    return amount, buy_price, sell_price


def main(seconds: float = 10.0) -> None:
    """Hedges for so many seconds."""
    bot = HedgeBot([Exchange("Binance", PAIR), Exchange("OKX", PAIR)])
    try:
        bot.run(seconds)
        bot.finish()
    except KeyboardInterrupt:
        Log("stopped by hand")
        bot.finish(patience_ms=300, tries=2)
    LogProfit(sum(bot.profits()), "&")
    Log("hedges", bot.hedges, "profit", round(sum(bot.profits()), 4), "exposure", bot.exposure())


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
