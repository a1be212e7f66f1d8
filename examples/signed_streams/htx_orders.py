"""config
[
  {"name": "stream", "label": "Address", "description": "the stream of orders and assets", "type": "string", "default": "wss://api.huobi.pro/ws/v2"},
  {"name": "apikey", "label": "Access key", "description": "the public part of the key", "type": "string", "default": "your Access Key (HTX)"},
  {"name": "symbol", "label": "Symbol", "description": "HTX's name", "type": "string", "default": "btcusdt"},
  {"name": "most", "label": "Events", "description": "how many to wait for; 0 for ever", "type": "number", "default": 0}
]
"""

# HTX's notifications about orders: a login signed by version 2.1, then the subscription, and an answer to each ping.


def login():
    # The time and the host are signed, so that it is made for each connect.
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    host, path = stream.split("://")[1].split("/", 1)
    query = "accessKey={}&signatureMethod=HmacSHA256&signatureVersion=2.1&timestamp={}".format(
        apikey, stamp.replace(":", "%3A")
    )
    text = "\n".join(["GET", host.split(":")[0], "/" + path, query])
    params = {
        "authType": "api",
        "accessKey": apikey,
        "signatureMethod": "HmacSHA256",
        "signatureVersion": "2.1",
        "timestamp": stamp,
        "signature": exchange.HMAC("sha256", "base64", text, "{{secretkey}}"),
    }
    return json.dumps({"action": "req", "ch": "auth", "params": params})


def main():
    client = Dial(stream)
    if client is None:
        raise Exception("no connection: " + GetLastError())
    client.write(login())
    seen = 0
    while most == 0 or seen < most:
        text = client.read(30000)
        if not text:
            raise Exception("the stream is silent, or closed")
        message = json.loads(text)
        if message["action"] == "ping":
            client.write(json.dumps({"action": "pong", "data": message["data"]}))
        elif message["action"] == "req" and message["ch"] == "auth":
            if message["code"] != 200:
                raise Exception("login refused: " + str(message["code"]))
            client.write(json.dumps({"action": "sub", "ch": "orders#" + symbol}))
        elif message["action"] == "sub":
            Log("subscribed to", message["ch"])
        elif message["action"] == "push":
            seen += 1
            Log("order", message["data"]["orderId"], message["data"]["orderStatus"])
    client.close()
