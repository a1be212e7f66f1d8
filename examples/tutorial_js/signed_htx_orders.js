/*config
[
  {"name": "stream", "label": "Address", "description": "the stream of orders and assets", "type": "string", "default": "wss://api.huobi.pro/ws/v2"},
  {"name": "apikey", "label": "Access key", "description": "the public part of the key", "type": "string", "default": "your Access Key (HTX)"},
  {"name": "symbol", "label": "Symbol", "description": "HTX's name", "type": "string", "default": "btcusdt"},
  {"name": "most", "label": "Events", "description": "how many to wait for; 0 for ever", "type": "number", "default": 0}
]
*/

// HTX's notifications about orders: a login signed by version 2.1, then the subscription, and an answer to each ping.
function login() {
    // The time and the host are signed, so that it is made for each connect.
    var stamp = new Date().toISOString().slice(0, 19)
    var address = stream.split("://")[1]
    var host = address.split("/")[0].split(":")[0]
    var path = address.slice(address.indexOf("/"))
    var query = "accessKey=" + apikey + "&signatureMethod=HmacSHA256&signatureVersion=2.1&timestamp=" + encodeURIComponent(stamp)
    var signature = exchange.HMAC("sha256", "base64", ["GET", host, path, query].join("\n"), "{{secretkey}}")
    return JSON.stringify({
        action: "req",
        ch: "auth",
        params: {authType: "api", accessKey: apikey, signatureMethod: "HmacSHA256", signatureVersion: "2.1", timestamp: stamp, signature: signature}
    })
}

function main() {
    var client = Dial(stream)
    if (!client) {
        throw new Error("no connection: " + GetLastError())
    }
    client.write(login())
    var seen = 0
    while (most == 0 || seen < most) {
        var text = client.read(30000)
        if (!text) {
            throw new Error("the stream is silent, or closed")
        }
        var message = JSON.parse(text)
        if (message.action == "ping") {
            client.write(JSON.stringify({action: "pong", data: message.data}))
        } else if (message.action == "req" && message.ch == "auth") {
            if (message.code != 200) {
                throw new Error("login refused: " + message.code)
            }
            client.write(JSON.stringify({action: "sub", ch: "orders#" + symbol}))
        } else if (message.action == "sub") {
            Log("subscribed to", message.ch)
        } else if (message.action == "push") {
            seen++
            Log("order", message.data.orderId, message.data.orderStatus)
        }
    }
    client.close()
}
