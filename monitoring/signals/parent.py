"""What only the worker's main process sees: tasks killed, timed out hard, revoked, expired, unknown or unreadable.

No task's scope is open here, so everything is taken from the signal and from the worker's own `Request`, which holds
the message's headers and arguments. Each report has a scope of its own, and each (task id, attempt) is told once.
"""

from __future__ import annotations

import re
import signal
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sentry_sdk
from celery.exceptions import Reject, TimeLimitExceeded
from sentry_sdk.utils import event_from_exception

from monitoring.crons import periodic
from monitoring.latency import Clock, elapsed_ms
from monitoring.signals import destination, message
from monitoring.signals.attempt import RUN_TIME, carried_by, context_of, current_attempt, rounded, tell
from monitoring.signals.requests import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitoring.context import ArgumentNames
    from monitoring.settings import Settings
    from monitoring.signals.requests import HeldRequests, Told


@dataclass(frozen=True, slots=True)
class End:
    """Tell how a task ended: its outcome, and the cause in plain words."""

    outcome: str
    cause: str


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Parent:
    """Receive the signals of the worker's main process."""

    settings: Settings
    names: ArgumentNames
    held: HeldRequests
    told: Told
    clock: Clock = field(default_factory=Clock)
    _told_pids: deque[int] = field(default_factory=lambda: deque(maxlen=1000))

    def on_task_failure(
        self, *, sender: Any, task_id: str, exception: BaseException, requeued: bool = False, **_: object
    ) -> None:
        """Report a task whose own process could not: a hard time limit, a lost worker.

        A task that rejects its message was told by its own process, and meant it.
        """
        if current_attempt(sender.request) is not None or isinstance(exception, Reject):
            return
        seen = self.held.seen(task_id, sender.request)
        if seen.pid is not None:
            self._told_pids.append(seen.pid)
        if not self.told.first(seen.task_id, seen.retries):
            return
        end = end_of(exception)
        with self._scope(sender, seen, end.outcome, requeued=requeued):
            event, hint = event_from_exception(
                exception,
                client_options=sentry_sdk.get_client().options,
                mechanism={"type": "celery", "handled": False},
            )
            # Celery's own text names a job number of the pool, which would split the group with each kill.
            event["exception"]["values"][-1]["value"] = end.cause
            sentry_sdk.capture_event(event, hint=hint)
            self._count(seen)

    def on_task_revoked(self, *, sender: Any, request: Any, terminated: bool, expired: bool, **kw: Any) -> None:
        """Count a task that was revoked, terminated or had expired: no bug; but money not moved is worth a warning."""
        seen = self.held.seen(request.id, request)
        if not self.told.first(seen.task_id, seen.retries):
            return
        outcome = "expired" if expired else "terminated" if terminated else "revoked"
        cause = {
            "expired": "expired before it started: a stale signal was not traded",
            "revoked": "was revoked before it started",
            "terminated": f"was terminated while it ran ({signal_name(kw.get('signum'))})",
        }[outcome]
        with self._scope(sender, seen, outcome):
            if getattr(sender, "moves_money", False):
                sentry_sdk.capture_message(f"{sender.name} {cause}", level="warning")
            self._count(seen)

    def on_task_retry(self, *, sender: Any, request: Any, reason: Any = None, **_: object) -> None:
        """Count a retry that the main process decided: after a lost worker, or for a cold shutdown."""
        if current_attempt(request) is not None:
            return
        seen = self.held.seen(request.id, request)
        if not self.told.first(seen.task_id, seen.retries):
            return
        with self._scope(sender, seen, "retry" if reason is not None else "terminated"):
            if reason is None:
                sentry_sdk.capture_message(f"{sender.name} was cut off by a cold shutdown", level="warning")
            self._count(seen)

    def on_task_internal_error(self, *, sender: Any, task_id: str, exception: BaseException, **kw: Any) -> None:
        """Report a task that failed outside of its body, before it began or after its end: nobody else does."""
        request = kw.get("request") or {}
        seen = Seen(task_id, request, kw.get("args"), kw.get("kwargs"), request.get("delivery_info"))
        if not self.told.first(task_id, seen.retries):
            return
        with self._scope(sender, seen, "failure"):
            sentry_sdk.capture_exception(exception)
            self._count(seen)

    def on_task_unknown(self, *, message: Any, name: str, id: str, **_: object) -> None:  # noqa: A002  # Celery's name
        """Report a message for a task that this worker does not have. The body stays here."""
        with self._message_scope(message, "unknown_task") as scope:
            tell(scope, {"task": name})
            scope.set_tag("celery_task_id", id)
            sentry_sdk.capture_message(f"Received a message for an unregistered task: {name}", level="error")
            self._count(None)

    def on_task_rejected(self, *, message: Any, exc: BaseException | None = None, **_: object) -> None:
        """Report a message that is no task, or in a format that this worker refuses. The body stays here."""
        self.on_unreadable(message, f"{type(exc).__name__}" if exc is not None else "it is no task message")

    def on_unreadable(self, received: Any | None, why: str) -> None:
        """Report a message that Celery only logs, with its queue and without its body."""
        with self._message_scope(received, "invalid_message"):
            sentry_sdk.capture_message(f"Received a message that cannot be run: {why}", level="error")
            self._count(None)

    def on_lost_and_requeued(self, job: int, error: BaseException) -> None:
        """Report a lost worker whose message goes back on the queue (`reject_on_worker_lost`); `job` is the pool's."""
        request = self.held.of_job(job)
        if request is not None:
            self.on_task_failure(sender=request.task, task_id=request.id, exception=error, requeued=True)

    def is_told_process(self, pid: int) -> bool:
        """Say whether the exit of a pool process is, or will be, told with the task that it ran."""
        return pid in self._told_pids or self.held.may_run_in(pid)

    @contextmanager
    def _scope(self, task: Any, seen: Seen, outcome: str, *, requeued: bool = False) -> Iterator[None]:
        """Open a scope that tells one task, and nothing that the main process gathered for all of them."""
        carried = carried_by(seen.headers)
        with sentry_sdk.isolation_scope() as scope:
            _forget_ambient(scope)
            for crumb in carried.trail.crumbs:
                scope.add_breadcrumb(crumb)
            kwargs = seen.kwargs if isinstance(seen.kwargs, dict) else {}
            args = seen.args if isinstance(seen.args, list | tuple) else ()
            found = context_of(self.names, task, args, kwargs)
            found.over(carried.context).bind(scope)
            queue = destination.received_from(task.app, seen.delivery_info)
            tell(scope, {"task": task.name, "queue": queue, "attempt": str(seen.retries + 1), "outcome": outcome})
            scope.set_tag("celery_task_id", seen.task_id)
            if getattr(task, "moves_money", False):
                scope.set_tag("moves_money", "true")
            scope.set_transaction_name(task.name, source="task")
            trace = {key: seen.headers.get(key) for key in ("sentry-trace", "baggage")}
            scope.generate_propagation_context({key: value for key, value in trace.items() if isinstance(value, str)})
            scope.set_context("celery", self._celery_context(task, seen, carried))
            if records := [record.known() for record in carried.trail.records]:
                scope.set_context("attempts", {"records": records})
            yield
            if not requeued:
                _end_periodic(seen, outcome)

    @contextmanager
    def _message_scope(self, received: Any, outcome: str) -> Iterator[Any]:
        with sentry_sdk.isolation_scope() as scope:
            _forget_ambient(scope)
            tell(scope, {"outcome": outcome})
            if received is not None:
                tell(scope, {"queue": (received.delivery_info or {}).get("routing_key")})
                carried_by(received.headers if isinstance(received.headers, dict) else {}).context.bind(scope)
                scope.set_context("message", {"content_type": received.content_type, "size": len(received.body or "")})
            yield scope

    def _celery_context(self, task: Any, seen: Seen, carried: message.Carried) -> dict[str, Any]:
        context = {
            "id": seen.task_id,
            "root_id": seen.headers.get("root_id"),
            "parent_id": seen.headers.get("parent_id"),
            "worker": seen.worker,
            "pid": seen.pid,
            "attempt": seen.retries + 1,
            "max_retries": task.max_retries,
            "redelivered": bool((seen.delivery_info or {}).get("redelivered")),
            "eta": seen.headers.get("eta"),
            "run_time_ms": rounded(self._run_time(seen)),
            "end_to_end_ms": rounded(elapsed_ms(carried.first_published, self.clock.wall())),
        }
        return {name: value for name, value in context.items() if value is not None}

    def _run_time(self, seen: Seen | None) -> float | None:
        return elapsed_ms(seen.time_start, self.clock.wall()) if seen is not None else None

    def _count(self, seen: Seen | None) -> None:
        """Count this end as every other: the run time is what the main process saw of it, 0 if it never started."""
        if self.settings.metrics:
            sentry_sdk.metrics.distribution(RUN_TIME, self._run_time(seen) or 0.0, unit="millisecond")


def _end_periodic(seen: Seen, outcome: str) -> None:
    """Check in a run of beat's schedule that its own process could not."""
    text = message.header(seen.headers, periodic.HEADER)
    if text is not None and (run := periodic.Periodic.carried(text)) is not None:
        run.end(outcome)


def end_of(error: BaseException) -> End:
    """Say in plain words what an error of the worker's main process means."""
    if isinstance(error, TimeLimitExceeded):
        return End("time_limit", f"ran into its hard time limit of {error.args[0]:g} s and was killed")
    text = str(error)
    if killed := re.search(r"signal (\d+)", text):
        number = int(killed[1])
        hint = "; without anybody sending it, that is the kernel out of memory" if number == signal.SIGKILL else ""
        return End("worker_lost", f"the process that ran it was killed by {signal_name(number)}{hint}")
    if left := re.search(r"exitcode (-?\d+)", text):
        return End("worker_lost", f"the process that ran it exited by itself with code {left[1]}")
    return End("worker_lost", "the process that ran it is gone")


def signal_name(number: Any) -> str:
    """Return a signal's name; Celery gives it as a number, an enum or a text."""
    try:
        return signal.Signals(int(number)).name
    except (TypeError, ValueError):
        return str(number) if number else "no signal"


def _forget_ambient(scope: Any) -> None:
    """Drop what the main process gathered for all its tasks: breadcrumbs of others, a span of its own broker calls."""
    scope.clear_breadcrumbs()
    sentry_sdk.get_current_scope().span = None
