// Every exchange side by side in one table, by a task for each: what a dashboard of several accounts does.
function Task(e, method) {
    this.exchange = e
    this.handle = e.Go(method)
}

Task.prototype.take = function() {
    return this.handle.wait(10000)
}

function main() {
    var rows = exchanges.map(e => ({ticker: new Task(e, "GetTicker"), account: new Task(e, "GetAccount"), name: e.GetName()})).map(task => {
        const ticker = task.ticker.take(), account = task.account.take()
        return [task.name, ticker ? ticker.Last : "-", account ? `${_N(account.Balance, 0)} #ff0000` : "-"]
    })
    LogStatus("`" + JSON.stringify({type: "table", title: "Exchanges", cols: ["Name", "Last", "Balance"], rows}) + "`")
    Log("rows", rows.length)
    $.rows = rows.length
}
