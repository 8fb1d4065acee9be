"""What there is to know about a worker before it starts, gathered once."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from monitoring import sdk
from monitoring.reachability import ask, connect_broker, read_result_backend, report_nothing
from monitoring.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from celery import Celery

#: The longest that all questions together may take.
ASK_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Hold what matters about one task. Times in seconds, None for no limit."""

    name: str
    moves_money: bool
    slow_after: float | None
    soft_limit: float | None
    hard_limit: float | None
    acks_late: bool

    @property
    def limit(self) -> float | None:
        """Return the limit that ends the task first."""
        return min((limit for limit in (self.soft_limit, self.hard_limit) if limit), default=None)


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold everything that checks and screen look at; gathered once."""

    app: Celery
    options: Mapping[str, Any]
    settings: Settings | None
    mistakes: tuple[str, ...]
    pool: str
    tasks: tuple[TaskFacts, ...]
    broken_import: str | None
    #: Why broker, result backend and Sentry did not answer; None when they did.
    answers: Mapping[str, str | None]


def gather(app: Celery, options: Mapping[str, Any]) -> Facts:
    """Import the app's tasks, read the settings and ask everybody."""
    broken_import = None
    try:
        app.loader.import_default_modules()
        app.finalize()
    except Exception as error:  # noqa: BLE001  # a module of the application's may raise anything while it is imported
        frame = traceback.extract_tb(error.__traceback__)[-1]
        broken_import = f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
    mistakes: tuple[str, ...] = ()
    settings = sdk.started()
    if settings is None:
        try:
            settings = Settings.from_env()
        except SettingsError as error:
            mistakes = tuple(map(str, error.mistakes))
    questions: dict[str, Callable[[], object]] = {
        "broker": partial(connect_broker, app, ASK_SECONDS),
        "results": partial(read_result_backend, app),
    }
    if sdk.started() is not None:
        questions["sentry"] = partial(report_nothing, ASK_SECONDS)
    return Facts(
        app=app,
        options=options,
        settings=settings,
        mistakes=mistakes,
        pool=pool_name(options.get("pool")),
        tasks=() if broken_import else tuple(_tasks(app, options)),
        broken_import=broken_import,
        answers=ask(questions, ASK_SECONDS),
    )


def pool_name(pool: object) -> str:
    """Return Celery's name for a pool class: `celery.concurrency.thread` is `threads` on the command line."""
    module = str(getattr(pool, "__module__", pool)).rpartition(".")[2]
    return {"thread": "threads", "processes": "prefork"}.get(module, module)


def _tasks(app: Celery, options: Mapping[str, Any]) -> Iterator[TaskFacts]:
    for name, task in sorted(app.tasks.items()):
        if not name.startswith("celery."):
            yield TaskFacts(
                name=name,
                moves_money=bool(getattr(task, "moves_money", False)),
                slow_after=getattr(task, "slow_after", None),
                soft_limit=task.soft_time_limit or options.get("soft_time_limit"),
                hard_limit=task.time_limit or options.get("time_limit"),
                acks_late=bool(task.acks_late),
            )
