"""`POST /api/test/sentry-error`: send one error on purpose, to see that it arrives."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Blueprint, request
from werkzeug.exceptions import NotFound

import monitoring
from flask_app.problems import ProblemError
from monitoring.settings import ENVIRONMENT_DEFAULTS

if TYPE_CHECKING:
    from monitoring import Settings


class SentryTestError(Exception):
    """Nothing is wrong: somebody asked for this error."""


def blueprint(settings: Settings) -> Blueprint:
    """Return the route. In production it does not exist, except for who knows `MONITORING_TEST_TOKEN`."""
    routes = Blueprint("sentry_test", __name__)

    @routes.post("/api/test/sentry-error")
    def send() -> tuple[dict[str, Any], int]:
        if not _allowed(settings, request.headers.get("Authorization", "")):
            raise NotFound
        event_id = _fail_and_report()
        if event_id is None:
            detail = "Nothing was sent: monitoring is off in this process, or a rule dropped the event."
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, kind="monitoring-off")
        return {"event_id": event_id}, HTTPStatus.ACCEPTED

    return routes


def _fail_and_report() -> str | None:
    """Return the event's id. In a function of its own: the event shows its frames' variables, and not the settings."""
    try:
        _fail()
    except SentryTestError as error:
        return monitoring.capture_exception(error)


def _fail() -> NoReturn:
    raise SentryTestError("a test error, asked for through the API")


def _allowed(settings: Settings, authorization: str) -> bool:
    # As in the settings, an environment without defaults of its own counts as production.
    if settings.environment in ENVIRONMENT_DEFAULTS.keys() - {"production"}:
        return True
    if settings.test_token is None:
        return False
    scheme, _, token = authorization.partition(" ")
    expected = settings.test_token.get_secret_value().encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), expected)
