"""The pairs of markets that the demo can hedge between, and the account behind each market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from ..errors import InputError
from ..simulator import SimulatorProcess
from .simulators import holdings

__all__ = ["BASE", "QUOTE", "DemoAccount", "MarketPair", "market_pair", "set_funding"]

BASE, QUOTE = "BTC", "USDT"
_SWAP = f"{BASE}_{QUOTE}.swap"
_FUNDING_RATE = "0.0001"  # what longs pay shorts where the contract trades near its index


@attrs.frozen
class DemoAccount:
    """One market of the demo: where it is simulated, and what its account held at the start.

    Attributes:
        name: FMZ's name of the exchange.
        process: Its simulator.
        product: The simulator's product, ``um``; empty for spot.
        begin: Its balances at the start, and positions by contract.
    """

    name: str
    process: SimulatorProcess
    product: str
    begin: Mapping[str, Decimal]

    @property
    def symbol(self) -> str:
        """What is traded there."""
        return _SWAP if self.product else f"{BASE}_{QUOTE}"

    def holdings(self) -> dict[str, Decimal]:
        """What it holds now, in the form of ``begin``."""
        return holdings(self.process, self.product)

    def gained(self, end: Mapping[str, Decimal], contract_coins: Decimal) -> tuple[Decimal, Decimal]:
        """The coins and the money gained since the start.

        Args:
            end: What it holds now.
            contract_coins: How many coins one contract is.

        Returns:
            Of a contract: the position in coins, and the money as if it had been bought at its entry price.
        """
        if not self.product:
            coins, money = ({**self.begin, **end}[name] - self.begin.get(name, Decimal(0)) for name in (BASE, QUOTE))
            return coins, money
        coins, paid = Decimal(0), Decimal(0)
        for position in self.process.state()["contracts"][self.product]["positions"]:
            amount = Decimal(position["quantity"]) * contract_coins
            coins, paid = coins + amount, paid + amount * Decimal(position["entry_price"])
        return coins, end[QUOTE] - self.begin[QUOTE] - paid

    def problems(self) -> list[str]:
        """What the simulator itself says about the account that should not be."""
        state = self.process.state()
        account = state["contracts"][self.product] if self.product else state
        open_orders = account["open_orders"] if self.product else len(account["open_orders"])
        found = [f"{self.name} still has {open_orders} open orders"] if open_orders else []
        if not account["reconciled"]:
            found.append(f"{self.name}: the simulator's own account does not reconcile")
        return found


@attrs.frozen(kw_only=True)
class MarketPair:
    """Two markets to hedge between.

    Attributes:
        names: FMZ's names of their exchanges.
        example: The example that hedges.
        bot: Its class.
        words: What the bot does, for the introduction.
    """

    names: tuple[str, str]
    example: str
    bot: str
    words: str

    @property
    def has_contract(self) -> bool:
        """Whether the second market is a contract."""
        return self.product(self.names[1]) != ""

    @staticmethod
    def product(name: str) -> str:
        """The simulator's product of an exchange; empty for spot."""
        return "um" if name == "Futures_Binance" else ""

    def accounts(self, processes: Mapping[str, SimulatorProcess]) -> list[DemoAccount]:
        """The accounts with what they hold now."""
        return [
            DemoAccount(name, processes[name], self.product(name), holdings(processes[name], self.product(name)))
            for name in self.names
        ]


def market_pair(pair: str, spot: str | None) -> MarketPair:
    """The pair that the options ``--pair`` and ``--spot`` name.

    Args:
        pair: ``spot-spot`` or ``spot-swap``.
        spot: The spot exchange of ``spot-swap``: ``Binance`` (None too) or ``OKX``.

    Raises:
        InputError: ``spot`` was given with ``spot-spot``.
    """
    if pair == "spot-swap":
        return MarketPair(
            names=(spot or "Binance", "Futures_Binance"),
            example="hedge_two_markets",
            bot="SwapHedgeBot",
            words=f"buys {BASE} on the cheaper market and sells the same amount on the other",
        )
    if spot is not None:
        raise InputError(f"--spot {spot} requires --pair spot-swap")
    return MarketPair(
        names=("Binance", "OKX"),
        example="hedge_two_exchanges",
        bot="HedgeBot",
        words=f"buys {BASE} on the cheaper exchange and sells the same amount on the other",
    )


def set_funding(accounts: Sequence[DemoAccount], seconds: float) -> None:
    """Has funding paid once, after half of the time: on a real exchange it is due every eight hours.

    Args:
        accounts: Those of contracts are set, the others left.
        seconds: How long the demo runs.
    """
    for account in accounts:
        if account.product:
            due_ms = account.process.state()["time_ms"] + round(seconds * 500)
            account.process.set_contract(account.symbol, funding_rate=_FUNDING_RATE, next_funding_ms=due_ms)
