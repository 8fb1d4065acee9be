"""Publish tasks within a bounded time: a request never hangs because the broker does."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Response, jsonify, url_for
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

import monitoring
from flask_app.problems import ProblemError

if TYPE_CHECKING:
    from celery import Celery, Task

#: How long one step (connecting, writing, subscribing to the result) may wait for the servers. Seconds.
STEP_SECONDS: Final = 1.0
RETRY_AFTER_SECONDS: Final = 5

#: What publishing raises without its servers: kombu's error, redis-py's, or, from Celery's result backend, a bare
#: RuntimeError ("Retry limit exceeded").
UNREACHABLE: Final = (OperationalError, RedisError, OSError, RuntimeError)


def bound(app: Celery) -> None:
    """Make the app of this process give up soon: about three steps, where Celery's defaults take 20 s or for ever.

    For a process that only publishes. A worker in the same process would be cut off from its broker while it is idle.
    """
    conf = app.conf
    conf.broker_connection_timeout = STEP_SECONDS
    conf.task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
    if str(conf.broker_url).startswith(("redis", "rediss", "sentinel")):
        bounds = {"socket_timeout": STEP_SECONDS, "socket_connect_timeout": STEP_SECONDS}
        conf.broker_transport_options = {**(conf.broker_transport_options or {}), **bounds}
    # Publishing also subscribes to the result's channel.
    conf.redis_socket_timeout = conf.redis_socket_connect_timeout = STEP_SECONDS
    conf.result_backend_transport_options = {
        **(conf.result_backend_transport_options or {}),
        "retry_policy": {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0},
    }


def accepted(task: Task, arguments: dict[str, Any]) -> Response:
    """Publish a task and answer 202 with where to ask for it, or raise the 503 problem when the broker is away."""
    try:
        task_id: str = task.apply_async(kwargs=arguments).id
    except UNREACHABLE as error:
        event_id = monitoring.capture_exception(error, task_name=task.name)
        raise unavailable(event_id) from error
    where = url_for("tasks.show", task_id=task_id)
    response = jsonify(task_id=task_id, status_url=where, state="PENDING")
    response.status = HTTPStatus.ACCEPTED
    response.headers["Location"] = where
    return response


def unavailable(event_id: str | None) -> ProblemError:
    """Return the problem of servers that do not answer."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The message broker or the result backend does not answer, so it is not known whether the task was enqueued. "
        "An order with an Idempotency-Key (or a client_order_id) is safe to send again: it is placed once.",
        kind="broker-unavailable",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        **({"event_id": event_id} if event_id else {}),
    )
