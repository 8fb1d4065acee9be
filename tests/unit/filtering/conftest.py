"""Events and filters as production has them: pytest is not to be noticed."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from monitoring.filtering import POLICY, EventFilter, without

PRODUCTION = without(POLICY, "under_pytest")

Ask = Callable[..., Any]


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time it was told last."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """Return a clock of the test's own."""
    return Clock()


@pytest.fixture
def event_filter() -> EventFilter:
    """Return a filter with the whole policy, as outside of pytest."""
    return EventFilter(PRODUCTION)


@pytest.fixture
def event() -> Callable[..., Any]:
    """Make events as the SDK hands them to `before_send`: tags given as keywords, a request if `web`."""
    numbers = itertools.count()

    def make(
        *, web: bool = False, celery: dict[str, Any] | None = None, environment: str = "production", **tags: str
    ) -> dict[str, Any]:
        made: dict[str, Any] = {"event_id": f"e{next(numbers)}", "level": "error", "environment": environment}
        made["tags"] = dict(tags)
        if web:
            made["request"] = {"url": "http://bots.example/api/trading/orders", "method": "POST"}
        if celery is not None:
            made["contexts"] = {"celery": celery}
        return made

    return make


@pytest.fixture
def hint() -> Callable[[BaseException], dict[str, Any]]:
    """Make a hint as the SDK does, for an error that was really raised."""

    def make(error: BaseException) -> dict[str, Any]:
        try:
            raise error  # noqa: TRY301  # an error that was never raised has no traceback
        except BaseException as raised:  # noqa: BLE001  # any kind is made here
            return {"exc_info": (type(raised), raised, raised.__traceback__)}

    return make
