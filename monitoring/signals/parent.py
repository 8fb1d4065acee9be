"""What only the worker's main process sees of a task: killed, timed out hard, revoked, expired, cut off.

No task's scope is open here, so everything is taken from the signal and from the worker's own `Request`, which holds
the message's headers and arguments. Each report has a scope of its own, and each (task id, attempt) is told once.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import sentry_sdk
from celery.exceptions import Reject, TimeLimitExceeded, WorkerLostError
from sentry_sdk.utils import event_from_exception

from monitoring.context import TradingContext
from monitoring.crons import periodic
from monitoring.latency import Clock, elapsed_ms, queue_wait_ms, rounded
from monitoring.signals import destination, message
from monitoring.signals.ambient import forget_ambient, join_trace
from monitoring.signals.arguments import conceal
from monitoring.signals.attempt import (
    current_attempt,
    number_breadcrumbs,
    tell,
    text_of,
)
from monitoring.signals.declared import context_of
from monitoring.signals.ends import CLASSES, CUT_OFF, CUT_OFF_LATE, End, end_of, signal_name
from monitoring.signals.measured import QUEUE_WAIT, RUN_TIME, excluded
from monitoring.signals.memory import Memory
from monitoring.signals.received import carried_by
from monitoring.signals.redelivery import tell_redelivery
from monitoring.signals.requests import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentry_sdk._types import Event, Hint, LogLevelStr

    from monitoring.breadcrumbs import Trail
    from monitoring.context import ArgumentNames
    from monitoring.settings import Settings
    from monitoring.signals.messages import Messages
    from monitoring.signals.requests import HeldRequests, Told


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Parent:
    """Receive the signals of the worker's main process."""

    settings: Settings
    names: ArgumentNames
    held: HeldRequests
    told: Told
    messages: Messages
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
        cause, level = CUT_OFF_LATE if sender.acks_late else CUT_OFF
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
        with self._scope(sender, seen, End("failure", text_of(exception))):
            sentry_sdk.capture_exception(exception)
            self._count(sender.name, seen)

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
            forget_ambient(scope)
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
            join_trace(scope, task.name, seen.headers)
            scope.set_context("celery", self._celery_context(task, seen, carried))
            if end is not None:
                tell(scope, {"outcome": end.outcome})
                record = seen.record(carried, self.clock.wall(), CLASSES.get(end.outcome), end.cause)
                scope.set_context("attempts", carried.trail.followed_by(record).known())
            scope.add_event_processor(partial(_numbered, seen.retries + 1, carried.trail))
            if not self.settings.task_arguments:
                # An error of the main process's own; but some pools run their tasks in it.
                scope.add_event_processor(partial(_concealed, task, seen, self.names))
            yield scope
            if end is not None and not requeued:
                _end_periodic(seen, end.outcome)

    def _celery_context(self, task: Any, seen: Seen, carried: message.Carried) -> dict[str, Any]:
        context = {
            "id": seen.task_id,
            "root_id": seen.headers.get("root_id"),
            "parent_id": seen.headers.get("parent_id"),
            "worker": seen.worker,
            "pid": seen.pid,
            "attempt": seen.retries + 1,
            "max_retries": task.max_retries,
            "redelivered": seen.redelivered,
            "eta": seen.headers.get("eta"),
            "run_time_ms": rounded(self._run_time(seen)),
            "end_to_end_ms": rounded(elapsed_ms(carried.first_published, self.clock.wall())),
        }
        return {name: value for name, value in context.items() if value is not None}

    def _run_time(self, seen: Seen) -> float | None:
        return elapsed_ms(seen.time_start, self.clock.wall())

    def _count(self, task: str, seen: Seen) -> None:
        """Count this end as every other: the run time is what the main process saw of it, 0 if it never started."""
        if not self.settings.metrics or excluded(task, self.settings.metrics_exclude):
            return
        sentry_sdk.metrics.distribution(RUN_TIME, self._run_time(seen) or 0.0, unit="millisecond")
        if seen.time_start is not None:
            wait = queue_wait_ms(seen.time_start, carried_by(seen.headers).published, seen.headers.get("eta"))
            if wait is not None:
                sentry_sdk.metrics.distribution(QUEUE_WAIT, wait, unit="millisecond")


def _end_periodic(seen: Seen, outcome: str) -> None:
    """Check in a run of beat's schedule that its own process could not."""
    text = message.header(seen.headers, periodic.HEADER)
    if text is not None and (run := periodic.Periodic.carried(text)) is not None:
        run.end(outcome)


def _passed_the_tracer(einfo: Any) -> bool:
    """Say whether an error comes out of the process that ran the task, where `task_internal_error` has told it."""
    return "in trace_task" in str(getattr(einfo, "traceback", ""))


def _say(scope: Any, task: str, cause: str, kind: str, level: LogLevelStr) -> None:
    scope.fingerprint = [kind, TradingContext.current().exchange or "", task]
    sentry_sdk.capture_message(f"{task} {cause}", level=level)


def _concealed(task: Any, seen: Seen, names: ArgumentNames, event: Event, _: Hint) -> Event:
    conceal(event, task, seen, names)
    return event


def _numbered(attempt: int, trail: Trail, event: Event, _: Hint) -> Event:
    number_breadcrumbs(event, attempt, trail)
    return event
