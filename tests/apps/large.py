"""The trading application with tasks that have more to tell than Sentry takes at once."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"

from typing import NoReturn

import sentry_sdk
from celery import Task

import monitoring
from tests.apps.trading import REST, ExchangeError, app

__all__ = ["app"]

#: Three bytes each as themselves, six as JSON escapes them.
LETTER = "价"


@app.task(bind=True)
def overflow(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", letter: str = LETTER) -> NoReturn:
    """Leave more than Sentry takes in breadcrumbs, a context, an attribute, variables and the error's own text."""
    book = f"{letter * 7} " * 10_000
    sentry_sdk.get_isolation_scope().set_attribute("book", book)
    sentry_sdk.set_context("book", {"bids": book})
    for number in range(100):
        monitoring.add_breadcrumb(f"{number} {book}")
    raise ExchangeError(book)


@app.task(bind=True)
def wordy(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Leave a hundred breadcrumbs that are too large in JSON's spelling alone."""
    for number in range(100):
        monitoring.add_breadcrumb(f"{number} " + "ж" * 2000)
    raise ExchangeError("no margin")


@app.task(bind=True)
def far_traced(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> None:
    """Open more and larger spans than a transaction may have."""
    for number in range(400):
        with sentry_sdk.start_span(op="exchange.fetch", name=f"{number} " + f"{LETTER * 7} " * 300):
            pass


@app.task(bind=True, max_retries=9)
def leave(self: Task, counts: list[int], bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Leave so many breadcrumbs in each attempt, then fail."""
    attempt = self.request.retries + 1
    for number in range(counts[attempt - 1]):
        monitoring.add_breadcrumb(f"{attempt}.{number}")
    error = ExchangeError(f"attempt {attempt} timed out")
    raise error if attempt == len(counts) else self.retry(exc=error, countdown=REST)
