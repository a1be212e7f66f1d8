# EventLoop sleeps until something has happened: here the end of a background call, or a command. It listens from its first call on.


def main():
    EventLoop(-1)
    handles = [each.Go("GetTicker") for each in exchanges]
    seen = 0
    while seen < len(handles):
        event = EventLoop(5000)
        if event is None:
            Log("nothing happened in time")
            break
        Log("event", event.Event, "of exchange", event.Index)
        seen += 1
    Log("tickers", [handle.wait(-1)[0].Last for handle in handles])
    Log("nothing more:", EventLoop(-1))
