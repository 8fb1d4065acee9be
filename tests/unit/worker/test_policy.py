"""The policy of retries: waits that grow, are spread by chance, and never end before the attempt has."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import Retry

from worker.errors import RequestTimeout
from worker.tasks.policy import MONEY, READS


@pytest.fixture
def app() -> Iterator[Celery]:
    """Make an application whose messages stay in this process's memory."""
    with Celery("policy", broker="memory://", set_as_current=False) as app:
        yield app


def failing(app: Celery, policy: dict[str, Any]) -> Task:
    """Make a task that always finds the exchange silent."""

    @app.task(bind=True, name="policy.fail", shared=False, **policy)  # type: ignore[untyped-decorator]  # Celery types no decorators
    def fail(_task: Task) -> None:
        raise RequestTimeout("no answer")

    task: Task = app.tasks[fail.name]
    return task


def waits(task: Task, retries: int) -> set[float]:
    """Retry a task a hundred times at the same attempt; return how long each retry would wait, in seconds."""
    found = set()
    for number in range(100):
        task.push_request(id=f"id-{number}", retries=retries, called_directly=False, args=(), kwargs={})
        try:
            with pytest.raises(Retry) as retry:
                task.run()
            found.add(retry.value.when)
        finally:
            task.pop_request()
    return found


@pytest.mark.parametrize("policy", [READS, MONEY], ids=["reads", "money"])
def test_a_retry_never_starts_at_once(app: Celery, policy: dict[str, Any]) -> None:
    """Wait a second at least: a repetition that ends first would have its result overwritten by RETRY, for ever."""
    task = failing(app, policy)
    assert waits(task, retries=0) == {1}
    assert waits(task, retries=2) == {1, 2, 3, 4}


def test_a_retry_that_names_its_wait_is_held_to_the_same(app: Celery) -> None:
    """Lift a countdown of 0, leave a longer one alone, and leave an ETA to who asked for it."""
    task = failing(app, READS)
    task.push_request(id="id", retries=0, called_directly=False, args=(), kwargs={})
    try:
        assert task.retry(countdown=0, throw=False).when == 1
        assert task.retry(countdown=7, throw=False).when == 7
        assert task.retry(throw=False).when == task.default_retry_delay
    finally:
        task.pop_request()
