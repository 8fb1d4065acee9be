"""Tell a trouble as an event, and its end as another in the same issue; and what was sampled as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sentry_sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitoring.vitals.troubles import Trouble

DEPTH: Final = "queue.depth"
UNACKNOWLEDGED: Final = "queue.unacknowledged"
WORKERS: Final = "worker.count"


def tell_trouble(trouble: Trouble) -> None:
    """Report a trouble that has begun."""
    _tell(trouble, trouble.words, "error", trouble.details)


def tell_end(trouble: Trouble, seconds: float) -> None:
    """Report that it is over, and how long it took."""
    _tell(trouble, f"{trouble.over} after {lasting(seconds)}", "info", {"lasted_s": round(seconds, 1)})


def tell_sample(depths: Mapping[str, int], unacknowledged: int | None, workers: int | None) -> None:
    """Report what one look at the broker has found."""
    for queue, depth in depths.items():
        sentry_sdk.metrics.gauge(DEPTH, depth, attributes={"queue": queue})
    for name, value in ((UNACKNOWLEDGED, unacknowledged), (WORKERS, workers)):
        if value is not None:
            sentry_sdk.metrics.gauge(name, value)


def _tell(trouble: Trouble, words: str, level: str, details: Mapping[str, object]) -> None:
    with sentry_sdk.isolation_scope() as scope:
        # Nothing that the main process gathered for all its tasks.
        scope.clear_breadcrumbs()
        for name, value in trouble.tags.items():
            scope.set_tag(name, value)
        scope.fingerprint = ["vitals", trouble.key]
        scope.set_context("vitals", dict(details))
        sentry_sdk.capture_message(words, level=level)  # type: ignore[arg-type]  # our two are of theirs


def lasting(seconds: float) -> str:
    """Return a length of time as one would say it."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
