"""Processes are killed between a failure and its upload: no error is lost, none comes twice."""

import pytest

from tests.harness.stage import Stage
from tests.integration.delivery.spooled import (
    HANGING,
    HEALTHY,
    bots,
    fail,
    recover,
    spooled,
    wait_received,
    wait_spooled,
)

pytestmark = [
    pytest.mark.unjudged("losses", reason="what a killed process had in memory is lost, and only errors are promised"),
]


def test_a_killed_child_leaves_its_errors_to_the_main_process(stage: Stage) -> None:
    """Children are killed after a failure and before its upload: the worker goes on, and sends what they have left."""
    stage.sentry.faults = HANGING
    worker, producer = stage.start_worker(concurrency=2), stage.start_producer()
    names = [f"bot-{number}" for number in range(8)]
    fail(worker, producer, names)
    wait_spooled(stage, len(names))
    assert bots(spooled(stage)) == dict.fromkeys(names, 1)
    for child in worker.children:
        child.kill()
    recover(stage)
    wait_received(stage, names, again=True)
    assert worker.running


def test_a_second_worker_takes_over_from_a_killed_one(stage: Stage) -> None:
    """SIGKILL for the whole tree, as when a host's memory runs out; the next worker sends what is left, once."""
    stage.sentry.faults = HANGING
    worker, producer = stage.start_worker(concurrency=2), stage.start_producer()
    names = [f"bot-{number}" for number in range(8)]
    fail(worker, producer, names)
    wait_spooled(stage, len(names))
    worker.kill()
    assert bots(spooled(stage)) == dict.fromkeys(names, 1)
    recover(stage)
    stage.start_worker(concurrency=1)
    wait_received(stage, names, again=True)


def test_two_workers_do_not_take_over_from_the_living(stage: Stage) -> None:
    """What a living process still tries to send is nobody else's."""
    stage.sentry.faults = HANGING
    first, producer = stage.start_worker(concurrency=1, queue="first"), stage.start_producer()
    second = stage.start_worker(concurrency=1, queue="second", options=["--hostname", "second@%h"])
    fail(first, producer, ["bot-1", "bot-2"])
    fail(second, producer, ["bot-3", "bot-4"])
    stage.sentry.faults = HEALTHY
    wait_received(stage, ["bot-1", "bot-2", "bot-3", "bot-4"])
