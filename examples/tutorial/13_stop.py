# What happens at a stop: every call raises StopError, main is left, onexit may still trade. (fmzthreads stop, Ctrl-C, --seconds)

order_id = None


def main():
    global order_id
    order_id = exchange.Buy(_N(_C(exchange.GetTicker).Last * 0.8, 1), 0.01)
    try:
        while True:
            Sleep(1000)
    except StopError:
        Log("never swallow it")
        raise


def onexit():
    if order_id:
        Log("cancelled at the stop:", exchange.CancelOrder(order_id))
    Log("open", len(exchange.GetOrders()))
