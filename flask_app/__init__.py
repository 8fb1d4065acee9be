"""The web side: an API that enqueues trading tasks and tells what became of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask

import monitoring
from flask_app import health, orders, problems, publishing, sentry_test, strategies, tasks
from flask_app.slow_requests import SlowRequests
from flask_app.trading_request import MOST_BYTES
from monitoring.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, *, clock: Callable[[], float] = time.monotonic) -> Flask:
    """Return the application, monitored as component `web`; without `settings` the environment is read.

    `clock` (monotonic, in seconds) is what slow requests are measured by. Raises `SettingsError` with every mistake.
    """
    known = Settings.from_env() if settings is None else settings
    monitoring.init_sentry(known, component="web")

    # Not above: importing the worker makes its Celery app, which must find monitoring running as `web`.
    from worker.celery import app as celery_app  # noqa: PLC0415
    from worker.tasks.orders import place_order  # noqa: PLC0415
    from worker.tasks.strategy import run_strategy  # noqa: PLC0415

    publishing.bound(celery_app)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    problems.connect(app)
    SlowRequests(known.slow_request_seconds, clock).connect(app)
    for routes in (
        orders.blueprint(place_order),
        strategies.blueprint(run_strategy),
        tasks.blueprint(celery_app),
        sentry_test.blueprint(known),
        health.blueprint(celery_app),
    ):
        app.register_blueprint(routes)
    return app
