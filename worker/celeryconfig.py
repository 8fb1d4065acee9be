"""How Celery behaves here. What is not named keeps Celery's default; what is named says why.

The addresses of broker and result backend come from `monitoring.Settings`; `worker.celery` puts them in.
"""

from collections.abc import Mapping
from typing import Any

from kombu.entity import Queue

# The only format: a message can carry data, never code.
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"

# Timestamps are compared across exchanges and hosts.
enable_utc = True
timezone = "UTC"

# Orders never wait behind indicators: `celery -A worker start -Q orders` gives them workers of their own. A worker
# without -Q consumes all three, taking turns between them.
task_default_queue = "default"
task_queues = tuple(
    Queue(name, routing_key=name)  # type: ignore[no-untyped-call]  # kombu types no constructors
    for name in ("orders", "market", "default")
)
task_routes = {
    "worker.tasks.orders.*": {"queue": "orders"},
    "worker.tasks.market.*": {"queue": "market"},
    "worker.tasks.strategy.*": {"queue": "market"},
}
# A misspelt queue is an error where it is written, not a queue that nobody consumes.
task_create_missing_queues = False

# An order waits on the queue, where any free process finds it, never reserved by a process that is busy.
worker_prefetch_multiplier = 1

# "Nobody has taken it" and "it is running" are different answers to whoever asks for an order's state.
task_track_started = True

# When the broker's connection breaks, a late-acknowledged task runs on and is delivered again. Cancelling it instead
# would break orders off in the middle of being sent; running it twice is harmless, its client order id is the same.
worker_cancel_long_running_tasks_on_connection_loss = False

# A worker that starts before its broker waits for it.
broker_connection_retry_on_startup = True

# Results answer the API's polling; the lasting record of an order is at the exchange. Seconds.
result_expires = 3600


def transport_options(broker_url: str) -> dict[str, Any]:
    """Return the options of the broker's transport.

    Redis only: a message that is not acknowledged in `visibility_timeout` seconds is delivered again. It must exceed
    the longest a task may wait for its retry and run (30 s of back-off, 40 s of time limit), or a task would run twice
    at the same time; the shorter it is, the sooner the work of a host that died is taken up. Celery's default is an
    hour.
    """
    return {"visibility_timeout": 300} if broker_url.startswith(("redis", "sentinel", "unix")) else {}


def beat_schedule(exchanges: tuple[str, ...], seconds: float) -> Mapping[str, Mapping[str, Any]]:
    """Return what beat starts every `seconds`, for each exchange by itself: one that is down holds up no other.

    A run that nobody has taken when the next is due expires: when workers come back after an hour, one look is enough.
    """
    return {
        f"{name}-{exchange}": {
            "task": f"worker.tasks.positions.{task}",
            "schedule": seconds,
            "kwargs": {"exchange": exchange},
            "options": {"expires": seconds},
        }
        for name, task in (("reconcile", "reconcile"), ("sync-positions", "sync_all_positions"))
        for exchange in exchanges
    }
