"""Sentry hangs, refuses, limits, fails and comes back: tasks do not notice, and every error arrives once."""

import time
from dataclasses import dataclass

import pytest

from monitoring.delivery.transport import SET_ASIDE_SECONDS
from monitoring.local.faults import Faults
from tests.harness.polling import wait_until
from tests.harness.producer import Producer
from tests.harness.stage import Stage
from tests.harness.worker import Worker
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

CELERY_STOP_SECONDS = 16.0

pytestmark = [pytest.mark.unjudged("losses", reason="a failing Sentry is what these tests are about")]

FAULTS = {
    "hangs": HANGING,
    "resets": Faults(refuse=True),
    "answers 500": Faults(status=500),
    "answers 503": Faults(status=503, headers={"Retry-After": "1"}),
    "answers 429": Faults(status=429, headers={"Retry-After": "2"}),
    "limits errors": Faults(status=429, headers={"X-Sentry-Rate-Limits": "2:error:organization:quota"}),
}


@dataclass
class Scene:
    """One worker for all faults, one after the other."""

    stage: Stage
    worker: Worker
    producer: Producer


@pytest.fixture(scope="module")
def scene(module_stage: Stage) -> Scene:
    """Start what all tests share."""
    worker = module_stage.start_worker(concurrency=2, env={"MONITORING_SHUTDOWN_TIMEOUT": "1"})
    return Scene(module_stage, worker, module_stage.start_producer())


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_outlive_a_failing_sentry(fault: str, scene: Scene) -> None:
    """Whatever Sentry does instead of taking them, errors wait on disk, and arrive when it has recovered."""
    scene.stage.sentry.clear()
    scene.stage.sentry.faults = FAULTS[fault]
    names = [f"{fault}-{number}" for number in range(6)]
    fail(scene.worker, scene.producer, names)
    wait_spooled(scene.stage, len(names))
    time.sleep(0.5)  # let it be refused, too
    assert sum(bots(spooled(scene.stage)).values()) == len(names)
    scene.stage.sentry.faults = HEALTHY
    wait_received(scene.stage, names)


def test_what_sentry_refuses_for_good_is_set_aside_with_the_reason(scene: Scene) -> None:
    """413 is not tried again: the event, its reason and the count stay, and the next error is not held up."""
    stage = scene.stage
    stage.sentry.clear()
    stage.sentry.faults = Faults(status=413)
    fail(scene.worker, scene.producer, ["too-big"])
    wait_until(lambda: bots(spooled(stage, refused=True)).get("too-big"), "the refused event")
    stage.sentry.faults = HEALTHY
    fail(scene.worker, scene.producer, ["fits"])
    wait_received(stage, ["fits"])
    (reason,) = (stage.folder / "spool").glob("*/refused/*.reason")
    assert reason.read_text().startswith("413 ")
    assert oct(reason.stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGQUIT"])
def test_a_hanging_sentry_bounds_the_stop_and_keeps_what_is_left(stop: str, stage: Stage) -> None:
    """A warm or cold shutdown waits the time-out and not longer; the errors are there for the next worker."""
    stage.sentry.faults = HANGING
    worker = stage.start_worker(concurrency=2, env={"MONITORING_SHUTDOWN_TIMEOUT": "1.5"})
    producer = stage.start_producer()
    names = [f"bot-{number}" for number in range(10)]
    fail(worker, producer, names)
    wait_spooled(stage, len(names))
    # A failure's result is handed over in two writes, and a child that ends in between has Celery wait for the second
    # one for ever (`celery.concurrency.asynpool._flush_outqueue`). `test_torn_reports` has the midst of a report.
    active = worker.app.control.inspect(timeout=0.5).active
    wait_until(lambda: (told := active()) and not any(told.values()), "a worker that knows how its tasks ended")
    started = time.monotonic()
    worker.kill(stop)
    worker.wait()
    # The pool's processes end at the same time, then the main process: twice the time-out, and what Celery itself takes
    # (a second, or ten on a busy machine). `test_transport` holds one process to its time-out.
    assert time.monotonic() - started < 2 * (1.5 + SET_ASIDE_SECONDS) + CELERY_STOP_SECONDS
    # (A cold stop puts back what was not yet acknowledged: such a task may fail twice.)
    assert set(bots(spooled(stage))) == set(names)
    recover(stage)
    stage.start_worker(concurrency=1)
    wait_received(stage, names, again=True)
