// Any address by HttpQuery, and the exchange's own interface by IO: the platform signs, and the reply comes as it is.
function main() {
    var base = exchange.GetBase()
    var text = HttpQuery(base + "/api/v3/ticker/price?symbol=BTCUSDT")
    Log("public:", JSON.parse(text).price)
    var answer = HttpQuery(base + "/api/v3/no/such/path", {debug: true, timeout: 5000})
    Log("status", answer.StatusCode, "header", "Content-Type" in answer.Header)
    var handles = ["BTCUSDT", "ETHUSDT"].map(function(symbol) { return HttpQuery_Go(base + "/api/v3/depth?limit=5&symbol=" + symbol) })
    Log("side by side:", handles.map(function(handle) { return JSON.parse(handle.wait(10000)).bids.length }))
    var account = exchange.IO("api", "GET", "/api/v3/account")
    Log("signed:", account.balances.map(function(row) { return row.asset }).slice(0, 2))
    var placed = exchange.IO("api", "POST", "/api/v3/order/test", "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty='20'")
    Log("a test order gives", placed)
    Log("raw text of the last reply:", exchange.GetRawJSON())
}
