"""Beat's receivers, on Celery's own scheduler."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, signals
from celery.beat import Scheduler, Service

from monitoring.crons.periodic import HEADER, Periodic
from monitoring.settings import Settings
from monitoring.signals.beat import Beat
from monitoring.signals.producer import Producer
from monitoring.signals.requests import HeldRequests


@pytest.fixture
def app() -> Celery:
    """Have two entries that are the same but for their names."""
    made = Celery("beaten", broker="memory://", set_as_current=False)
    entry = {"task": "trading.look", "schedule": 60.0, "last_run_at": datetime.now(UTC) - timedelta(seconds=61)}
    made.conf.beat_schedule = {"one": entry, "two": dict(entry)}
    return made


def test_the_entry_is_known_while_it_is_published(app: Celery) -> None:
    """Find the entry, as it was before this run, for entries that differ in name alone; and none for other messages."""
    settings = Settings(vitals=False)
    beat = Beat(settings, Producer(settings, HeldRequests()))
    service = Service(app, scheduler_cls=Scheduler)
    found: list[Any] = []

    def keep(headers: dict[str, Any], **_: object) -> None:
        found.append(headers.get(HEADER))

    beat.on_beat_init(service)
    signals.before_task_publish.connect(keep, weak=False)
    try:
        while service.scheduler.tick() == 0:
            pass
        app.send_task("trading.look")
    finally:
        signals.before_task_publish.disconnect(keep)
        beat.disconnect()
        service.scheduler.close()
    *published, other = found
    runs = [run for text in published if (run := Periodic.carried(text)) is not None]
    assert {run.entry for run in runs} == {"one", "two"}
    assert all(0 < datetime.now(UTC).timestamp() - run.due < 30 for run in runs)
    assert other is None


def test_an_exit_that_the_sdk_has_swallowed_is_made_up_for(app: Celery) -> None:
    """Stop beat when its schedule was closed by a signal whose SystemExit was lost inside of the SDK."""
    settings = Settings(vitals=False)
    beat = Beat(settings, Producer(settings, HeldRequests()))
    service = Service(app, scheduler_cls=Scheduler)
    beat.on_beat_init(service)
    try:
        service.sync()  # what Celery's handler of SIGTERM does before it raises
        with pytest.raises(SystemExit):
            service.scheduler.tick()
    finally:
        beat.disconnect()
        service.scheduler.close()
