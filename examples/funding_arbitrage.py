'''backtest
start: 2024-01-03 00:00:00
end: 2024-01-09 00:00:00
period: 15m
basePeriod: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":10000,"stocks":0,"fee":[0.1,0.1]},{"eid":"Futures_Binance","currency":"BTC_USDT","balance":10000,"stocks":0,"fee":[0.02,0.05],"details":{"BTC_USDT.swap":{"quotePrecision":1,"basePrecision":3,"symbolFunding":"BTC_USDT.funding","symbolIndex":"BTC_USDT.index"}}}]
'''

'''config
[
  {"name": "COINS", "label": "Coins", "description": "how many coins are carried", "type": "number", "default": 0.02, "min": 0.001},
  {"name": "PAYMENTS", "label": "Payments", "description": "how many payments at the present rate must be worth more than all costs", "type": "number", "default": 15, "min": 1},
  {"name": "KEEP", "label": "Keep", "description": "the carry ends when these payments are worth less than this part of the costs", "type": "number", "default": 0.5, "min": 0, "max": 1},
  {"name": "LEVEL", "label": "Leverage", "description": "of the contract", "type": "number", "default": 3, "min": 1},
  {"name": "EVERY_S", "label": "Seconds", "description": "between two looks", "type": "number", "default": 60, "min": 1},
  {"name": "TURNS", "label": "Turns", "description": "0 runs until it is stopped", "type": "number", "default": 0, "min": 0}
]
'''

# Carries a coin bought on spot and sold as a perpetual contract while the funding rate pays more than the costs, and unwinds it when it does not.
#
# What the price does cancels out. The costs are the fees of both markets and their spreads, for opening and closing; what they are compared with is the
# rate of GetFundings times the number of payments that the carry is expected to last. Both legs leave side by side. What the accounts hold, not what
# was sent, says how much is missing on one side, and that much is traded by the contract. Payments are added up as GetFundings lists them; a live
# exchange is also asked what it has paid.

from decimal import Decimal

from fmzthreads.exchange.contracts.converter import ContractValue

SPOT_SYMBOL, SWAP_SYMBOL = "BTC_USDT", "BTC_USDT.swap"
THROUGH = 0.005  # how far through the book an order may trade, as a part of the price

carry = {"next": None, "expected": 0.0, "payments": 0, "status": "starting"}


def start():
    """Sets the contract, and remembers what was held at the very first start."""
    spot, swap = exchanges[:2]
    _C(swap.SetContractType, "swap")
    _C(swap.SetMarginLevel, LEVEL)
    if _G("began") is None:
        account = _C(spot.GetAccount)
        _G("began", {"coins": account.Stocks + account.FrozenStocks, "time": UnixNano() // 1_000_000})


def held():
    """The coins that were bought, and the coins that were sold as contracts."""
    spot, swap = exchanges[:2]
    account, positions = _C(spot.GetAccount), _C(swap.GetPositions, SWAP_SYMBOL)
    value = ContractValue.of(_C(swap.GetMarkets)[SWAP_SYMBOL])
    contracts = sum(one.Amount for one in positions if one.Type == PD_SHORT and one.Symbol == SWAP_SYMBOL)
    coins = account.Stocks + account.FrozenStocks - _G("began")["coins"]
    return _N(coins, 8), float(value.coins(Decimal(repr(contracts)), Decimal(1)))


def contracts_of(coins):
    """An amount of contracts, cut to their step; and that step in coins."""
    market = _C(exchanges[1].GetMarkets)[SWAP_SYMBOL]
    value, step = ContractValue.of(market), Decimal(str(market.AmountSize))
    # A hair below a whole number of contracts is float noise.
    count = value.contracts(Decimal(repr(coins)) * (1 + Decimal("1e-9")), Decimal(1), step)
    return float(count), float(value.coins(step, Decimal(1)))


def costs():
    """Fees and spreads of opening and closing both legs, as a part of the price."""
    total = 0.0
    for one in exchanges[:2]:
        fee, depth = _C(one.GetFee), _C(one.GetDepth)
        total += (fee.Buy + fee.Sell) / 100 + depth.Asks[0].Price / depth.Bids[0].Price - 1
    return total


def funding():
    """The next payment of the contract: its time and rate; None while the exchange lists none."""
    rows = [row for row in exchanges[1].GetFundings(SWAP_SYMBOL) or [] if row.Symbol == SWAP_SYMBOL]
    return {"time": rows[0].Time, "rate": rows[0].Rate} if rows else None


def add_payment(row, sold, price):
    """Adds the payment that was due since the last look: the position's worth at the rate that was listed for it."""
    last = carry["next"]
    if last is not None and row["time"] > last["time"] and last["sold"]:
        carry["expected"] += last["sold"] * price * last["rate"]
        carry["payments"] += 1
    carry["next"] = {"time": row["time"], "rate": row["rate"], "sold": sold}


def cancel_all():
    """Nothing may still be filled while sizes are counted."""
    for one in exchanges[:2]:
        for order in _C(one.GetOrders):
            one.CancelOrder(order.Id)


def trade(side, coins, sold):
    """Both legs at once: ``buy`` opens the carry, ``sell`` closes it."""
    spot, swap = exchanges[:2]
    ahead = 1 if side == "buy" else -1
    spot_price = _N(_C(spot.GetTicker).Last * (1 + ahead * THROUGH), 1)
    swap_price = _N(_C(swap.GetTicker).Last * (1 - ahead * THROUGH), 1)
    legs = []
    if coins > 0:
        legs.append(spot.Go("CreateOrder", SPOT_SYMBOL, side, spot_price, _N(coins, 5)))
    if sold > 0:
        contracts, _ = contracts_of(sold)
        legs.append(
            swap.Go("CreateOrder", SWAP_SYMBOL, "sell" if side == "buy" else "closesell", swap_price, contracts)
        )
    return [leg.wait()[0] is not None for leg in legs]


def even_out(coins, sold):
    """Trades by the contract what one side has more than the other; returns whether anything was missing."""
    missing = coins - sold
    contracts, step = contracts_of(abs(missing))
    if abs(missing) < step or not contracts:
        return False
    swap = exchanges[1]
    # To a contract that is to be closed belongs no more than the position.
    sells = missing > 0
    price = _N(_C(swap.GetTicker).Last * (1 - THROUGH if sells else 1 + THROUGH), 1)
    swap.CreateOrder(SWAP_SYMBOL, "sell" if sells else "closesell", price, contracts, "even out")
    return True


def turn():
    """One look: adds up payments, evens out what is missing, opens or closes the carry."""
    cancel_all()
    coins, sold = held()
    row, price = funding(), _C(exchanges[0].GetTicker).Last
    if row is None:
        carry["status"] = "no funding rate is listed"
        return show(coins, sold, 0.0, 0.0)
    add_payment(row, sold, price)
    cost = costs()
    worth = row["rate"] * PAYMENTS
    _, step = contracts_of(COINS)
    carried = max(coins, sold) >= step
    if carried and worth < KEEP * cost:
        Log("unwinding: the rate of", row["rate"], "no longer pays for", cost, trade("sell", coins, sold))
        carry["status"] = "unwound"
    elif carried:
        carry["status"] = "evening out" if even_out(coins, sold) else "carrying"
    elif worth > cost:
        fee = _C(exchanges[0].GetFee).Buy / 100  # is taken from the coins bought
        Log("carrying", COINS, "coins: the rate of", row["rate"], "pays more than", cost, trade("buy", COINS / (1 - fee), COINS))
        carry["status"] = "opened"
    else:
        carry["status"] = "waiting for a rate that pays"
    coins, sold = held()
    show(coins, sold, row["rate"], cost)


def paid():
    """What the exchange lists as paid and received; None where it has no such list (in a backtest)."""
    swap = exchanges[1]
    if not hasattr(swap, "GetFundingPayments"):
        return None
    rows = swap.GetFundingPayments(SWAP_SYMBOL, _G("began")["time"])
    return None if rows is None else sum(row.Amount for row in rows)


def show(coins, sold, rate, cost):
    """The status bar, and the sum of all payments as the profit."""
    received = paid()
    table = {
        "type": "table",
        "title": "Funding arbitrage",
        "cols": ["What", "Value"],
        "rows": [
            ["state", carry["status"]],
            ["coins bought, coins sold", f"{coins} {sold}"],
            ["rate of the next payment", f"{rate * 100:.4f} %"],
            ["costs of opening and closing", f"{cost * 100:.4f} %"],
            ["payments by GetFundings", f"{carry['expected']:.6f} in {carry['payments']} payments"],
            ["payments by the exchange", "not listed" if received is None else f"{received:.6f}"],
        ],
    }
    LogStatus("`" + json.dumps(table) + "`")
    LogProfit(_N(carry["expected"] if received is None else received, 6), "&")


def main():
    start()
    turns = 0
    while not TURNS or turns < TURNS:
        turn()
        turns += 1
        Sleep(EVERY_S * 1000)
    Log("turns", turns, "state", carry["status"], "payments", _N(carry["expected"], 6))
