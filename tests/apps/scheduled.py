"""The trading application with the schedule that a test gives; see `tests.harness.beat`."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import crontab

from tests.apps.trading import app

app.conf.timezone = "Europe/Berlin"


def entry(task: str, ago: float = 0, seconds: float = 60, cron: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an entry of Celery's schedule; its last run may be long ago, so that it is due, late or missed now."""
    return {
        "task": f"tests.apps.trading.{task}",
        "schedule": crontab.from_string(cron) if cron is not None else seconds,
        "last_run_at": datetime.now(UTC) - timedelta(seconds=ago),
        **more,
    }


app.conf.beat_schedule = {
    name: entry(**given) for name, given in json.loads(os.environ.get("TEST_BEAT_SCHEDULE", "{}")).items()
}
