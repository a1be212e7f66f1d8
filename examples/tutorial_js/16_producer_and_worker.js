// Producer and worker: two threads with contexts of their own; what is posted is copied, and the stream's thread never waits for the work.
function producer(address, most, worker) {
    var client = Dial(address)
    for (var sent = 0; sent < most; ) {
        var text = client.read(5000)
        if (!text) {
            break
        }
        worker.postMessage(JSON.parse(text))
        sent++
    }
    worker.postMessage(null)
    client.close()
    return sent
}

function work(totals) {
    var seen = 0
    while (true) {
        var message = threading.currentThread().peekMessage()
        if (message === null) {
            return seen
        }
        seen++
        totals.set("spread", Number(message.a) - Number(message.b))
    }
}

function main() {
    var totals = threading.Dict()
    var worker = threading.Thread(work, totals)
    var address = exchange.GetBase().replace("http", "ws") + "/ws/btcusdt@bookTicker"
    var made = threading.Thread(producer, address, 3, worker).join()
    var done = worker.join()
    Log("produced", made.ret, "worked", done.ret, "spread", totals.get("spread") > 0)
}
