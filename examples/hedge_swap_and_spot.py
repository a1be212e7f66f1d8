"""backtest
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}, {"eid":"Futures_Binance","currency":"BTC_USDT"}]
"""

# Holds a coin and sells the same amount as a perpetual contract: what the price does cancels out, and funding is earned.
#
# Both legs leave side by side (``Go``). What each of them has filled, not what was sent, says how much is missing, and that much is
# repaired by the contract, which is the cheaper leg. At the end both legs are closed.

from typing import Any

from fmzthreads import *

COINS = 0.02


def held(spot: Any, swap: Any, began: float) -> tuple[float, float]:
    """The coins bought since the beginning, and the contracts sold, in coins."""
    account, positions = _C(spot.GetAccount), _C(swap.GetPositions)
    sold = sum(one.Amount for one in positions if one.Type == PD_SHORT)
    return _N(account.Stocks - began, 6), _N(sold, 6)


def main() -> None:
    """Opens the hedge, shows what is held and which rate it earns, and closes it."""
    spot, swap = Exchange("Binance", "BTC_USDT"), Exchange("Futures_Binance", "BTC_USDT")
    swap.SetContractType("swap")
    swap.SetMarginLevel(3)
    began = _C(spot.GetAccount).Stocks

    price = _C(spot.GetTicker).Last
    legs = [
        spot.Go("CreateOrder", "", "buy", _N(price * 1.005, 1), COINS),
        swap.Go("CreateOrder", "", "sell", _N(price * 0.995, 1), COINS),
    ]
    Log("both legs sent:", [leg.wait()[0] is not None for leg in legs])
    coins, sold = held(spot, swap, began)
    missing = _N(coins - sold, 3)
    if abs(missing) >= 0.001:
        swap.CreateOrder("", "sell" if missing > 0 else "closesell", -1, abs(missing))
        coins, sold = held(spot, swap, began)
    Log("hedged:", abs(coins - sold) < 0.001, "coins", coins, "sold", sold)
    for funding in swap.GetFundings("BTC_USDT.swap") or []:
        Log("the short side earns", funding.Rate * 100, "% every", funding.Interval // 3_600_000, "hours")

    spot.CreateOrder("", "sell", -1, coins)
    swap.CreateOrder("", "closesell", -1, sold)
    Log("closed:", len(swap.GetPositions() or []) == 0)
    spot.close()
    swap.close()


if __name__ == "__main__":
    main()
