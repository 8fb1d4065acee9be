"""A task that a web request runs itself, eagerly or as a function, leaves the request's own words alone."""

from celery import Celery
from flask import Flask

import monitoring
from tests.harness.sentry import Sentry
from tests.unit.core.conftest import Start


def test_a_task_called_in_a_request_leaves_the_requests_words_alone(sentry: Sentry, start: Start, app: Celery) -> None:
    """Tell what follows the call by the request's bot, not by the task's; and the task's own error by the task's."""

    @app.task(name="buy", moves_money=True, shared=False)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def buy(bot_id: str, exchange: str) -> None:
        monitoring.add_breadcrumb(f"asked {exchange} for {bot_id}")
        raise ValueError("no margin")

    start(component="web")
    web = Flask("web")

    @web.get("/")
    def view() -> str:
        monitoring.set_trading_context(bot_id="outer", exchange="kraken")
        buy.apply(kwargs={"bot_id": "inner", "exchange": "okx"})
        try:
            buy(bot_id="inner", exchange="okx")
        except ValueError:
            monitoring.capture_message("handled")
        return "done"

    assert web.test_client().get("/").text == "done"
    monitoring.flush()

    inner = sentry.one("event", lambda event: event["tags"].get("task") == "buy")
    assert (inner["tags"]["bot_id"], inner["tags"]["exchange"], inner["tags"]["outcome"]) == ("inner", "okx", "failure")
    outer = sentry.one("event", lambda event: "message" in event or "logentry" in event)
    assert (outer["tags"]["bot_id"], outer["tags"]["exchange"]) == ("outer", "kraken")
    assert not outer["tags"].keys() & {"task", "attempt", "outcome", "celery_task_id", "moves_money"}


def test_a_task_run_by_an_order_is_no_order(sentry: Sentry, start: Start, app: Celery) -> None:
    """Keep what a task that moves money says of itself from the tasks that it runs eagerly."""

    @app.task(name="fetch", shared=False)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def fetch() -> None:
        raise ValueError("no candles")

    @app.task(name="buy", moves_money=True, shared=False)  # type: ignore[untyped-decorator]  # the same
    def buy(bot_id: str) -> None:
        fetch.apply()
        raise ValueError(f"no margin for {bot_id}")

    start()
    buy.apply(kwargs={"bot_id": "outer"})
    monitoring.flush()

    inner = sentry.one("event", lambda event: event["tags"]["task"] == "fetch")
    outer = sentry.one("event", lambda event: event["tags"]["task"] == "buy")
    assert (inner["tags"]["bot_id"], "moves_money" in inner["tags"]) == ("outer", False)
    assert (outer["tags"]["bot_id"], outer["tags"]["moves_money"]) == ("outer", "true")
