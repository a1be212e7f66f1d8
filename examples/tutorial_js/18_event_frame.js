// A frame for event-driven strategies: one loop, and a function for each thing that may happen.
var handlers = {
    book: function(state, message) {
        state.bid = Number(message.b)
        state.ask = Number(message.a)
        if (!state.account && state.ask > 0) {
            state.account = exchange.Go("GetAccount")
        }
    },
    account: function(state, account) {
        state.worth = _N(account.Balance + account.Stocks * state.bid, 0)
        Log("worth", state.worth, "at", state.bid)
    },
    command: function(state, text) {
        Log("command", text)
    }
}

function main() {
    var client = Dial(exchange.GetBase().replace("http", "ws") + "/ws/btcusdt@bookTicker|reconnect=true")
    var state = {bid: 0, ask: 0, account: null, worth: 0}
    var end = Date.now() + 20000
    EventLoop(-1)
    while (!state.worth && Date.now() < end) {
        EventLoop(1000)
        var text
        while ((text = client.read(-1))) {
            handlers.book(state, JSON.parse(text))
        }
        if (state.account) {
            var account = state.account.wait(-1)
            if (account) {
                handlers.account(state, account)
            } else if (account === null) {
                state.account = null
            }
        }
        var command = GetCommand()
        if (command) {
            handlers.command(state, command)
        }
    }
    client.close()
}
