// EventLoop sleeps until something has happened: here the end of a background call, or a command. It listens from its first call on.
function main() {
    EventLoop(-1)
    var handles = _.map(exchanges, function(e) { return e.Go("GetTicker") })
    var seen = 0
    while (seen < handles.length) {
        var event = EventLoop(5000)
        if (!event) {
            Log("nothing happened in time")
            break
        }
        Log("event", event.Event, "of exchange", event.Index)
        seen++
    }
    Log("tickers", handles.map(function(h) { return h.wait(-1).Last }))
    Log("nothing more:", EventLoop(-1))
}
