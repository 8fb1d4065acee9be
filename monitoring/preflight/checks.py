"""The checks, each from the facts to findings; `CHECKS` is the whole policy.

What keeps the worker from doing its work refuses the start. A Sentry that does not answer only warns: monitoring does
no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from monitoring import sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from monitoring.preflight.facts import Facts

ONE_LINE: Final = "import monitoring; monitoring.init_sentry()"


class Level(Enum):
    """Order what a finding does: it informs, warns, or keeps the worker from starting."""

    NOTE = "note"
    WARNING = "warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """Say one thing about the start: about what, how bad, and what to do."""

    level: Level
    subject: str
    text: str


def settings_are_usable(facts: Facts) -> Iterator[Finding]:
    """Refuse settings that cannot be used, every mistake at once."""
    for mistake in facts.mistakes:
        yield Finding(Level.REFUSED, "settings", mistake)


def tasks_can_be_imported(facts: Facts) -> Iterator[Finding]:
    """Refuse an app whose task modules do not import."""
    if facts.broken_import:
        yield Finding(Level.REFUSED, "tasks", f"importing the tasks failed: {facts.broken_import}")


def monitoring_was_started(facts: Facts) -> Iterator[Finding]:
    """Refuse a worker that is to be monitored and whose app has never started monitoring."""
    if facts.settings is None or sdk.started() is not None:
        return
    if facts.settings.active:
        text = f"SENTRY_DSN is set, but monitoring was not started: add `{ONE_LINE}` where the Celery app is made"
        yield Finding(Level.REFUSED, "monitoring", text)
    else:
        reason = "SENTRY_DSN is not set" if facts.settings.dsn is None else "SENTRY_ENABLED is false"
        yield Finding(
            Level.NOTE, "monitoring", f"off, because {reason}: the worker runs as if the package were not there"
        )


def everybody_answers(facts: Facts) -> Iterator[Finding]:
    """Refuse a worker without its broker or its result backend; warn when Sentry is silent."""
    for subject, reason in facts.answers.items():
        if reason is not None:
            level, text = _SILENCE[subject]
            yield Finding(level, subject, text.format(reason))


_SILENCE: Final = {
    "broker": (Level.REFUSED, "the message broker cannot be reached: {}"),
    "results": (Level.REFUSED, "the result backend cannot be reached: {}"),
    "sentry": (Level.WARNING, "Sentry takes nothing ({}); the worker runs, and what it reports meanwhile may be lost"),
}

#: What each pool means for monitoring.
POOLS: Final[Mapping[str, str]] = {
    "prefork": "killed processes and hard time limits are seen by the parent and told by task",
    "threads": "time limits are not enforced; a killed process takes all its tasks with it, untold",
    "solo": "one task at a time in the worker's own process: no time limits, and who kills it kills the worker",
    "gevent": "hard time limits only; code that does not yield holds up every task and every upload",
    "eventlet": "time limits are not enforced; code that does not yield holds up every task and every upload",
}
#: The limits that a pool accepts and ignores (celery/concurrency), as fields of `TaskFacts`.
_IGNORED: Final[Mapping[str, tuple[str, ...]]] = {
    "threads": ("soft_limit", "hard_limit"),
    "solo": ("soft_limit", "hard_limit"),
    "gevent": ("soft_limit",),
    "eventlet": ("soft_limit", "hard_limit"),
}


def time_limits_are_enforced(facts: Facts) -> Iterator[Finding]:
    """Warn of time limits that the pool ignores."""
    ignored = _IGNORED.get(facts.pool, ())
    if names := [task.name for task in facts.tasks if any(getattr(task, limit) for limit in ignored)]:
        kinds = " and ".join(limit.removesuffix("_limit") for limit in ignored)
        yield Finding(Level.WARNING, "pool", f"{facts.pool} ignores the {kinds} time limit of {_listed(names)}")


def money_has_a_time_limit(facts: Facts) -> Iterator[Finding]:
    """Warn of a task that moves money and may hang for ever."""
    if names := [task.name for task in facts.tasks if task.moves_money and task.limit is None]:
        yield Finding(
            Level.WARNING,
            "tasks",
            f"no time limit on {_listed(names)}: an exchange that never answers would hold a worker process for good",
        )


def slow_is_below_the_limit(facts: Facts) -> Iterator[Finding]:
    """Warn of a `slow_after` that a time limit always precedes."""
    for task in facts.tasks:
        if task.slow_after and task.limit and task.slow_after >= task.limit:
            text = f"{task.name} would be told slow after {task.slow_after:g} s, but is ended after {task.limit:g} s"
            yield Finding(Level.WARNING, "tasks", text)


def nothing_is_delivered_twice(facts: Facts) -> Iterator[Finding]:
    """Warn when Redis gives a message out again while its task may still be running."""
    if not str(facts.app.conf.broker_url or "").startswith(("redis", "rediss", "sentinel")):
        return
    # kombu's default, in seconds; counted from the delivery of a message that is acknowledged late.
    visible = (facts.app.conf.broker_transport_options or {}).get("visibility_timeout", 3600)
    late = [
        task.name for task in facts.tasks if task.acks_late and (task.hard_limit or task.soft_limit or 0) >= visible
    ]
    if late:
        text = f"visibility_timeout is {visible:g} s, and {_listed(late)} may run that long: then it runs twice at once"
        yield Finding(Level.WARNING, "broker", text)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"  # noqa: PLR2004  # the three shown


CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    settings_are_usable,
    tasks_can_be_imported,
    monitoring_was_started,
    everybody_answers,
    time_limits_are_enforced,
    money_has_a_time_limit,
    slow_is_below_the_limit,
    nothing_is_delivered_twice,
)
