# A limit of its own for calls: beyond it a call fails at once, or waits with "delay".


def main():
    exchange.IO("rate", "GetTicker", 2, "10s")
    answers = [exchange.GetTicker() is not None for _ in range(4)]
    Log("answered", answers, "because", GetLastError())
    exchange.IO("rate", "", 0, "1s")
    exchange.IO("rate", "GetDepth", 5, "1s", "delay")
    began = UnixNano()
    for _ in range(8):
        exchange.GetDepth()
    Log("eight calls took more than half a second:", UnixNano() - began > 500000000)
