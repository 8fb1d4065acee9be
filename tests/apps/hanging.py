"""The trading application with a remote control command that blocks the worker's main loop, as a deadlock would."""

import time
from typing import Any

from celery.worker.control import control_command

from tests.apps.trading import app

__all__ = ["app"]


@control_command(args=[("seconds", float)])  # type: ignore[untyped-decorator]  # Celery publishes no types
def hang(_: Any, seconds: float) -> dict[str, str]:
    """Take nothing from the broker for so long, and live on."""
    time.sleep(seconds)
    return {"ok": "awake"}
