// What happens at a stop: every call throws, main is left, onexit may still trade. (fmzthreads stop, Ctrl-C, --seconds)
var id = null

function main() {
    id = exchange.Buy(_N(_C(exchange.GetTicker).Last * 0.8, 1), 0.01)
    try {
        while (true) {
            Sleep(1000)
        }
    } finally {
        console.log("main is left")
    }
}

function onexit() {
    if (id) {
        Log("cancelled at the stop:", exchange.CancelOrder(id))
    }
    Log("open", exchange.GetOrders().length)
}
