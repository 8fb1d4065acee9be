"""`GET /healthz`: the process answers. `GET /readyz`: so do the servers it needs."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint

from flask_app.problems import ProblemError
from flask_app.publishing import RETRY_AFTER_SECONDS
from monitoring.reachability import ask, connect_broker, read_result_backend

if TYPE_CHECKING:
    from celery import Celery

#: The longest that `/readyz` takes.
ASK_SECONDS: Final = 1.0


def blueprint(celery_app: Celery) -> Blueprint:
    """Return the routes that a load balancer or an orchestrator asks."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> dict[str, Any]:
        return {"status": "ok"}

    @routes.get("/readyz")
    def readyz() -> dict[str, Any]:
        answers = ask(
            {
                "broker": partial(connect_broker, celery_app, ASK_SECONDS),
                "result_backend": partial(read_result_backend, celery_app),
            },
            ASK_SECONDS,
        )
        checks = {name: "ok" if reason is None else reason for name, reason in answers.items()}
        if any(answers.values()):
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Orders cannot be taken now.",
                kind="not-ready",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
                checks=checks,
            )
        return {"status": "ready", "checks": checks}

    return routes
