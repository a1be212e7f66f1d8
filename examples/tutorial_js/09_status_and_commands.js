// A status bar with tables in tabs, colours and buttons, and the commands that its buttons send.
function draw(clicked) {
    var account = _C(exchange.GetAccount)
    var money = {type: "table", title: "Account", cols: ["Currency", "Free", "Frozen"], rows: [
        [exchange.GetQuoteCurrency(), _N(account.Balance, 2) + " #00aa00", account.FrozenBalance],
        [exchange.GetBaseCurrency(), account.Stocks, account.FrozenStocks]
    ]}
    var control = {type: "table", title: "Control", cols: ["Action", "Button"], rows: [
        ["clicked " + clicked, {type: "button", cmd: "click", name: "Click", class: "btn btn-xs btn-success"}],
        ["set a number", {type: "button", cmd: "number", name: "Number", input: {name: "n", type: "number", defValue: 5}}]
    ]}
    LogStatus("tables at", _D(), "\n`" + JSON.stringify([money, control]) + "`")
}

function main() {
    var clicked = 0
    for (var turn = 0; turn < 5; turn++) {
        var command = GetCommand()
        if (command) {
            var parts = command.split(":")
            Log("command", parts[0], "value", parts[1] || "")
            switch (parts[0]) {
                case "click":
                    clicked++
                    break
            }
        }
        draw(clicked)
        Sleep(200)
    }
    Log("done", "#0000ff")
}
