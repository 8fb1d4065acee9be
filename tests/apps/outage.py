"""Tasks of bots whose exchange goes down and comes back; what is down is a file, so that the test decides."""

import os
from pathlib import Path

from celery import Celery

import monitoring

app = Celery("outage", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.broker_connection_retry_on_startup = True
monitoring.init_sentry()


@monitoring.track_trading_operation("fetch_ticker")
def fetch_ticker(bot_id: str, exchange: str) -> str:
    """Ask an exchange that is down while a file of its name exists."""
    if Path(exchange).exists():
        raise TimeoutError(f"{exchange} did not answer")
    return exchange


@app.task  # type: ignore[untyped-decorator]  # Celery publishes no types
def tick(bot_id: str, exchange: str) -> str:
    """Do what a bot does every minute."""
    return fetch_ticker(bot_id, exchange)


@app.task(moves_money=True)  # type: ignore[untyped-decorator]  # the same
def buy(bot_id: str, exchange: str) -> str:
    """Do what costs money."""
    return fetch_ticker(bot_id, exchange)
