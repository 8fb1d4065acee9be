"""The trading application with a hook of its own that takes its time over an error, and says when it has begun."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"

import time
from pathlib import Path
from typing import Any

import monitoring

#: In the worker's working directory.
BEGUN = Path("reporting")


def ponder(event: Any, _: Any) -> Any:
    """Take longer than a signal needs to come."""
    BEGUN.touch()
    time.sleep(1.0)
    return event


monitoring.init_sentry(before_send=ponder)

from tests.apps.trading import app  # noqa: E402  # it starts monitoring as well, and the first start counts


@app.task(name="tests.apps.quiet")
def quiet(bot_id: str) -> None:
    """Take a moment, and look at nothing of Sentry's."""
    time.sleep(0.05)


__all__ = ["app"]
