"""An application under Sentry's own Celery integration: what another team's service sends, and no work of ours."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"

import os
import subprocess
import sys
from typing import NoReturn

import sentry_sdk
from celery import Celery
from celery.signals import task_prerun
from sentry_sdk.integrations.celery import CeleryIntegration

app = Celery("stock")
app.conf.update(
    broker_url=os.environ["CELERY_BROKER_URL"],
    result_backend=os.environ["CELERY_RESULT_BACKEND"],
    broker_connection_retry_on_startup=True,
)
sentry_sdk.init(
    os.environ.get("SENTRY_DSN"),
    traces_sample_rate=1.0,
    spotlight=False,
    include_local_variables=False,
    integrations=[CeleryIntegration()],
)


@app.task
def succeed() -> int:
    """End well, counted by a metric; tell the process id."""
    sentry_sdk.metrics.count("stock.runs", 1)
    return os.getpid()


@app.task
def fail() -> NoReturn:
    """End with an error."""
    raise ValueError("no margin")


@app.task
def shell() -> int:
    """Leave a program running behind the worker's back."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL).pid


@task_prerun.connect(weak=False)
def break_a_receiver(task_id: str, **_: object) -> None:
    """Raise when asked to: Celery logs it and goes on."""
    if task_id.startswith("break"):
        raise RuntimeError("a receiver's fault")
