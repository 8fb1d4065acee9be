"""What is on disk, and who has what: the sums of a test of delivery."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from monitoring.local.faults import Faults
from tests.harness.polling import wait_until
from tests.harness.producer import Producer
from tests.harness.stage import Stage
from tests.harness.worker import Worker

HANGING = Faults(hang=True)
HEALTHY = Faults()


def spooled(stage: Stage, kind: str = "event", *, refused: bool = False) -> list[dict[str, Any]]:
    """Return the payloads of a kind that wait on disk (or, `refused`, are set aside there), oldest first."""
    found = []
    for path in sorted(Path(stage.folder, "spool").glob("*/*/*.envelope")):
        if (path.parent.name == "refused") is refused and path.name.split(".")[1] == kind:
            try:
                lines = path.read_bytes().split(b"\n")
            except FileNotFoundError:
                continue
            found.append(json.loads(lines[2]))
    return found


def bots(events: list[dict[str, Any]]) -> Counter[str]:
    """Count failures (or transactions) by the bot that they are about; what else a worker tells does not count."""
    return Counter(
        event["tags"]["bot_id"]
        for event in events
        if event.get("type") == "transaction" or _class_of(event) == "ExchangeError"
        if "bot_id" in event.get("tags", {})
    )


def _class_of(event: dict[str, Any]) -> str | None:
    values = (event.get("exception") or {}).get("values") or [{}]
    name: str | None = values[-1].get("type")
    return name


def fail(worker: Worker, producer: Producer, names: list[str]) -> None:
    """Let a task fail for each bot, and wait until Celery knows that they have.

    Celery knows it before the event is made. Each has an exchange of its own, or they would be a flood of one trouble.
    """
    results = [
        producer.send(worker.task("fail").clone(kwargs={"bot_id": name, "exchange": f"of-{name}".replace(" ", "-")}))
        for name in names
    ]
    wait_until(
        lambda: all(result.state == "FAILURE" for result in results),
        lambda: f"the failure of all {len(names)} tasks: {Counter(result.state for result in results)}",
    )


def wait_spooled(stage: Stage, count: int) -> None:
    """Return when so many events wait on disk."""
    wait_until(
        lambda: sum(bots(spooled(stage)).values()) >= count,
        lambda: f"{count} spooled events, there are {bots(spooled(stage))}",
    )


def recover(stage: Stage) -> None:
    """Let a hanging Sentry recover, when it has read what the dead have sent: it must not take that after all."""
    time.sleep(0.5)
    stage.sentry.faults = HEALTHY


def wait_received(stage: Stage, names: list[str], *, again: bool = False) -> None:
    """Return when Sentry has each bot's event, exactly once, and nothing waits on disk any more.

    With `again` a task may have run twice: the broker delivers again what a killed worker has not acknowledged.
    """

    def received() -> bool:
        return set(bots(stage.sentry.events())) >= set(names) and not bots(spooled(stage))

    wait_until(
        received,
        lambda: (
            f"an event of each bot; missing {sorted(set(names) - set(bots(stage.sentry.events())))}, "
            f"on disk {bots(spooled(stage))}, lost {stage.sentry.lost()}"
        ),
    )
    ids = Counter(event["event_id"] for event in stage.sentry.events())
    assert [event_id for event_id, times in ids.items() if times > 1] == []
    if not again:
        assert bots(stage.sentry.events()) == Counter(names), bots(stage.sentry.events())
