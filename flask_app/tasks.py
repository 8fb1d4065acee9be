"""`GET /api/tasks/<id>`: what became of a task."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from celery.states import EXCEPTION_STATES, READY_STATES
from flask import Blueprint

from flask_app.problems import ProblemError
from flask_app.publishing import RETRY_AFTER_SECONDS, UNREACHABLE
from monitoring.scrubbing import scrub_text

if TYPE_CHECKING:
    from celery import Celery

_MOST_TEXT: Final = 500


def blueprint(celery_app: Celery) -> Blueprint:
    """Return the route that reads results.

    An id that nobody has published, or whose result has expired, is PENDING like one that still waits: Celery's result
    backends cannot tell them apart.
    """
    routes = Blueprint("tasks", __name__)

    @routes.get("/api/tasks/<string(maxlength=200):task_id>")
    def show(task_id: str) -> dict[str, Any]:
        try:
            meta = celery_app.backend.get_task_meta(task_id)
        except UNREACHABLE as error:
            detail = "The result backend does not answer; the task itself is not affected."
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, detail, kind="results-unavailable", headers=headers
            ) from error
        return describe(task_id, meta)

    return routes


def describe(task_id: str, meta: dict[str, Any]) -> dict[str, Any]:
    """Tell a task by its id and what the result backend has stored."""
    state, outcome = meta["status"], meta["result"]
    told: dict[str, Any] = {"task_id": task_id, "state": state, "ready": state in READY_STATES}
    if state in EXCEPTION_STATES:
        told["error"] = {"type": type(outcome).__name__, "message": scrub_text(str(outcome))[:_MOST_TEXT]}
    elif state in READY_STATES:
        told["result"] = outcome
    return told
