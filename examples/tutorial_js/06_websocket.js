// A websocket by Dial: read(-2) gives the newest message and forgets older ones, read(-1) does not wait, write sends.
var client = null

function main() {
    // A simulated exchange has its streams where its REST is; Binance's own are at wss://stream.binance.com:9443.
    var base = exchange.GetBase().replace("http", "ws")
    client = Dial(base + "/ws|reconnect=true&interval=1000")
    if (!client) {
        Log("no connection:", GetLastError())
        return
    }
    client.write(JSON.stringify({method: "SUBSCRIBE", params: ["btcusdt@bookTicker"], id: 1}))
    var prices = 0
    while (prices < 3) {
        var text = client.read(5000)
        if (!text) {
            Log(text === null ? "no message" : "the connection is lost")
            break
        }
        var message = JSON.parse(text)
        if (message.b) {
            prices++
            Log("bid", message.b, "ask", message.a)
        }
    }
    var newest = client.read(-2)
    Log("newest of what waits:", newest === null ? "nothing" : "a message")
}

function onexit() {
    if (client) {
        client.close()
        Log("connection closed")
    }
}
