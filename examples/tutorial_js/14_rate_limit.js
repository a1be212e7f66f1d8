// A limit of its own for calls: beyond it a call fails at once, or waits with "delay".
function main() {
    exchange.IO("rate", "GetTicker", 2, "10s")
    var answers = _.times(4, function() { return exchange.GetTicker() !== null })
    Log("answered", answers, "because", GetLastError())
    exchange.IO("rate", "", 0, "1s")
    exchange.IO("rate", "GetDepth", 5, "1s", "delay")
    var began = UnixNano()
    for (var i = 0; i < 8; i++) {
        exchange.GetDepth()
    }
    Log("eight calls took more than half a second:", UnixNano() - began > 500000000)
}
