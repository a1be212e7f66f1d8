"""config
[
  {"name": "rest", "label": "REST", "description": "the base of the REST interface", "type": "string", "default": "https://fapi.binance.com"},
  {"name": "stream", "label": "Streams", "description": "the base of the streams", "type": "string", "default": "wss://fstream.binance.com/private"},
  {"name": "apikey", "label": "Access key", "description": "the public part of the key", "type": "string", "default": "your Access Key (Binance)"},
  {"name": "keep_alive", "label": "Keep-alive", "description": "seconds; Binance forgets a listenKey after an hour", "type": "number", "default": 1800},
  {"name": "most", "label": "Events", "description": "how many to wait for; 0 for ever", "type": "number", "default": 0}
]
"""

# The private stream of Binance's futures: a listenKey by the key's header alone, kept alive by a PUT, and given back at the end.


def listen_key(method):
    text = HttpQuery(rest + "/fapi/v1/listenKey", {"method": method, "data": ""}, None, "X-MBX-APIKEY:" + apikey)
    if not text:
        raise Exception("listenKey: no answer to " + method + ": " + str(GetLastError()))
    return json.loads(text).get("listenKey")


def main():
    key = listen_key("POST")
    client = Dial(stream + "/ws/" + key)
    if client is None:
        raise Exception("no connection: " + GetLastError())
    renewed = time.time()
    seen = 0
    while most == 0 or seen < most:
        if time.time() - renewed >= keep_alive:
            renewed = time.time()
            listen_key("PUT")
        text = client.read(1000)
        if text is None:
            continue
        if text == "":
            raise Exception("the stream is closed")
        event = json.loads(text)
        if event["e"] == "listenKeyExpired":
            raise Exception("the listenKey has expired: it was not kept alive")
        seen += 1
        if event["e"] == "ORDER_TRADE_UPDATE":
            Log("order", event["o"]["i"], event["o"]["X"])
        else:
            Log("event", event["e"])
    client.close()
    listen_key("DELETE")
