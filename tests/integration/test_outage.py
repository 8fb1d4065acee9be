"""An exchange goes down and comes back, under real workers on two hosts: what the operator is told, and how often."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.polling import wait_until
from tests.harness.sentry import Sentry, attributes
from tests.harness.server import Server
from tests.harness.stage import Stage
from tests.harness.worker import Worker

APP = "tests.apps.outage"
OUTAGES = "{monitoring}:persistence:1:outages"
UNTRACED = {"SENTRY_TRACES_SAMPLE_RATE": "0"}
# A build machine may be slower than a network; what happens to the impatient is the second test's.
PATIENT = {**UNTRACED, "MONITORING_REDIS_TIMEOUT": "5"}


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """Run a server that the test may kill."""
    (tmp_path / "mortal").mkdir()
    running = Server(tmp_path / "mortal")
    yield running
    running.process.kill()
    running.process.reap()


def _run(stage: Stage, worker: Worker, name: str, tasks: range, exchange: str = "kraken") -> None:
    """Run these tasks, each for one of thirty bots, and come back when all have ended."""
    before = len(_ended(stage))
    for number in tasks:
        worker.task(name).delay(f"bot-{number % 30}", exchange)
    wait_until(lambda: len(_ended(stage)) >= before + len(tasks), lambda: f"{name}: {len(_ended(stage))}")


def _ended(stage: Stage) -> list[bytes | str]:
    return stage.database.client.keys("celery-task-meta-*")


def _suppressed(sentry: Sentry) -> Counter[str]:
    """Sum the metric by rule."""
    found: Counter[str] = Counter()
    for metric in sentry.metrics("monitoring.suppressed"):
        found[attributes(metric)["rule"]] += int(metric["value"])
    return found


def _let_pass(stage: Stage, seconds: float) -> None:
    """Let time pass since the outage: the window goes by the server's clock, which nobody can turn."""
    for digest, text in stage.database.client.hgetall(OUTAGES).items():
        outage = json.loads(text)
        outage["last_seen"] -= seconds
        outage["first_seen"] -= seconds + 3600
        stage.database.client.hset(OUTAGES, digest, json.dumps(outage))


def _kinds(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["tags"].get("error_kind", "none") for event in events)


def test_five_hundred_timeouts_on_two_hosts_are_one_event_and_one_recovery(stage: Stage) -> None:
    """One event at the fifth task, every one of an order, every suppression counted, and recovery told once."""
    down = stage.folder / "kraken"
    down.touch()
    first = stage.start_worker(app=APP, concurrency=4, env=PATIENT, wait=False)
    other = ("--hostname", "other@%h")
    second = stage.start_worker(app=APP, concurrency=4, env=PATIENT, options=other, wait=False)
    first.wait_ready()
    second.wait_ready()
    _run(stage, first, "tick", range(500))
    _run(stage, first, "buy", range(20))
    (outage,) = (json.loads(text) for text in stage.database.client.hvals(OUTAGES))
    assert (outage["total"], len(outage["bots"])) == (500, 20)

    down.unlink()
    _let_pass(stage, 60)
    _run(stage, first, "tick", range(80))
    assert stage.database.client.hlen(OUTAGES) == 0
    _run(stage, first, "tick", range(20))
    assert stage.settle() == []

    assert _kinds(stage.sentry.events()) == {"api_timeout": 2, "order_state_unknown": 20}
    told, recovered = stage.sentry.events(lambda event: event["tags"]["error_kind"] == "api_timeout")
    assert (told["level"], told["tags"]["exchange"], told["tags"]["persistent"]) == ("error", "kraken", "true")
    assert (told["contexts"]["persistence"]["count"], len(told["contexts"]["persistence"]["affected_bots"])) == (5, 5)
    assert recovered["message"].startswith("Recovered: kraken fetch_ticker works again after 60.")
    assert recovered["message"].endswith("min (500 tasks failed: api_timeout)")
    assert (recovered["level"], recovered["tags"]["recovered"]) == ("info", "true")
    # It is news of the exchange, not of the bot that happened to be first.
    assert {"bot_id", "celery_task_id", "attempt"}.isdisjoint(recovered["tags"])
    assert "celery" not in recovered["contexts"]
    assert {event["level"] for event in stage.sentry.events() if "fetch_ticker" not in event.get("message", "")} == {
        "error",
        "fatal",
    }
    assert sum(_suppressed(stage.sentry).values()) == 499
    assert set(_suppressed(stage.sentry)) == {"not_persistent", "told_already"}
    # Every process sums up in its log what it has not told.
    summed = re.findall(r"suppressed (\d+) events that are noise", first.log + second.log)
    assert sum(map(int, summed)) == 499


def test_no_task_waits_when_the_server_that_counts_dies(stage: Stage, mortal: Server) -> None:
    """Redis is killed in the middle of an outage: each process goes on counting by itself, at once; nothing is lost."""
    (stage.folder / "okx").touch()
    env = {**UNTRACED, "MONITORING_REDIS_URL": mortal.url(0)}
    worker = stage.start_worker(app=APP, concurrency=4, env=env)
    _run(stage, worker, "tick", range(50), "okx")
    mortal.process.kill()
    started = time.monotonic()
    _run(stage, worker, "tick", range(100), "okx")
    # A hundred failures of which each waited for a dead server would take longer than all of them together.
    assert time.monotonic() - started < 30
    _run(stage, worker, "buy", range(5), "okx")
    assert stage.settle() == []
    kinds = _kinds(stage.sentry.events())
    assert kinds["order_state_unknown"] == 5
    # One while all counted together, and one of each process that had to count alone.
    assert 2 <= kinds["api_timeout"] <= 5
    assert kinds["api_timeout"] + sum(_suppressed(stage.sentry).values()) == 150
