/*config
[
  {"name": "stream", "label": "Address", "description": "the stream of BitMEX, which closed in September 2026, or of what speaks its API", "type": "string", "default": "wss://ws.bitmex.com/realtime"},
  {"name": "apikey", "label": "Access key", "description": "the public part of the key", "type": "string", "default": "your Access Key (BitMEX)"},
  {"name": "most", "label": "Events", "description": "how many to wait for; 0 for ever", "type": "number", "default": 0}
]
*/

// BitMEX's positions: a login by authKeyExpires, then the subscription.
function main() {
    var client = Dial(stream)
    if (!client) {
        throw new Error("no connection: " + GetLastError())
    }
    var expires = parseInt(Date.now() / 1000) + 10
    var signature = exchange.HMAC("sha256", "hex", "GET/realtime" + expires, "{{secretkey}}")
    client.write(JSON.stringify({op: "authKeyExpires", args: [apikey, expires, signature]}))
    var seen = 0
    while (most == 0 || seen < most) {
        var text = client.read(30000)
        if (!text) {
            throw new Error("the stream is silent, or closed")
        }
        var message = JSON.parse(text)
        if (message.error) {
            throw new Error("refused: " + message.error)
        }
        if (message.success && message.request && message.request.op == "authKeyExpires") {
            client.write(JSON.stringify({op: "subscribe", args: "position"}))
        } else if (message.table == "position") {
            seen++
            _.each(message.data, function(position) {
                Log(position.symbol, "position", position.currentQty)
            })
        }
    }
    client.close()
}
