// Go starts a call in the background; wait gives its bare result, undefined when the time is over, null when the call failed.
function main() {
    var began = UnixNano()
    var a = exchange.Go("GetDepth")
    var b = exchange.Go("GetTicker")
    var c = exchange.Go("GetRecords", PERIOD_M1)
    var depth = a.wait()
    var ticker = b.wait(10000)
    var records = c.wait(10000)
    if (depth && ticker && records) {
        Log("three calls took", Math.floor((UnixNano() - began) / 1000000), "ms; best bid", depth.Bids[0].Price, "last", ticker.Last, "bars", records.length)
    }
    try {
        a.wait()
    } catch (e) {
        Log("a second wait is an error:", e.message)
    }
    var slow = exchange.Go("GetTicker")
    var ready = slow.wait(-1)
    Log("not waited for:", ready === undefined || ready !== null, "then", (ready || slow.wait()).Last > 0)

    // The same call to all exchanges at once, with the arguments of an array.
    function All(method) {
        var args = arguments
        return exchanges.map(function(e) { return e.Go.apply(this, args) }).map(function(handle) { return handle.wait() })
    }
    Log("balances", _.pluck(All("GetAccount"), "Balance"), "bars", All("GetRecords", PERIOD_M5).length)
}
