"""A process that publishes as a web application does: one request, one trace, one task; or as a script does.

It reads a line of JSON {"count", "every", "task", "decided"} and answers with one: {"seconds"} of CPU that its thread
spent inside of `apply_async`, for all of them. One request in `every` is sampled; 0 is none.
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.cost import variants
from benchmarks.cost.app import app

BOTS = 20
EXCHANGES = ("binance", "kraken", "okx")
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")


def main() -> None:
    """Serve until the input ends."""
    request = variants.start_producer()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        task, spent = app.tasks[order["task"]], 0
        for number in range(order["count"]):
            args = (f"bot-{number % BOTS}", EXCHANGES[number % 3], SYMBOLS[number % 4], number / 10)
            sampled = bool(order["every"]) and number % order["every"] == 0
            with request(sampled if order.get("decided", True) else None):
                before = time.thread_time_ns()
                task.apply_async(args[: order.get("arity", len(args))])
                spent += time.thread_time_ns() - before
        print(json.dumps({"seconds": spent / 1e9}), flush=True)


if __name__ == "__main__":
    main()
