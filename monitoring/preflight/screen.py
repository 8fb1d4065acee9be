"""Show on one screen what is monitored; what was found wrong goes to stderr."""

from __future__ import annotations

import os
import platform
import textwrap
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import celery
import sentry_sdk
from sentry_sdk.utils import Dsn

from monitoring.preflight.checks import POOLS, Level
from monitoring.settings import masked_url
from monitoring.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from monitoring.preflight import Report
    from monitoring.preflight.facts import Facts, TaskFacts
    from monitoring.settings import Settings

WIDTH: Final = 100
_LABEL: Final = 13
_MOST_TASKS: Final = 20

_COLOURS: Final[Mapping[Level, str]] = {Level.NOTE: "cyan", Level.WARNING: "yellow", Level.REFUSED: "red"}


def show(report: Report, terminal: Any) -> None:
    """Print a report on Celery's CLI context, which colours on a terminal only; `--quiet` leaves the warnings."""
    if report.facts is not None and not terminal.quiet:
        lines = chain(_head(), _overview(report.facts), _tasks(report.facts.tasks))
        terminal.echo("\n".join(("", *_styled(lines, terminal), "")))
    for finding in report.findings:
        if finding.level is not Level.NOTE or not terminal.quiet:
            # One line each, however long: these are searched for in logs.
            line = f"preflight: {finding.level.value}: {finding.subject}: {finding.text}"
            terminal.error(terminal.style(line, fg=_COLOURS[finding.level]))
    if report.refused:
        terminal.error(terminal.style("preflight: the worker was not started", fg="red", bold=True))


def _styled(lines: Iterable[tuple[str | None, str]], terminal: Any) -> Iterator[str]:
    """Lay the lines out; one with a label, even an empty one, has its text in the second column."""
    for label, text in lines:
        first = "" if label is None else terminal.style(label.ljust(_LABEL), bold=True)
        yield f"  {first}{text}".rstrip()


def _head() -> Iterator[tuple[str | None, str]]:
    versions = f"celery {celery.__version__}, sentry-sdk {sentry_sdk.VERSION}, Python {platform.python_version()}"
    yield None, f"worker-monitoring {__version__} ({versions})"
    yield None, ""


def _overview(facts: Facts) -> Iterator[tuple[str | None, str]]:
    yield "app", str(facts.app.main)
    if facts.settings is not None:
        yield from _monitoring(facts.settings, facts)
    yield "broker", _answered(_urls(facts.app.conf.broker_url), facts, "broker")
    yield "results", _answered(_urls(facts.app.conf.result_backend), facts, "results")
    yield from _wrapped("queues", ", ".join(_queues(facts)))
    yield "pool", f"{facts.pool}, {_size(facts)}"
    if facts.pool in POOLS:
        yield from _wrapped("", POOLS[facts.pool])


def _monitoring(settings: Settings, facts: Facts) -> Iterator[tuple[str | None, str]]:
    if not settings.active or "sentry" not in facts.answers or settings.dsn is None:
        yield "monitoring", "off"
        return
    # Scope has no public reader for tags.
    component = sentry_sdk.get_global_scope()._tags.get("component")  # noqa: SLF001
    release = f"release {settings.release}" if settings.release else "no release (APP_VERSION is not set)"
    yield "monitoring", f"on: {component} in {settings.environment}, {release}"
    dsn = Dsn(settings.dsn.get_secret_value())
    where = f"{dsn.netloc}{dsn.path.rstrip('/')}, project {dsn.project_id}"
    yield "Sentry", _answered(where, facts, "sentry")
    metrics = "all tasks" if settings.metrics else "off"
    excluded = f" but {', '.join(settings.metrics_exclude)}" if settings.metrics and settings.metrics_exclude else ""
    traces = f"traces {settings.traces_sample_rate:.4g} ({settings.trace_lifecycle})"
    slow = f"slow after {settings.slow_task_seconds:g} s"
    yield from _wrapped("sends", f"errors {settings.sample_rate:.4g}, {traces}, metrics of {metrics}{excluded}; {slow}")


def _answered(what: str, facts: Facts, subject: str) -> str:
    return f"{what} - {'answers' if facts.answers[subject] is None else 'DOES NOT ANSWER'}"


def _size(facts: Facts) -> str:
    if facts.pool == "solo":
        return "one task at a time"
    if autoscale := facts.options.get("autoscale"):
        return "{1} to {0} tasks at a time".format(*autoscale)
    concurrency = facts.options.get("concurrency")
    return f"{concurrency} tasks at a time" if concurrency else f"{os.cpu_count()} tasks at a time, one per CPU"


def _urls(value: object) -> str:
    urls = value if isinstance(value, list | tuple) else str(value or "none").split(";")
    return "; ".join(masked_url(str(url)) for url in urls)


def _queues(facts: Facts) -> list[str]:
    chosen = facts.options.get("queues") or list(facts.app.amqp.queues)
    excluded = facts.options.get("exclude_queues") or ()
    return [queue for queue in chosen if queue not in excluded]


def _wrapped(label: str, text: str) -> Iterator[tuple[str | None, str]]:
    for number, line in enumerate(textwrap.wrap(text, WIDTH - _LABEL - 2, break_long_words=False) or [""]):
        yield (label if number == 0 else ""), line


def _tasks(tasks: tuple[TaskFacts, ...]) -> Iterator[tuple[str | None, str]]:
    if not tasks:
        return
    # Tasks that somebody has thought about go first when there are too many.
    told = sorted(tasks, key=lambda task: not (task.moves_money or task.slow_after or task.limit))[:_MOST_TASKS]
    rows = [
        ("tasks", "money", "slow after", "time limit", "acknowledged"),
        *map(_row, sorted(told, key=lambda task: task.name)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    yield None, ""
    for row in rows:
        yield None, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    if len(tasks) > len(told):
        yield None, f"and {len(tasks) - len(told)} more"


def _row(task: TaskFacts) -> tuple[str, ...]:
    limits = " / ".join(f"{limit:g} s" for limit in (task.soft_limit, task.hard_limit) if limit)
    return (
        task.name,
        "moves" if task.moves_money else "",
        f"{task.slow_after:g} s" if task.slow_after else "",
        limits,
        "late" if task.acks_late else "early",
    )
