"""config
[
  {"name": "stream", "label": "Address", "description": "the stream of BitMEX, which closed in September 2026, or of what speaks its API", "type": "string", "default": "wss://ws.bitmex.com/realtime"},
  {"name": "apikey", "label": "Access key", "description": "the public part of the key", "type": "string", "default": "your Access Key (BitMEX)"},
  {"name": "most", "label": "Events", "description": "how many to wait for; 0 for ever", "type": "number", "default": 0}
]
"""

# BitMEX's positions: a login by authKeyExpires, then the subscription.


def main():
    client = Dial(stream)
    if client is None:
        raise Exception("no connection: " + GetLastError())
    expires = int(time.time()) + 10
    signature = exchange.HMAC("sha256", "hex", "GET/realtime" + str(expires), "{{secretkey}}")
    client.write(json.dumps({"op": "authKeyExpires", "args": [apikey, expires, signature]}))
    seen = 0
    while most == 0 or seen < most:
        text = client.read(30000)
        if not text:
            raise Exception("the stream is silent, or closed")
        message = json.loads(text)
        if "error" in message:
            raise Exception("refused: " + message["error"])
        if message.get("success") and message.get("request", {}).get("op") == "authKeyExpires":
            client.write(json.dumps({"op": "subscribe", "args": "position"}))
        elif message.get("table") == "position":
            seen += 1
            for position in message["data"]:
                Log(position["symbol"], "position", position["currentQty"])
    client.close()
