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

#: How long one step (connecting, writing, reading an answer) may wait for a server. Seconds.
STEP_SECONDS: Final = 1.0
RETRY_AFTER_SECONDS: Final = 5

#: What publishing and reading results raise without their servers: kombu's error, and redis-py's from the backend.
UNREACHABLE: Final = (OperationalError, RedisError, OSError)

#: Publishing also subscribes to the result, so that its publisher can wait for it. Nobody waits in a web server, and
#: with the result backend away the subscription alone takes 20 s. Celery skips it for results that are ignored; the
#: header, which is what the worker reads, has it stored all the same.
_STORED_NOT_AWAITED: Final[dict[str, Any]] = {"ignore_result": True, "headers": {"ignore_result": False}}


def bound(app: Celery) -> None:
    """Make the app of this process give up soon: after two steps at most, where the defaults may wait for ever.

    For a process that only publishes. A worker in the same process would be cut off from its broker while it is idle.
    """
    conf = app.conf
    conf.broker_connection_timeout = STEP_SECONDS
    conf.task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
    if str(conf.broker_url).startswith(("redis", "rediss", "sentinel")):
        bounds = {"socket_timeout": STEP_SECONDS, "socket_connect_timeout": STEP_SECONDS}
        conf.broker_transport_options = {**(conf.broker_transport_options or {}), **bounds}
    conf.redis_socket_timeout = conf.redis_socket_connect_timeout = STEP_SECONDS


def accepted(task: Task, arguments: dict[str, Any]) -> Response:
    """Publish a task and answer 202 with where to ask for it, or raise the 503 problem when the broker is away."""
    try:
        task_id: str = task.apply_async(kwargs=arguments, **_STORED_NOT_AWAITED).id
    except UNREACHABLE as error:
        raise unavailable(monitoring.capture_exception(error, task_name=task.name)) from error
    where = url_for("tasks.show", task_id=task_id)
    response = jsonify(task_id=task_id, status_url=where, state="PENDING")
    response.status = HTTPStatus.ACCEPTED
    response.headers["Location"] = where
    return response


def unavailable(event_id: str | None) -> ProblemError:
    """Return the problem of a broker that does not answer; without an event when the filter waits for more of them."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The message broker does not answer, so it is not known whether the task was enqueued. "
        "An order with an Idempotency-Key (or a client_order_id) is safe to send again: it is placed once.",
        kind="broker-unavailable",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        **({"event_id": event_id} if event_id else {}),
    )
