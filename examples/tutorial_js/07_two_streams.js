// Two exchanges, a stream each, one loop: EventLoop wakes it, and both connections are read without waiting.
function main() {
    var a = exchanges[0], b = exchanges[1]
    var first = Dial(a.GetBase().replace("http", "ws") + "/ws/btcusdt@bookTicker")
    var second = Dial(b.GetBase().replace("http", "ws") + "/ws/v5/public")
    second.write(JSON.stringify({op: "subscribe", args: [{channel: "tickers", instId: "BTC-USDT"}]}))
    var prices = [null, null]
    var end = new Date().getTime() + 20000
    EventLoop(-1)
    while (_.contains(prices, null) && Date.now() < end) {
        EventLoop(1000)
        var text = first.read(-2)
        if (text) {
            prices[0] = parseFloat(JSON.parse(text).b)
        }
        text = second.read(-2)
        if (text) {
            var message = JSON.parse(text)
            if (message.data && message.data.length) {
                prices[1] = Number(message.data[0].bidPx)
            }
        }
    }
    Log(a.GetName(), prices[0], b.GetName(), prices[1], "difference", _N(prices[0] - prices[1], 2))
    first.close()
    second.close()
}
