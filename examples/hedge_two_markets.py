"""backtest
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}, {"eid":"Futures_Binance","currency":"BTC_USDT"}]
"""

# Hedges one coin between a spot market and a perpetual contract, from one plain synchronous script.
#
# The bot of ``hedge_two_exchanges.py``, with a USDⓈ-M swap of Binance as its second market. Where one of them bids more than the other asks, beyond both
# fees, the bot buys on the one and sells on the other at the same moment: what it holds of the coin, it owes in contracts, or the other way round.
#
# - The amount is a whole number of contracts. The spot leg, which trades in finer steps, is made to fit it: a buy is larger by the fee that is taken
#   from the coins bought, and what was left over before is traded along.
# - What the accounts hold says what is missing: coins on the one, the position in coins on the other. A repair goes where it is cheapest.
#
# Run it against simulated exchanges with ``fmzthreads demo --pair spot-swap``, or on its own with keys and base addresses in the environment
# (``FMZ_BINANCE_ACCESS_KEY``, ``FMZ_BINANCE_SECRET_KEY``, ``FMZ_BINANCE_BASE``, and the same with ``FUTURES_BINANCE``).

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hedge_two_exchanges import PAIR, THROUGH, HedgeBot, Holding, Plan, cut, spot_holding

from fmzthreads import PD_LONG, Exchange, Log, LogProfit
from fmzthreads.exchange.contracts.converter import ContractValue

SWAP_SYMBOL = f"{PAIR}.swap"
LEVEL = 5  # the leverage of the contract
SPOT, SWAP = 0, 1


class SwapHedgeBot(HedgeBot):
    """The bot, whose first exchange trades the coin and whose second one the contract."""

    def __init__(self, exchanges: Sequence[Any], streams: bool = True) -> None:
        super().__init__(exchanges, streams=streams)
        self.symbols[SWAP] = SWAP_SYMBOL
        self.coin_fees[SWAP] = 0.0  # paid in money
        self.value: ContractValue | None = None  # what one contract is, once the market is known
        self.step = Decimal(0)  # the step of orders, in contracts
        self.position = 0.0  # in contracts, below 0 when it is short

    def start(self) -> bool:
        """Sets the contract and its leverage first."""
        swap = self.exchanges[SWAP]
        if not swap.SetContractType("swap") or not swap.SetMarginLevel(LEVEL):
            self.say(f"{self.names[SWAP]} did not set the contract; no hedge before that")
            return False
        return super().start()

    def learn(self, rules: Sequence[Any]) -> None:
        """Keeps the smallest amounts, that of the contract in coins."""
        self.value, self.step = ContractValue.of(rules[SWAP]), Decimal(str(rules[SWAP].AmountSize))
        super().learn(rules)
        self.lots[SWAP] = self.coins(float(self.step))
        self.lot = max(self.lots)

    def coins(self, contracts: float) -> float:
        """A number of contracts in coins; the contract is linear, so that the price does not count."""
        assert self.value is not None, "the market is not known yet"
        return float(self.value.coins(Decimal(repr(contracts)), Decimal(1)))

    def units(self, index: int, coins: float, price: float) -> float:
        """Contracts instead of coins for the swap, cut down to its step."""
        if index == SPOT:
            return super().units(index, coins, price)
        assert self.value is not None, "the market is not known yet"
        # A hair below a whole number of contracts is float noise.
        contracts = self.value.contracts(Decimal(repr(coins)) * (1 + Decimal("1e-12")), Decimal(repr(price)), self.step)
        return float(contracts)

    def holdings(self) -> list[Holding] | None:
        """Asks for both accounts and the position, side by side; None when one call has no answer."""
        asked = self.exchanges[SWAP].Go("GetPositions", SWAP_SYMBOL)
        self.calls += 1
        accounts = self.both("GetAccount")
        positions, _ = asked.wait(self.timeout_ms)
        if not all(accounts) or positions is None:
            return None
        held = [(one.Amount if one.Type == PD_LONG else -one.Amount, one.Price) for one in positions]
        self.position = sum(amount for amount, _ in held)
        account = accounts[SWAP]
        # The contract as if it had been bought with money at its entry price; the account's equity is by the venue's mark price.
        money = account.Equity - account.UPnL - sum(self.coins(amount) * price for amount, price in held)
        return [spot_holding(accounts[SPOT]), Holding(self.coins(self.position), money, 0.0, account.Balance)]

    def room(self, index: int, side: str, price: float) -> float:
        """What the margin pays for, whichever way, and what closes the position."""
        if index == SPOT:
            return super().room(index, side, price)
        held = self.coins(self.position)
        closes = max(0.0, held if side == "sell" else -held)
        return closes + self.accounts[SWAP].free_money * LEVEL / (price * (1 + 2 * THROUGH))

    def amounts(self, plan: Plan) -> tuple[float, float]:
        """Whole contracts on the swap; on spot the amount that leaves nothing over."""
        swap_price = plan.buy_price if plan.buy == SWAP else plan.sell_price
        traded = self.coins(self.units(SWAP, plan.amount, swap_price))
        half_lot = self.lots[SPOT] / 2
        if plan.buy == SPOT:
            return cut((traded - self.exposure()) / (1 - self.coin_fees[SPOT]) + half_lot, self.lots[SPOT]), traded
        left = min(traded + self.exposure() + half_lot, self.room(SPOT, "sell", plan.sell_price))
        return traded, cut(left, self.lots[SPOT])


def main(seconds: float = 10.0) -> None:
    """Hedges for so many seconds."""
    bot = SwapHedgeBot([Exchange("Binance", PAIR), Exchange("Futures_Binance", PAIR)])
    try:
        bot.run(seconds)
        bot.finish()
    except KeyboardInterrupt:
        Log("stopped by hand")
        bot.finish(patience_ms=300, tries=2)
    LogProfit(sum(bot.profits()), "&")
    Log(
        "hedges",
        bot.hedges,
        "profit",
        round(sum(bot.profits()), 4),
        "exposure",
        bot.exposure(),
        "contracts",
        bot.position,
    )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
