"""What no signal tells, on real workers: queues, the dead, the stalled and the silent, each once, and when over."""

import re
from itertools import pairwise
from typing import Any

import pytest

from monitoring.vitals.board import Board
from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.sentry import Sentry, attributed
from tests.harness.stage import Stage

pytestmark = pytest.mark.outcomes

SPEED = {
    "MONITORING_VITALS_SECONDS": "0.25",
    "MONITORING_GONE_SECONDS": "3",
    "MONITORING_STALL_SECONDS": "1.5",
    "MONITORING_BOT_BUDGETS": "lazy=2,never-*=1,absent=2,quick=600",
}


def told(sentry: Sentry, key: str) -> list[dict[str, Any]]:
    """Return what was told of one trouble, in order; what comes twice under one id is one event, as at Sentry.

    (A worker that is killed when Sentry has taken its event, and before its file is removed, has it sent again.)
    """
    events = sentry.events(lambda event: event["fingerprint"] == ["vitals", key])
    return list({event["event_id"]: event for event in events}.values())


def wait_told(sentry: Sentry, key: str, times: int) -> None:
    """Return when a trouble was told so often."""
    wait_until(lambda: len(told(sentry, key)) >= times, lambda: f"{key} told {times} x\n{sentry.summary()}")


@pytest.fixture(scope="module")
def day(module_stage: Stage) -> tuple[Sentry, str]:
    """Let everything go wrong once, and recover."""
    sentry = module_stage.sentry
    watcher = module_stage.start_worker(queue="watched", concurrency=1, env=SPEED, wait=False)
    victim = module_stage.start_worker(
        app="tests.apps.hanging", queue="orders", pool="threads", concurrency=2, env=SPEED, wait=False
    )
    beat = module_stage.start_beat({"tick": {"task": "succeed", "seconds": 3600}}, env=SPEED)
    busy = module_stage.start_worker(queue="busy", pool="solo", concurrency=1, env=SPEED)
    watcher.wait_ready()
    victim.wait_ready()
    name = f"worker@{victim.process.id[:12]}"

    # Bots: one that is silent for a while, one that never succeeds and whose pattern names none, one that is quick.
    for bot in ("lazy", "quick"):
        watcher.task("succeed").delay(bot_id=bot).get(timeout=PATIENCE_SECONDS)
    # Depth: one runs, the rest waits in the lists of four priorities.
    for number in range(6):
        busy.task("sleepy").apply_async(kwargs={"seconds": 2.0}, priority=(0, 3, 6, 9)[number % 4])
    wait_told(sentry, "silent:lazy", 1)
    watcher.task("succeed").delay(bot_id="lazy").get(timeout=PATIENCE_SECONDS)
    wait_told(sentry, "silent:lazy", 2)
    # Stalled: the victim's loop hangs while orders come.
    victim.app.control.broadcast("hang", arguments={"seconds": 6}, destination=[name])
    for _ in range(3):
        victim.task("succeed").delay()
    wait_told(sentry, f"stalled:{name}", 2)
    # Gone: worker and beat are killed, and come back.
    victim.kill()
    beat.process.kill()
    wait_told(sentry, f"gone:{name}", 1)
    wait_told(sentry, "gone:beat", 1)
    victim.process.start()
    beat.process.start()
    wait_told(sentry, f"gone:{name}", 2)
    wait_told(sentry, "gone:beat", 2)
    # An end by intent is none of it.
    assert busy.stop() == 0
    wait_until(lambda: len(sentry.metrics("worker.count", lambda metric: metric["value"] == 2)) > 0, "two left")
    assert module_stage.settle() == []
    return sentry, name


def levels(sentry: Sentry, key: str) -> list[str]:
    """Return the levels of what was told of one trouble."""
    return [event["level"] for event in told(sentry, key)]


def test_a_killed_worker_is_told_once_and_when_it_is_back(day: tuple[Sentry, str]) -> None:
    """Tell a worker whose main process was killed: no signal fires for it, only its signs of life are missing."""
    sentry, name = day
    gone, back = told(sentry, f"gone:{name}")
    assert (gone["level"], back["level"]) == ("error", "info")
    assert gone["message"].startswith(f"Worker {name} is gone: no sign of life for ")
    assert back["message"].startswith(f"Worker {name} is back after ")
    assert gone["tags"]["worker"] == back["tags"]["worker"] == name
    assert gone["contexts"]["vitals"]["queues"] == ["orders"]


def test_a_stalled_worker_is_told_once_and_when_it_works_again(day: tuple[Sentry, str]) -> None:
    """Tell a worker that is alive, takes nothing, and whose queue grows."""
    sentry, name = day
    stalled, well = told(sentry, f"stalled:{name}")
    assert (stalled["level"], well["level"]) == ("error", "info")
    assert re.search(r"takes nothing: [1-3] in orders wait, and it has begun no task for \d+ s", stalled["message"])
    assert stalled["tags"]["queue"] == "orders"
    assert well["message"].startswith(f"Worker {name} takes tasks again after ")


def test_a_dead_beat_is_told_once_and_when_it_is_back(day: tuple[Sentry, str]) -> None:
    """Let the workers tell what a killed beat cannot."""
    sentry, _ = day
    # A third may follow: beat is stopped before the workers are.
    gone, back, *_ = told(sentry, "gone:beat")
    assert (gone["level"], back["level"]) == ("error", "info")
    assert "it was killed or hangs" in gone["message"]
    assert gone["tags"]["component"] == "beat"
    assert back["contexts"]["vitals"]["lasted_s"] > 2


def test_a_silent_bot_is_told_once_and_when_it_works_again(day: tuple[Sentry, str]) -> None:
    """Tell a bot that has had no successful task for longer than its own budget, under its own tag."""
    sentry, _ = day
    silent, well, *_ = told(sentry, "silent:lazy")
    assert (silent["level"], well["level"]) == ("error", "info")
    assert silent["tags"]["bot_id"] == well["tags"]["bot_id"] == "lazy"
    assert silent["message"].endswith("its budget is 2 s")
    assert levels(sentry, "silent:absent") == ["error"]
    assert not told(sentry, "silent:quick")


def test_nothing_else_is_told(day: tuple[Sentry, str]) -> None:
    """Tell nothing of workers that are busy or that end by intent."""
    sentry, name = day
    keys = {event["fingerprint"][1] for event in sentry.events(lambda event: event["fingerprint"][0] == "vitals")}
    assert keys == {f"gone:{name}", f"stalled:{name}", "gone:beat", "silent:lazy", "silent:absent"}


def test_every_priority_of_a_queue_counts(day: tuple[Sentry, str]) -> None:
    """Measure what waits in all of a Redis queue's lists, and what workers hold beside."""
    sentry, _ = day
    depths = [metric["value"] for metric in sentry.metrics("queue.depth", attributed(queue="busy"))]
    assert max(depths) == 5
    assert depths[-1] == 0
    assert max(metric["value"] for metric in sentry.metrics("queue.unacknowledged")) >= 1


def test_workers_are_counted(day: tuple[Sentry, str]) -> None:
    """Count the workers that are alive: three, then two, and none twice."""
    sentry, _ = day
    assert {metric["value"] for metric in sentry.metrics("worker.count")} >= {2, 3}


def test_one_worker_samples(day: tuple[Sentry, str]) -> None:
    """Sample once per interval, whatever the number of workers; a new election may cost or add one."""
    sentry, _ = day
    times = sorted(metric["timestamp"] for metric in sentry.metrics("worker.count"))
    apart = [after - before for before, after in pairwise(times)]
    assert sum(gap < 0.2 for gap in apart) <= 4


def test_one_token_holds_the_lease(stage: Stage) -> None:
    """Elect one of many, keep it while it renews, and pass on at once when it resigns, or when its time is up."""
    board = Board(stage.database.client)
    assert board.elect("a", 60)
    assert not board.elect("b", 60)
    assert board.elect("a", 60)
    board.resign("b")
    assert not board.elect("b", 60)
    board.resign("a")
    assert board.elect("b", 0.2)
    wait_until(lambda: board.elect("a", 60), "the lease's end")


def test_a_trouble_is_told_by_one(stage: Stage) -> None:
    """Let two that both believe to be elected tell a trouble, and its end, once."""
    board = Board(stage.database.client)
    assert [board.open("gone:w", 5.0), board.open("gone:w", 6.0)] == [True, False]
    assert board.read().open == {"gone:w": 5.0}
    assert [board.close("gone:w"), board.close("gone:w")] == [True, False]


def test_the_board_reads_what_was_written(stage: Stage) -> None:
    """Keep signs and successes by the server's clock; to be only seen never moves a success."""
    now = [100.0]
    board = Board(stage.database.client, clock=lambda: now[0])
    board.sign("w@1", {"queues": ["orders"]}, {"a"}, {"b"})
    now[0] = 200.0
    board.sign("w@2", {}, {"b"}, {"a", "c"})
    stage.database.client.hset("{monitoring}:vitals:1:nodes", "w@3", "soon {")
    known = board.read()
    assert known.now == 200.0
    assert [(node.name, node.at, node.queues) for node in known.nodes] == [
        ("w@1", 100.0, ("orders",)),
        ("w@2", 200.0, ()),
    ]
    assert known.bots == {"a": 100.0, "b": 200.0, "c": 200.0}
    assert all(stage.database.client.ttl(key) > 0 for key in stage.database.client.keys("*vitals*"))
