"""The trading application on RabbitMQ: a named exchange, and a task with more to tell than a header can carry."""

# Celery publishes no types, and kombu none for its constructors:
# mypy: disable-error-code="untyped-decorator,no-untyped-call"

import time
from typing import NoReturn

from celery import Task
from kombu.entity import Exchange, Queue

import monitoring
from tests.apps.trading import REST, ExchangeError, app

__all__ = ["app"]

app.conf.broker_transport_options = {"confirm_publish": True}
app.conf.task_queues = [
    Queue("orders", Exchange("trading", type="topic"), routing_key="order.*"),
    Queue("celery", Exchange("celery"), routing_key="celery"),
]


@app.task(bind=True, max_retries=4)
def talkative(self: Task, bot_id: str = "") -> NoReturn:
    """Leave more in each attempt than fits, and fail five times."""
    attempt = self.request.retries + 1
    for number in range(30):
        monitoring.add_breadcrumb(f"attempt {attempt} crumb {number} " + "m" * 500, data={"text": "x" * 2000})
    raise self.retry(exc=ExchangeError(f"attempt {attempt} " + "timed out " * 10_000), countdown=REST)


@app.task(bind=True, acks_late=True)
def late(self: Task, bot_id: str = "", seconds: float = 0) -> str:
    """Take `seconds`, and be given back when the worker dies meanwhile."""
    if not (self.request.delivery_info or {}).get("redelivered"):
        time.sleep(seconds)
    return "done"
