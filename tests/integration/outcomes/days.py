"""Play every scenario once, each on its worker, and keep what Sentry received of it."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from celery.result import AsyncResult, GroupResult

from tests.harness.polling import wait_until
from tests.harness.sentry import Entry, attributed, attributes, tagged
from tests.harness.stage import Stage
from tests.integration.outcomes.promises import PROMISES, WORKERS, Promise
from tests.integration.outcomes.scenarios import ENDINGS, Scene, where_of

EVENTS_SECONDS = 30.0
#: The workers whose processes make a difference to how traces are sent; the others play in the static lifecycle only.
IN_BOTH_LIFECYCLES = ("life", "deaths")


@dataclass
class Day:
    """Hold what came of the scenarios, by worker."""

    lifecycle: str
    scenes: dict[str, Scene] = field(default_factory=dict)

    def events(self, promise: Promise, bot: str | None = None) -> list[Entry]:
        """Return a scenario's events, in order of time; those without a bot belong to who promises such."""
        sentry = self.scenes[promise.worker].stage.sentry
        found = sentry.events(tagged(bot_id=promise.name if bot is None else bot) if bot != "" else _of_nobody)
        return sorted(found, key=lambda event: event["timestamp"])

    def runs(self, promise: Promise, metric: str = "task.run_time") -> list[dict[str, Any]]:
        """Return the attributes and values of a scenario's metrics."""
        found = self.scenes[promise.worker].stage.sentry.metrics(metric, attributed(bot_id=promise.name))
        return [{**attributes(each), "value": each["value"], "unit": each["unit"]} for each in found]

    def traces(self, promise: Promise) -> list[dict[str, Any]]:
        """Return the tags of a scenario's traces with their status: attributes, in the stream lifecycle."""
        sentry = self.scenes[promise.worker].stage.sentry
        if self.lifecycle == "static":
            found = sentry.transactions(tagged(bot_id=promise.name))
            return [{**each["tags"], "trace_status": each["contexts"]["trace"]["status"]} for each in found]
        spans = sentry.spans(attributed(bot_id=promise.name, **{"sentry.op": "queue.task.celery"}))
        return [{**attributes(each), "trace_status": each["status"]} for each in spans]

    def task_id(self, promise: Promise) -> str | None:
        """Return the id of a scenario's task, if one id says it."""
        return self.scenes[promise.worker].ids.get(promise.name)

    def log(self, promise: Promise) -> str:
        """Return the log of a scenario's worker."""
        return self.scenes[promise.worker].worker.log


def _of_nobody(event: Entry) -> bool:
    return "bot_id" not in event["tags"]


def played(lifecycle: str) -> list[Promise]:
    """Return the scenarios of a lifecycle."""
    return [each for each in PROMISES if lifecycle == "static" or each.worker in IN_BOTH_LIFECYCLES]


def play(lifecycle: str, stage_of: Callable[[str], Stage]) -> Day:
    """Start every worker, play its scenarios, stop it; `stage_of` opens the stage of a worker."""
    day = Day(lifecycle)
    # A busy machine makes no slow tasks of these.
    env = {"MONITORING_TRACE_LIFECYCLE": lifecycle, "MONITORING_SLOW_TASK_SECONDS": "300"}
    wanted = {promise.worker for promise in played(lifecycle)}
    for name in (name for name in WORKERS if name in wanted):
        stage = stage_of(name)
        producer = stage.start_producer(env=env) if name in IN_BOTH_LIFECYCLES else None
        worker = stage.start_worker(app=ENDINGS, env=env, wait=False, **WORKERS[name])
        day.scenes[name] = Scene(stage, producer, worker)
    failed: list[str] = []
    threads = [
        threading.Thread(target=_play_one, args=(day.scenes[name], name, lifecycle, failed)) for name in day.scenes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, "\n".join(failed)
    return day


def _play_one(scene: Scene, name: str, lifecycle: str, failed: list[str]) -> None:
    """Play one worker's scenarios, beside those of the other workers."""
    promises = [promise for promise in played(lifecycle) if promise.worker == name]
    try:
        scene.worker.wait_ready()
        results = {promise.name: promise.scenario(scene, where_of(promise.name)) for promise in promises}
        wait_until(
            lambda: all(_ended(result) for result in results.values()),
            lambda: f"the end of {[bot for bot, result in results.items() if not _ended(result)]}\n{scene.worker.log}",
        )
        # A message that is no task has no result: its event is all that comes of it. What is missing, a test will say.
        with suppress(AssertionError):
            scene.stage.sentry.wait_for("event", sum(len(promise.reports) for promise in promises), EVENTS_SECONDS)
        failed += scene.stage.settle()
    except Exception as error:  # noqa: BLE001  # a thread's; the test that asked must see it
        failed.append(f"{name}: {error!r}\n{error}")


def _ended(result: AsyncResult | GroupResult | None) -> bool:
    if result is None:
        return True
    if isinstance(result, GroupResult):
        return bool(result.ready())
    if result.ready():
        return True
    # Nothing follows a link that has failed.
    return result.parent is not None and not isinstance(result.parent, GroupResult) and bool(result.parent.failed())
