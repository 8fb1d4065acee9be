"""One attempt of a task, in the process that runs it: from `task_prerun` to `task_postrun`.

The attempt's state lives on `task.request` and ends with it; nothing is kept by task id.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk

from monitoring.breadcrumbs import AttemptRecord, numbered
from monitoring.crons.periodic import Periodic  # noqa: TC001  # a dataclass's field
from monitoring.latency import MILLISECONDS, Clock, elapsed_ms, iso_time, rounded
from monitoring.scrubbing import scrub_text
from monitoring.signals import destination, sampling, tracing
from monitoring.signals.arguments import conceal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentry_sdk import Scope
    from sentry_sdk._types import Event, Hint
    from sentry_sdk.client import BaseClient

    from monitoring.breadcrumbs import Trail
    from monitoring.context import ArgumentNames
    from monitoring.signals.received import Received
    from monitoring.signals.sampling import Known
    from monitoring.signals.scopes import AttemptScopes
    from monitoring.signals.untouched import Untouched

#: Celery's final state -> the outcome we tell. None is a task that was torn down: by a limit, a signal or an exit.
OUTCOMES: Final = {
    "SUCCESS": "success",
    "RETRY": "retry",
    "FAILURE": "failure",
    "IGNORED": "ignored",
    "REJECTED": "rejected",
    None: "terminated",
}

#: Outcome -> the status of its trace. In Sentry's Queues view everything but `ok` counts as an error, and neither a
#: retry nor a task that chose to be ignored is one.
STATUSES: Final = {
    "success": "ok",
    "retry": "ok",
    "ignored": "ok",
    "failure": "internal_error",
    "time_limit": "deadline_exceeded",
    "worker_lost": "internal_error",
    "rejected": "aborted",
    "terminated": "aborted",
}

#: What a task that calls another one eagerly has said of itself alone.
_OF_THE_CALLER: Final = ("moves_money", "redelivered", "operation")

KEY: Final = "worker_monitoring_attempt"


def current_attempt(request: Any) -> Attempt | None:
    """Return the running attempt of a request, in the process that runs it."""
    found = request.__dict__.get(KEY)
    return found if isinstance(found, Attempt) else None


@dataclass(
    repr=False
)  # it would tell the task's arguments; no slots: what most attempts never set stays with the class
class Attempt:
    """Hold what one attempt knows of itself. `started_at` is monotonic, in seconds."""

    task: Any
    request: Any
    received: Received
    clock: Clock
    started_at: float
    #: What the caller of an eager task puts in the place of the message's own.
    parent_trace: Mapping[str, str] | None
    #: The names of the arguments that may leave, or None where all of them may.
    allowed: ArgumentNames | None
    handled_before: BaseException | None
    #: Its own, in force from its start to its end.
    scopes: AttemptScopes = field(init=False)
    #: What was known of its trace before any of it was built.
    known: Known | None = field(default=None, init=False)
    trace: tracing.Trace | None = field(default=None, init=False)
    #: Set for as long as it is sampled and nobody has looked at its scopes: then its trace need not be built.
    untouched: Untouched | None = field(default=None, init=False)
    ended_at: float | None = field(default=None, init=False)
    outcome: str | None = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    expected: bool = field(default=False, init=False)
    periodic: Periodic | None = field(default=None, init=False)

    def close(self) -> None:
        """Put back what was in force before; whoever looks later begins nothing."""
        scopes = self.scopes
        # They know their attempt, and would leave it to the garbage collector.
        del self.scopes
        scopes.close()
        if not self.unsampled:
            self.untouched = self.trace = None

    @property
    def client(self) -> BaseClient:
        """Return the client that was in force when it began."""
        return self.scopes.client

    @property
    def unsampled(self) -> bool:
        """Say that it was known beforehand that nobody samples its trace."""
        return self.known is not None and not self.known.sampled

    @property
    def unnoticed(self) -> bool:
        """Say that nothing is told of it but its end: unsampled, without an error, and nobody looked at its scopes."""
        return self.unsampled and self.outcome is None and self.periodic is None and self.scopes.untouched

    @property
    def trace_headers(self) -> dict[str, str]:
        """Return what says which trace the attempt continues."""
        return dict(self.parent_trace or sampling.headers_in(self.request.__dict__))

    def looked(self) -> None:
        """Have the trace that was put off, because somebody looks at the scopes."""
        self.begin_trace()

    def begin_trace(self) -> None:
        """Build the trace that was put off, as if it had been there from the start; nothing if none was."""
        if self.untouched is not None:
            self.untouched = None
            self.trace = self.traced(self.run_time())

    def traced(self, late_ms: float = 0.0) -> tracing.Trace | None:
        """Continue the attempt's trace with spans that began `late_ms` ago; None when it is not sampled."""
        request = self.request
        celery_job = {"task": self.task.name, "args": list(request.args or ()), "kwargs": request.kwargs}
        return tracing.begin(self.task.name, celery_job, self.process_data, late_ms)

    def process_data(self) -> dict[str, Any]:
        """Return what Sentry's Queues view reads from a `queue.process` span."""
        request, task = self.request, self.task
        embed = {name: getattr(request, name) for name in ("callbacks", "errbacks", "chain", "chord")}
        return {
            "messaging.message.id": request.id,
            "messaging.destination.name": self.received.queue,
            "messaging.message.retry.count": self.received.number - 1,
            "messaging.message.receive.latency": self.received.queue_wait,
            "messaging.message.body.size": destination.body_size(
                [request.args, request.kwargs, embed], task.serializer
            ),
            "messaging.system": destination.system(task.app),
        }

    def tags(self, words: Mapping[str, str]) -> dict[str, str]:
        """Return the words of what it received, and what is told by a tag alone."""
        tags = {**words, "celery_task_id": self.request.id}
        if getattr(self.task, "moves_money", False):
            tags["moves_money"] = "true"
        return tags

    def tell_isolation(self, scope: Scope) -> None:
        """Fill the isolation scope: whose work it is, and which trace it continues."""
        if self.request.is_eager:
            for key in _OF_THE_CALLER:
                scope.remove_tag(key)
                scope.remove_attribute(key)
        else:
            scope.clear_breadcrumbs()
        words = self.received.words().known()
        scope.set_attributes(words)  # type: ignore[arg-type]  # str is an AttributeValue; dict is invariant in it
        scope.set_tags(self.tags(words))
        scope.add_event_processor(self.describe)
        tracing.take_place(scope, self.known, self.trace_headers)

    def tell_current(self, scope: Scope) -> None:
        """Fill the current scope: it takes its place in the trace from the isolation scope."""
        tracing.join(scope, self.task.name)

    def run_time(self) -> float:
        """Return the milliseconds from the attempt's start to its end, or to now; reporting it takes no part."""
        ended = self.clock.monotonic() if self.ended_at is None else self.ended_at
        return elapsed_ms(self.started_at, ended) or 0.0

    def record(self, error: BaseException | None, retry_delay: float | None = None) -> AttemptRecord:
        """Tell this attempt as one line of the task's story; the error's text is scrubbed."""
        return AttemptRecord(
            attempt=self.received.number,
            worker=self.request.hostname,
            pid=os.getpid(),
            started_at=iso_time(self.received.started),
            queue_wait_ms=rounded(self.received.queue_wait),
            run_time_ms=rounded(self.run_time()),
            error_class=type(error).__name__ if error is not None else None,
            message=scrub_text(text_of(error)) if error is not None else None,
            retry_delay_s=rounded(retry_delay),
        )

    def describe(self, event: Event, _: Hint) -> Event:
        """Give an event the contexts `celery` and `attempts`, number its breadcrumbs, hide the task's arguments."""
        contexts = event.setdefault("contexts", {})
        contexts["celery"] = self.celery_context()
        if event.get("type") == "transaction":
            return event
        # The scope keeps the latest breadcrumbs of this attempt alone: a talkative one does not push out the others'.
        dropped = sentry_sdk.get_isolation_scope()._n_breadcrumbs_truncated  # noqa: SLF001  # no public reader for it
        trail = self.received.carried.trail.followed_by(self.record(self.error), dropped=dropped)
        contexts["attempts"] = trail.known()
        number_breadcrumbs(event, self.received.number, trail)
        if self.allowed is not None:
            conceal(event, self.task, self.request, self.allowed)
        return event

    def celery_context(self) -> dict[str, Any]:
        """Return the context `celery`, as far as it is known."""
        request = self.request
        context = {
            "id": request.id,
            "root_id": request.root_id,
            "parent_id": request.parent_id,
            "worker": request.hostname,
            "attempt": self.received.number,
            "max_retries": self.task.max_retries,
            "redelivered": self.received.redelivered,
            "eta": request.eta,
            "queue_wait_ms": rounded(self.received.queue_wait),
            "run_time_ms": rounded(self.run_time()),
            "end_to_end_ms": rounded(elapsed_ms(self.received.carried.first_published, self.clock.wall())),
        }
        return {name: value for name, value in context.items() if value is not None}


def number_breadcrumbs(event: Event, attempt: int, trail: Trail) -> None:
    """Add the breadcrumbs of the trail, give each the number of its attempt, and put them in that order.

    The order of time is another one when the clocks of two machines disagree.
    """
    crumbs = event.get("breadcrumbs")  # every event of the SDK's has some, maybe none in it; a check-in has not
    if isinstance(crumbs, dict):
        values = numbered([*trail.crumbs, *crumbs.get("values", [])], attempt)
        crumbs["values"] = sorted(values, key=lambda crumb: crumb["data"]["attempt"])


def outcome_of_teardown(attempt: Attempt, raised: BaseException) -> str:
    """Say how a task ends whose process is being taken away; the worker's main process knows more, and later.

    A signal makes billiard raise SystemExit with a code that a task's own `sys.exit` does not use.
    """
    limit = (attempt.request.timelimit or (None,))[0] or attempt.task.time_limit
    if limit is not None and attempt.run_time() >= limit * MILLISECONDS - _TIMER_SLACK_MS:
        return "time_limit"
    by_signal = isinstance(raised.code, int) and raised.code < _LOWEST_CODE if isinstance(raised, SystemExit) else True
    return "terminated" if by_signal else "worker_lost"


_LOWEST_CODE: Final = -128
#: gevent's timers look at a clock that was read a little earlier.
_TIMER_SLACK_MS: Final = 50


def text_of(error: BaseException) -> str:
    """Return an error's text, also when it cannot say it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # the application's own `__str__`, called on the way of reporting
        return f"<{type(error).__name__} without a text>"


def tell(scope: Any, values: Mapping[str, str | None]) -> None:
    """Write values as tags and as attributes: no item gets both."""
    for key, value in values.items():
        if value is not None:
            scope.set_tag(key, value)
            scope.set_attribute(key, value)
