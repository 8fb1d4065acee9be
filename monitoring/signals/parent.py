"""What only the worker's main process sees: tasks killed, timed out hard, revoked, expired, unknown or unreadable.

No task's scope is open here, so everything is taken from the signal and from the worker's own `Request`, which holds
the message's headers and arguments. Each report has a scope of its own, and each (task id, attempt) is told once.
"""

from __future__ import annotations

import os
import re
import signal
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from celery.exceptions import Reject, TimeLimitExceeded, WorkerLostError
from sentry_sdk.utils import event_from_exception

from monitoring.context import TradingContext
from monitoring.crons import periodic
from monitoring.latency import Clock, elapsed_ms, queue_wait_ms, rounded
from monitoring.signals import destination, message
from monitoring.signals.attempt import (
    QUEUE_WAIT,
    RUN_TIME,
    carried_by,
    context_of,
    current_attempt,
    excluded,
    number_breadcrumbs,
    tell,
)
from monitoring.signals.memory import Memory
from monitoring.signals.redelivery import tell_redelivery
from monitoring.signals.requests import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sentry_sdk._types import Event, Hint, LogLevelStr

    from monitoring.context import ArgumentNames
    from monitoring.settings import Settings
    from monitoring.signals.requests import HeldRequests, Told


@dataclass(frozen=True, slots=True)
class End:
    """Tell how a task ended: its outcome, and the cause in plain words; None when its own error says it."""

    outcome: str
    cause: str | None


_CUT_OFF: Final[tuple[str, LogLevelStr]] = "was cut off by a cold shutdown: nobody runs it again", "error"
_CUT_OFF_LATE: Final[tuple[str, LogLevelStr]] = (
    "was cut off because its worker had lost the broker, which delivers it again",
    "warning",
)

#: Outcome -> the class that its record in `attempts` names.
_CLASSES: Final = {"time_limit": "TimeLimitExceeded", "worker_lost": "WorkerLostError", "retry": "WorkerLostError"}


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Parent:
    """Receive the signals of the worker's main process."""

    settings: Settings
    names: ArgumentNames
    held: HeldRequests
    told: Told
    clock: Clock = field(default_factory=Clock)
    memory: Memory = field(default_factory=Memory)
    _told_pids: deque[int] = field(default_factory=lambda: deque(maxlen=1000))

    def on_worker_ready(self, **_: object) -> None:
        """Note where the kernel's counters stand."""
        self.memory.note()

    def on_task_received(self, request: Any, **_: object) -> None:
        """Remember the request; raise the alarm when a task that moves money comes a second time.

        Here rather than where it runs: there the next kill would take the alarm with it.
        """
        self.held.on_task_received(request)
        info = request.delivery_info
        if info and info.get("redelivered") and getattr(request.task, "moves_money", False):
            with self._scope(request.task, Seen.of_request(request), None):
                tell_redelivery(request.task, request.id)

    def on_task_failure(
        self,
        *,
        sender: Any,
        task_id: str,
        exception: BaseException,
        einfo: Any = None,
        requeued: bool = False,
        **_: object,
    ) -> None:
        """Report a task whose own process could not: a hard time limit, a lost worker.

        A task that rejects its message was told by its own process, and meant it.
        """
        if current_attempt(sender.request) is not None or isinstance(exception, Reject):
            return
        if not isinstance(exception, TimeLimitExceeded | WorkerLostError) and _passed_the_tracer(einfo):
            return
        seen = self.held.seen(task_id, sender.request)
        if not self.told.first(seen.task_id, seen.retries, seen.time_start):
            return  # a hard time limit is told twice
        end = end_of(exception)
        memory = self.memory.of_lost_process() if end.outcome == "worker_lost" else {}
        if memory.get("killed_by_kernel"):
            end = End(end.outcome, "the kernel, which was out of memory, killed the process that ran it")
        with self._scope(sender, seen, end, requeued=requeued) as scope:
            # Another run of a message that is delivered again and again is no other attempt.
            if self.told.first(seen.task_id, seen.retries) or not seen.redelivered:
                if memory:
                    scope.set_context("memory", memory)
                event, hint = event_from_exception(
                    exception,
                    client_options=sentry_sdk.get_client().options,
                    mechanism={"type": "celery", "handled": False},
                )
                if end.cause is not None:
                    # Celery's own text names a job number of the pool, which would split the group with each kill.
                    event["exception"]["values"][-1]["value"] = end.cause
                sentry_sdk.capture_event(event, hint=hint)
            self._count(sender.name, seen)

    def on_task_revoked(self, *, sender: Any, request: Any, terminated: bool, expired: bool, **kw: Any) -> None:
        """Count a task that was revoked, terminated or had expired: no bug; but money not moved is worth a warning."""
        seen = self.held.seen(request.id, request)
        if not self.told.first(seen.task_id, seen.retries, seen.time_start):
            return
        outcome = "expired" if expired else "terminated" if terminated else "revoked"
        cause = {
            "expired": "expired before it started: a stale signal was not traded",
            "revoked": "was revoked before it started",
            "terminated": f"was terminated while it ran ({signal_name(kw.get('signum'))})",
        }[outcome]
        with self._scope(sender, seen, End(outcome, cause)) as scope:
            if getattr(sender, "moves_money", False):
                # What was cut off may have been carried out.
                _say(scope, sender.name, cause, outcome, "error" if terminated else "warning")
            self._count(sender.name, seen)

    def on_task_retry(self, *, sender: Any, request: Any, reason: Any = None, **_: object) -> None:
        """Count a retry that the main process decided: after a lost worker, or because it cuts its tasks off."""
        if current_attempt(request) is not None:
            return
        seen = self.held.seen(request.id, request)
        if not self.told.first(seen.task_id, seen.retries, seen.time_start):
            return
        moves_money = getattr(sender, "moves_money", False)
        if reason is not None:
            cause = "lost its process and is tried again: it may have run already"
            with self._scope(sender, seen, End("retry", cause)) as scope:
                if moves_money:
                    _say(scope, sender.name, cause, "retried_when_lost", "fatal")
                self._count(sender.name, seen)
            return
        # Celery cuts its tasks off at a cold shutdown; those with `acks_late`, of which this signal then says nothing,
        # also when it has lost the broker.
        cause, level = _CUT_OFF_LATE if sender.acks_late else _CUT_OFF
        with self._scope(sender, seen, End("terminated", cause)) as scope:
            _say(scope, sender.name, cause, "terminated", "fatal" if moves_money else level)
            self._count(sender.name, seen)

    def on_task_internal_error(self, *, sender: Any, task_id: str, exception: BaseException, **kw: Any) -> None:
        """Report a task that failed outside of its body, before it began: nobody else does."""
        request = kw.get("request") or {}
        seen = Seen(
            task_id,
            request,
            kw.get("args"),
            kw.get("kwargs"),
            request.get("delivery_info"),
            request.get("hostname"),
            os.getpid(),
        )
        if not self.told.first(task_id, seen.retries):
            return
        with self._scope(sender, seen, End("failure", str(exception))):
            sentry_sdk.capture_exception(exception)
            self._count(sender.name, seen)

    def on_task_unknown(self, *, message: Any, name: str, **_: object) -> None:
        """Report a message for a task that this worker does not have. The body stays here."""
        with self._message_scope(message, "unknown_task", arguments_in(message)) as scope:
            scope.fingerprint = ["unknown_task", name]
            sentry_sdk.capture_message(f"Received a message for an unregistered task: {name}", level="error")
            self._count(name, None)

    def on_task_rejected(self, *, message: Any, exc: BaseException | None = None, **_: object) -> None:
        """Report a message that is no task, or in a format that this worker refuses. The body stays here."""
        self.on_unreadable(message, f"{type(exc).__name__}" if exc is not None else "it is no task message")

    def on_unreadable(self, received: Any | None, why: str) -> None:
        """Report a message that Celery only logs, with its queue and without its body."""
        with self._message_scope(received, "invalid_message") as scope:
            scope.fingerprint = ["invalid_message", why]
            sentry_sdk.capture_message(f"Received a message that cannot be run: {why}", level="error")
            self._count(None, None)

    def on_lost_and_requeued(self, job: int, error: BaseException) -> None:
        """Report a lost worker whose message goes back on the queue (`reject_on_worker_lost`); `job` is the pool's."""
        request = self.held.of_job(job)
        if request is not None:
            self.on_task_failure(sender=request.task, task_id=request.id, exception=error, requeued=True)

    def is_told_process(self, pid: int) -> bool:
        """Say whether the exit of a pool process is, or will be, told with the task that it ran."""
        return pid in self._told_pids or self.held.may_run_in(pid)

    @contextmanager
    def _scope(self, task: Any, seen: Seen, end: End | None, *, requeued: bool = False) -> Iterator[Any]:
        """Open a scope that tells one task, and nothing that the main process gathered for all of them."""
        if seen.pid is not None:
            self._told_pids.append(seen.pid)
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
            tell(scope, {"task": task.name, "queue": queue, "attempt": str(seen.retries + 1)})
            scope.set_tag("celery_task_id", seen.task_id)
            if getattr(task, "moves_money", False):
                scope.set_tag("moves_money", "true")
            if seen.redelivered:
                tell(scope, {"redelivered": "true"})
            _join(scope, task.name, seen.headers)
            scope.set_context("celery", self._celery_context(task, seen, carried))
            if end is not None:
                tell(scope, {"outcome": end.outcome})
                record = seen.record(carried, self.clock.wall(), _CLASSES.get(end.outcome), end.cause)
                trail = carried.trail.followed_by(record, ())
                scope.set_context("attempts", {"records": [each.known() for each in trail.records]})
            scope.add_event_processor(partial(_numbered, seen.retries + 1))
            yield scope
            if end is not None and not requeued:
                _end_periodic(seen, end.outcome)

    @contextmanager
    def _message_scope(
        self,
        received: Any,
        outcome: str,
        arguments: tuple[Any, Any] = ((), {}),  # nobody writes to it
    ) -> Iterator[Any]:
        """Open a scope that tells a message which became no request: by its headers, as far as it has any."""
        with sentry_sdk.isolation_scope() as scope:
            _forget_ambient(scope)
            tell(scope, {"outcome": outcome})
            if received is not None:
                headers = received.headers if isinstance(received.headers, dict) else {}
                found = self.names.context_of(any_task, *arguments)
                found.over(carried_by(headers).context).bind(scope)
                name, task_id, retries = (headers.get(key) for key in ("task", "id", "retries"))
                attempt = str(retries + 1) if isinstance(retries, int) else None
                task = name if isinstance(name, str) else None
                tell(scope, {"queue": (received.delivery_info or {}).get("routing_key"), "task": task})
                tell(scope, {"attempt": attempt})
                if isinstance(task_id, str):
                    scope.set_tag("celery_task_id", task_id)
                _join(scope, task, headers)
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

    def _count(self, task: str | None, seen: Seen | None) -> None:
        """Count this end as every other: the run time is what the main process saw of it, 0 if it never started."""
        if not self.settings.metrics or (task is not None and excluded(task, self.settings.metrics_exclude)):
            return
        sentry_sdk.metrics.distribution(RUN_TIME, self._run_time(seen) or 0.0, unit="millisecond")
        if seen is not None and seen.time_start is not None:
            wait = queue_wait_ms(seen.time_start, carried_by(seen.headers).published, seen.headers.get("eta"))
            if wait is not None:
                sentry_sdk.metrics.distribution(QUEUE_WAIT, wait, unit="millisecond")


def _end_periodic(seen: Seen, outcome: str) -> None:
    """Check in a run of beat's schedule that its own process could not."""
    text = message.header(seen.headers, periodic.HEADER)
    if text is not None and (run := periodic.Periodic.carried(text)) is not None:
        run.end(outcome)


def end_of(error: BaseException) -> End:
    """Say in plain words what an error of the worker's main process means."""
    if isinstance(error, TimeLimitExceeded):
        return End("time_limit", f"ran into its hard time limit of {error.args[0]:g} s and was killed")
    if not isinstance(error, WorkerLostError):
        return End("failure", None)
    text = str(error)
    if killed := re.search(r"signal (\d+)", text):
        number = int(killed[1])
        hint = "; unless somebody sent it, the kernel was out of memory" if number == signal.SIGKILL else ""
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


def arguments_in(received: Any) -> tuple[Any, Any]:
    """Return (args, kwargs) of a message, to find its context in; empty when they cannot be had. Never raises."""
    try:
        payload = received.payload
        args, kwargs = (payload["args"], payload["kwargs"]) if isinstance(payload, dict) else payload[:2]
    except Exception:  # noqa: BLE001  # somebody's message, on the way of reporting it
        return (), {}
    return args if isinstance(args, list | tuple) else (), kwargs if isinstance(kwargs, dict) else {}


def any_task(*_: object, **__: object) -> None:
    """Stand for a task that this worker does not have: any argument may be its own."""


def _passed_the_tracer(einfo: Any) -> bool:
    """Say whether an error comes out of the process that ran the task, where `task_internal_error` has told it."""
    return "in trace_task" in str(getattr(einfo, "traceback", ""))


def _say(scope: Any, task: str, cause: str, kind: str, level: LogLevelStr) -> None:
    scope.fingerprint = [kind, TradingContext.current().exchange or "", task]
    sentry_sdk.capture_message(f"{task} {cause}", level=level)


def _join(scope: Any, task: str | None, headers: Mapping[str, Any]) -> None:
    """Put a report into the trace of its message."""
    if task is not None:
        scope.set_transaction_name(task, source="task")
    trace = {key: headers.get(key) for key in ("sentry-trace", "baggage")}
    scope.generate_propagation_context({key: value for key, value in trace.items() if isinstance(value, str)})


def _numbered(attempt: int, event: Event, _: Hint) -> Event:
    number_breadcrumbs(event, attempt)
    return event


def _forget_ambient(scope: Any) -> None:
    """Drop what the main process gathered for all its tasks: breadcrumbs of others, a span of its own broker calls."""
    scope.clear_breadcrumbs()
    sentry_sdk.get_current_scope().span = None
