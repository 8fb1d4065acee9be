"""The application under test: trading tasks that do nothing, under whatever monitoring the environment names."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import os
import time

from celery import Celery
from celery.signals import worker_ready

from benchmarks.cost import variants

app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=os.environ["BENCH_RESULTS"])
app.conf.task_default_queue = variants.QUEUE
app.conf.broker_connection_retry_on_startup = True
app.set_default()

_starts: list[float] = []


@app.task(name="trading.place_order")
def place_order(bot_id: str, exchange: str, symbol: str, amount: float) -> None:
    """Place no order."""


@app.task(name="trading.talking_order")
def talking_order(bot_id: str, exchange: str, symbol: str, amount: float) -> None:
    """Place no order, and leave what a task leaves that talks to an exchange: a breadcrumb, and a span."""
    variants.talk(f"{amount} {symbol}")


@app.task(name="trading.stamped_order")
def stamped_order(bot_id: str, exchange: str, symbol: str, amount: float) -> None:
    """Place no order, and note when (monotonic seconds of this process)."""
    _starts.append(time.perf_counter())


@app.task(name="trading.failing_order")
def failing_order(bot_id: str, exchange: str, symbol: str, amount: float) -> None:
    """Fail to place an order."""
    _starts.append(time.perf_counter())
    raise ValueError(f"{exchange} refuses {amount} {symbol} of {bot_id}")


@app.task(name="trading.starts")
def starts() -> list[float]:
    """Return the noted starts, and forget them."""
    noted, _starts[:] = list(_starts), []
    return noted


@worker_ready.connect(weak=False)
def _say_ready(**_: object) -> None:
    print(variants.READY, flush=True)  # the log level of a benchmark is Celery's default, which does not say it


if os.environ.get("BENCH_ROLE") == "worker":
    variants.start_worker()
