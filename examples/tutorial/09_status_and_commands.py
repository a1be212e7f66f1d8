# A status bar with tables in tabs, colours and buttons, and the commands that its buttons send.


def draw(clicked):
    account = _C(exchange.GetAccount)
    money = {"type": "table", "title": "Account", "cols": ["Currency", "Free", "Frozen"], "rows": [
        [exchange.GetQuoteCurrency(), str(_N(account.Balance, 2)) + " #00aa00", account.FrozenBalance],
        [exchange.GetBaseCurrency(), account.Stocks, account.FrozenStocks],
    ]}
    control = {"type": "table", "title": "Control", "cols": ["Action", "Button"], "rows": [
        ["clicked " + str(clicked), {"type": "button", "cmd": "click", "name": "Click", "class": "btn btn-xs btn-success"}],
        ["set a number", {"type": "button", "cmd": "number", "name": "Number", "input": {"name": "n", "type": "number", "defValue": 5}}],
    ]}
    LogStatus("tables at", _D(), "\n`" + json.dumps([money, control]) + "`")


def main():
    clicked = 0
    for turn in range(5):
        command = GetCommand()
        if command:
            name, _, value = command.partition(":")
            Log("command", name, "value", value)
            clicked += name == "click"
        draw(clicked)
        Sleep(200)
    Log("done", "#0000ff")
