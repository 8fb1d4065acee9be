"""An application that uses what Celery's command line offers its users: options, bootsteps, its own configuration."""

import os
from typing import Any

import click
from celery import Celery, bootsteps
from celery.signals import user_preload_options

import monitoring

app = Celery("started", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_pidfile = os.environ.get("STARTED_PIDFILE")
app.conf.worker_logfile = os.environ.get("STARTED_LOGFILE")
monitoring.init_sentry()

app.user_options["worker"].add(click.Option(["--metrics-port"], type=int, default=0, help="Where metrics are served."))
app.user_options["preload"].add(click.Option(["--config-name"], default="none", help="Which configuration to load."))


@user_preload_options.connect  # type: ignore[untyped-decorator]  # Celery publishes no types
def on_preload_options(options: dict[str, Any], **_: object) -> None:
    """Show what the application gets."""
    click.echo(f"preload {options}")


class Metrics(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery publishes no types
    """Show what the worker gets."""

    def __init__(self, parent: Any, metrics_port: int = 0, **options: Any) -> None:
        super().__init__(parent, **options)
        click.echo(f"metrics on {metrics_port} with concurrency {options['concurrency']}")


app.steps["worker"].add(Metrics)


@app.task(moves_money=True, slow_after=2.0, soft_time_limit=20, time_limit=30, acks_late=True)  # type: ignore[untyped-decorator]  # the same
def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number
