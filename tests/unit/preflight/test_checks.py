"""Each check of the preflight finds what it is for, and keeps quiet otherwise."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery._state import _tls
from celery.concurrency import ALIASES

from monitoring import Settings
from monitoring.preflight import Level, checks, examine
from monitoring.preflight.facts import Facts, TaskFacts, pool_name

BUY = TaskFacts("buy", moves_money=True, slow_after=2.0, soft_limit=20.0, hard_limit=30.0, acks_late=True)


@pytest.fixture
def app() -> Iterator[Celery]:
    """Make a Celery app that is never connected."""
    before = getattr(_tls, "current_app", None)
    made = Celery("bots", broker="redis://127.0.0.1:1/0")
    yield made
    made.close()
    _tls.current_app = before


def _facts(app: Celery, **changed: Any) -> Facts:
    usual: dict[str, Any] = {
        "options": {},
        "settings": Settings(dsn=None),
        "mistakes": (),
        "pool": "prefork",
        "tasks": (BUY,),
        "broken_import": None,
        "answers": {"broker": None, "results": None},
    }
    return Facts(app=app, **{**usual, **changed})


def _task(**changed: Any) -> TaskFacts:
    usual = {field: getattr(BUY, field) for field in TaskFacts.__dataclass_fields__}
    return TaskFacts(**{**usual, **changed})


def _findings(facts: Facts) -> list[tuple[Level, str]]:
    found = [finding for check in checks.CHECKS for finding in check(facts)]
    return [(finding.level, f"{finding.subject}: {finding.text}") for finding in found]


OFF = (Level.NOTE, "monitoring: off, because SENTRY_DSN is not set: the worker runs as if the package were not there")

NOT_STARTED = (
    "monitoring: SENTRY_DSN is set, but monitoring was not started: "
    "add `import monitoring; monitoring.init_sentry()` where the Celery app is made"
)
NO_LIMIT = (
    "tasks: no time limit on buy-0, buy-1, buy-2 and 2 more: "
    "an exchange that never answers would hold a worker process for good"
)


def test_sound_worker_has_nothing_but_a_note(app: Celery) -> None:
    """Find nothing wrong with a worker whose tasks are limited and whose servers answer."""
    assert _findings(_facts(app)) == [OFF]


@pytest.mark.parametrize(
    ("changed", "level", "text"),
    [
        (
            {"settings": None, "mistakes": ("A must be b, got 'c'", "D is not a setting, got '***'")},
            Level.REFUSED,
            "settings: A must be b, got 'c'",
        ),
        (
            {"settings": Settings(dsn="https://k@sentry.example/1")},
            Level.REFUSED,
            NOT_STARTED,
        ),
        (
            {"settings": Settings(dsn="https://k@sentry.example/1", enabled=False)},
            Level.NOTE,
            "monitoring: off, because SENTRY_ENABLED is false: the worker runs as if the package were not there",
        ),
        (
            {"broken_import": "ImportError: no (x.py:3)", "tasks": ()},
            Level.REFUSED,
            "tasks: importing the tasks failed: ImportError: no (x.py:3)",
        ),
        (
            {"answers": {"broker": "refused", "results": None}},
            Level.REFUSED,
            "broker: the message broker cannot be reached: refused",
        ),
        (
            {"answers": {"broker": None, "results": "refused"}},
            Level.REFUSED,
            "results: the result backend cannot be reached: refused",
        ),
        (
            {"answers": {"sentry": "HTTP 403"}},
            Level.WARNING,
            "sentry: Sentry takes nothing (HTTP 403); the worker runs, and what it reports meanwhile may be lost",
        ),
        ({"pool": "threads"}, Level.WARNING, "pool: threads ignores the soft and hard time limit of buy"),
        ({"pool": "gevent"}, Level.WARNING, "pool: gevent ignores the soft time limit of buy"),
        (
            {"tasks": tuple(_task(name=f"buy-{n}", soft_limit=None, hard_limit=None) for n in range(5))},
            Level.WARNING,
            NO_LIMIT,
        ),
        (
            {"tasks": (_task(slow_after=20.0),)},
            Level.WARNING,
            "tasks: buy would be told slow after 20 s, but is ended after 20 s",
        ),
        (
            {"tasks": (_task(hard_limit=3600.0),)},
            Level.WARNING,
            "broker: visibility_timeout is 3600 s, and buy may run that long: then it runs twice at once",
        ),
    ],
)
def test_check_finds_what_it_is_for(app: Celery, changed: dict[str, Any], level: Level, text: str) -> None:
    """Say what is wrong, how bad it is, and what to do."""
    assert (level, text) in _findings(_facts(app, **changed))


def test_all_mistakes_in_the_settings_are_found(app: Celery) -> None:
    """Tell every mistake, not the first."""
    found = _findings(_facts(app, settings=None, mistakes=("A is wrong", "B is wrong")))
    assert found == [(Level.REFUSED, "settings: A is wrong"), (Level.REFUSED, "settings: B is wrong")]


def test_visibility_counts_only_where_there_is_one(app: Celery) -> None:
    """Keep quiet about brokers that redeliver when a connection ends, not when a clock says so."""
    app.conf.broker_url = "amqp://127.0.0.1"
    assert _findings(_facts(app, tasks=(_task(hard_limit=3600.0),))) == [OFF]


def test_worker_without_an_app_is_refused_at_once() -> None:
    """Refuse Celery's default app before anything is asked: nobody has configured it."""
    report = examine(Celery("default", set_as_current=False), {})
    assert report.refused
    assert report.facts is None


@pytest.mark.parametrize("name", ["prefork", "threads", "solo", "gevent", "eventlet"])
def test_pool_is_named_as_on_the_command_line(name: str) -> None:
    """Know every pool of Celery's by the name that its users write, and what it means."""
    module = ALIASES[name].partition(":")[0]
    assert pool_name(type("TaskPool", (), {"__module__": module})) == name
    assert name in checks.POOLS
