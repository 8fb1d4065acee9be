"""A task's state is told as the result backend has it, without what should not leave."""

from typing import Any

import pytest
from celery import Celery, states
from celery.utils import uuid

from tests.unit.flask_app.conftest import Browse


class OrderRefusedError(Exception):
    """What a task fails with."""


@pytest.mark.parametrize(
    ("state", "outcome", "told"),
    [
        (states.SUCCESS, {"filled": "0.25"}, {"ready": True, "result": {"filled": "0.25"}}),
        (states.SUCCESS, None, {"ready": True, "result": None}),
        (states.STARTED, {"pid": 1}, {"ready": False}),
        (
            states.FAILURE,
            OrderRefusedError("no margin"),
            {"ready": True, "error": {"type": "OrderRefusedError", "message": "no margin"}},
        ),
        (
            states.RETRY,
            OrderRefusedError("busy"),
            {"ready": False, "error": {"type": "OrderRefusedError", "message": "busy"}},
        ),
    ],
)
def test_state_is_told(browse: Browse, publisher: Celery, state: str, outcome: Any, told: dict[str, Any]) -> None:
    """Tell state, readiness and either the result or the error; never both."""
    task_id = uuid()
    publisher.backend.store_result(task_id, outcome, state)
    answer = browse().get(f"/api/tasks/{task_id}")
    assert answer.status_code == 200
    assert answer.get_json() == {"task_id": task_id, "state": state, **told}


def test_secret_in_an_error_stays_inside(browse: Browse, publisher: Celery) -> None:
    """Scrub an error's text before it leaves, and bound it."""
    text = "login failed: api_key=AKx81LqQ0Zs9dM3vT7bN password=hunter2 " + "x" * 1000
    task_id = uuid()
    publisher.backend.store_result(task_id, OrderRefusedError(text), states.FAILURE)
    message = browse().get(f"/api/tasks/{task_id}").get_json()["error"]["message"]
    assert "AKx81LqQ0Zs9dM3vT7bN" not in message
    assert "hunter2" not in message
    assert len(message) <= 500


def test_endless_id_is_no_task(browse: Browse) -> None:
    """Answer 404 to an id that is longer than any."""
    assert browse().get("/api/tasks/" + "x" * 201).status_code == 404
