"""Routes on a Flask application of their own, publishing to a broker inside this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from celery._state import _tls
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_app import problems, tasks
from flask_app.trading_request import MOST_BYTES

Browse = Callable[..., FlaskClient]


def never_run(**_: object) -> None:
    """Be a task that is only published."""


@pytest.fixture
def publisher() -> Iterator[Celery]:
    """Make a Celery app whose broker and results live in this process."""
    before = getattr(_tls, "current_app", None)
    app = Celery("web", broker="memory://", backend="cache+memory://")
    # The broker is the whole process's: other tests publish to the queue that is everybody's default.
    app.conf.task_default_queue = "web"

    for name in ("place_order", "run_strategy"):
        # Shared, they would be registered again with the next test's app.
        app.task(never_run, name=name, shared=False)
    yield app
    app.close()
    _tls.current_app = before


@pytest.fixture
def browse(publisher: Celery) -> Browse:
    """Serve blueprints with the application's problem documents: `browse(orders.blueprint(task)).post(...)`."""

    def served(*routes: Blueprint, prepare: Callable[[Flask], object] | None = None) -> FlaskClient:
        app = Flask("web", static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
        problems.connect(app)
        for blueprint in (tasks.blueprint(publisher), *routes):
            app.register_blueprint(blueprint)
        if prepare is not None:
            prepare(app)
        return app.test_client()

    return served


@pytest.fixture
def published(publisher: Celery) -> Callable[[], list[dict[str, Any]]]:
    """Return the keyword arguments of every message on the queue, and take them off it."""

    def taken() -> list[dict[str, Any]]:
        with publisher.connection_for_read() as connection:
            queue = connection.SimpleQueue("web")
            found = []
            while queue.qsize():
                message = queue.get_nowait()
                message.ack()
                found.append(message.payload[1])
            queue.close()
        return found

    return taken
