# Producer and workers: any thread asks, and a shared list collects; Python's own threads end with main.

import threading
from queue import Queue


def worker(jobs, results):
    while True:
        index, method = jobs.get()
        value = getattr(exchanges[index], method)()
        results.append((exchanges[index].GetName(), method, value is not None))
        jobs.task_done()


def main():
    jobs, results = Queue(), []
    for _ in range(4):
        threading.Thread(target=worker, args=(jobs, results), daemon=True).start()
    for turn in range(3):
        for index in range(len(exchanges)):
            for method in ("GetTicker", "GetDepth", "GetAccount"):
                jobs.put((index, method))
    jobs.join()
    Log("results", len(results), "all there:", all(ok for _, _, ok in results))
