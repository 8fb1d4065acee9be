"""A signal that ends a task or its process in the midst of a report: the report is whole all the same."""

import os
import signal

import pytest

from tests.harness.polling import wait_until
from tests.harness.stage import Stage
from tests.integration.delivery.spooled import wait_received

APP = "tests.apps.slow_report"
#: What its hook leaves where the worker runs.
BEGUN = "reporting"
BOT = {"bot_id": "bot-7", "exchange": "kraken"}


@pytest.mark.unjudged("losses", reason="a cold stop ends tasks")
@pytest.mark.parametrize("stop", ["SIGQUIT", "SIGTERM to the child"])
def test_an_error_that_is_being_told_survives_the_end_of_its_process(stop: str, stage: Stage) -> None:
    """The SDK takes whatever comes out of a hook for its own mistake: it would drop the event, and the end as well."""
    worker = stage.start_worker(app=APP, concurrency=1)
    worker.app.send_task("tests.apps.trading.fail", kwargs=BOT)
    wait_until((stage.folder / BEGUN).exists, "the begin of a report")
    if stop == "SIGQUIT":
        worker.kill("SIGQUIT")
        worker.wait()
    else:
        (child,) = worker.child_pids
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: child not in worker.child_pids, "the end of the child")
        worker.stop()
    stage.start_worker(concurrency=1)
    wait_received(stage, ["bot-7"], again=True)


def test_an_error_that_is_being_told_survives_a_soft_time_limit(stage: Stage) -> None:
    """It strikes later then: what it would have torn is not the task, which has failed already."""
    worker = stage.start_worker(app=APP, concurrency=1)
    stage.may_swallow = True  # Celery logs that a receiver raised: it is the limit, passed on
    result = worker.app.send_task("tests.apps.trading.fail", kwargs=BOT, soft_time_limit=0.5)
    wait_until(lambda: result.state == "FAILURE", "the failure")
    wait_received(stage, ["bot-7"])
    assert worker.stop() == 0


@pytest.mark.unjudged("losses", reason="its process ends before the worker has its result")
def test_a_warning_of_a_task_that_nobody_samples_survives_the_end_of_its_process(stage: Stage) -> None:
    """Most attempts end by a shorter way; what they report is no less whole for that, and their process does end."""
    worker = stage.start_worker(app=APP, concurrency=1, env={"MONITORING_SLOW_TASK_SECONDS": "0.01"})
    headers = {"sentry-trace": f"{'a' * 32}-{'b' * 16}-0"}
    worker.app.send_task("tests.apps.quiet", kwargs={"bot_id": "bot-7"}, headers=headers)
    wait_until((stage.folder / BEGUN).exists, "the begin of a report")
    (child,) = worker.child_pids
    os.kill(child, signal.SIGTERM)
    wait_until(lambda: child not in worker.child_pids, "the end of the child")
    worker.stop()
    stage.start_worker(concurrency=1)
    wait_until(lambda: slow_warnings(stage), "the warning")


def slow_warnings(stage: Stage) -> list[str]:
    """Return what Sentry has of tasks that were slow."""
    return [event["tags"]["bot_id"] for event in stage.sentry.events() if "slow_task" in event["contexts"]]
