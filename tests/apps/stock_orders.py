"""The README's task under Sentry's own Celery integration: no answer first, then killed by the kernel."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"

import os
import signal

import sentry_sdk
from celery import Celery, Task

app = Celery("trading", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
sentry_sdk.init(os.environ["SENTRY_DSN"], traces_sample_rate=1.0, environment="production")


@app.task(bind=True, acks_late=True, max_retries=4)
def place_order(self: Task, bot_id: str, exchange: str, symbol: str, side: str, amount: str) -> None:  # noqa: PLR0913, PLR0917  # an order has this many parts
    """Leave a breadcrumb, then fail as the README tells."""
    sentry_sdk.add_breadcrumb(message=f"{side} {amount} {symbol}", category="exchange.order")
    if self.request.retries == 0:
        raise self.retry(exc=TimeoutError("binance did not answer within 10 s"), countdown=1)
    os.kill(os.getpid(), signal.SIGKILL)
