/*config
[
  {"name": "rest", "label": "REST", "description": "the base of the REST interface", "type": "string", "default": "https://fapi.binance.com"},
  {"name": "stream", "label": "Streams", "description": "the base of the streams", "type": "string", "default": "wss://fstream.binance.com/private"},
  {"name": "apikey", "label": "Access key", "description": "the public part of the key", "type": "string", "default": "your Access Key (Binance)"},
  {"name": "keep_alive", "label": "Keep-alive", "description": "seconds; Binance forgets a listenKey after an hour", "type": "number", "default": 1800},
  {"name": "most", "label": "Events", "description": "how many to wait for; 0 for ever", "type": "number", "default": 0}
]
*/

// The private stream of Binance's futures: a listenKey by the key's header alone, kept alive by a PUT, and given back at the end.
function listenKey(method) {
    var text = HttpQuery(rest + "/fapi/v1/listenKey", {method: method, data: ""}, null, "X-MBX-APIKEY:" + apikey)
    if (!text) {
        throw new Error("listenKey: no answer to " + method + ": " + GetLastError())
    }
    return JSON.parse(text).listenKey
}

function main() {
    var client = Dial(stream + "/ws/" + listenKey("POST"))
    if (!client) {
        throw new Error("no connection: " + GetLastError())
    }
    var renewed = Date.now(), seen = 0
    while (most == 0 || seen < most) {
        if (Date.now() - renewed >= keep_alive * 1000) {
            renewed = Date.now()
            listenKey("PUT")
        }
        var text = client.read(1000)
        if (text === null) {
            continue
        }
        if (text === "") {
            throw new Error("the stream is closed")
        }
        var event = JSON.parse(text)
        if (event.e == "listenKeyExpired") {
            throw new Error("the listenKey has expired: it was not kept alive")
        }
        seen++
        if (event.e == "ORDER_TRADE_UPDATE") {
            Log("order", event.o.i, event.o.X)
        } else {
            Log("event", event.e)
        }
    }
    client.close()
    listenKey("DELETE")
}
