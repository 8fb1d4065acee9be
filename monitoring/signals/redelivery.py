"""A task that is delivered again may have run before. For an order that is an alarm of its own.

With `acks_late`, a visibility time-out or `reject_on_worker_lost`, Celery runs a task again under the same id, without
any signal and with `retries` unchanged; the broker's `redelivered` flag is the only trace.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import redis
import sentry_sdk

from monitoring.context import TradingContext

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

_KEY: Final = "worker-monitoring:runs:{}"
_KEPT_SECONDS: Final = 7 * 24 * 3600
#: What the main process may wait for the count, in seconds, when money is delivered again, and only then.
_TIMEOUT: Final = 0.25


def tell_redelivery(task: Any, task_id: str) -> None:
    """Report that a task which moves money may have run before, and how often. The scope tells which one."""
    runs = _count_run(task.app, task_id)
    with sentry_sdk.new_scope() as own:
        own.fingerprint = ["redelivered", TradingContext.current().exchange or "", task.name]
        own.set_context("redelivery", {"runs": runs if runs is not None else "2 or more"})
        often = f"this is run {runs}" if runs is not None else "how often is unknown"
        sentry_sdk.capture_message(f"{task.name} was delivered again and may have run before: {often}", level="fatal")


def _count_run(app: Celery, task_id: str) -> int | None:
    """Count this run where all workers see it: in the broker, if that is Redis. None when it cannot say."""
    try:
        with app.connection_for_write() as connection:
            if connection.transport.driver_type != "redis":
                return None
            url = connection.as_uri(include_password=True)
        with redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT) as client:
            key = _KEY.format(task_id)
            # The first run was not counted: nobody knew yet that there would be another.
            runs = int(client.incr(key)) + 1
            client.expire(key, _KEPT_SECONDS)
            return runs
    except Exception:  # a broker that is down, or a kind of URL that only kombu reads: the alarm goes out
        logger.debug("could not count the runs of a redelivered task", exc_info=True)
        return None
