"""The process that runs tasks: from `task_prerun` to `task_postrun` of each attempt."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from celery import current_task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from sentry_sdk.utils import event_from_exception

from monitoring import metrics
from monitoring.capture import flush
from monitoring.context import NOTHING, ArgumentNames, TradingContext
from monitoring.crons import periodic
from monitoring.crons.tardiness import Tardiness
from monitoring.latency import MILLISECONDS, Clock, SlowTasks
from monitoring.signals import sampling, tracing, untouched
from monitoring.signals.attempt import (
    KEY,
    OUTCOMES,
    STATUSES,
    Attempt,
    current_attempt,
    outcome_of_teardown,
    tell,
)
from monitoring.signals.declared import context_of
from monitoring.signals.measured import excluded, ready, times
from monitoring.signals.received import Received
from monitoring.signals.scopes import AttemptScopes, unfilled_owner
from monitoring.signals.undisturbed import undisturbed

if TYPE_CHECKING:
    from monitoring.recovery import Recovery
    from monitoring.settings import Settings
    from monitoring.signals.requests import HeldRequests, Told
    from monitoring.signals.vitals import Vitals


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Child:
    """Receive the signals of the process that runs tasks."""

    settings: Settings
    names: ArgumentNames
    held: HeldRequests
    told: Told
    recovery: Recovery
    vitals: Vitals
    clock: Clock = field(default_factory=Clock)
    slow: SlowTasks = field(init=False)
    tardiness: Tardiness = field(init=False)
    allowed: ArgumentNames | None = field(init=False)
    #: Settings that are read for every task: as plain values.
    budgeted: bool = field(init=False)
    measures: bool = field(init=False)
    unmeasured: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.slow = SlowTasks(self.settings.slow_task_seconds, self.settings.slow_task_window_seconds)
        self.tardiness = Tardiness(self.settings.beat_late_seconds, self.clock)
        self.allowed = None if self.settings.task_arguments else self.names
        self.budgeted = bool(self.settings.bot_budgets)
        self.measures, self.unmeasured = self.settings.metrics, self.settings.metrics_exclude

    def on_task_prerun(self, task: Any, args: Any, kwargs: Any, **_: object) -> None:
        """Open the attempt's scopes, say whose work it is, bring back its trail, and join its trace."""
        request = task.request
        said = request.__dict__
        inherited, parent_trace = NOTHING, None
        if request.is_eager:
            inherited, parent_trace = TradingContext.current(), tracing.propagation_headers(None, None)
        clock = self.clock
        received = Received(task, said, context_of(self.names, task, args, kwargs), inherited, clock.wall())
        attempt = Attempt(
            task,
            request,
            received,
            clock,
            clock.monotonic(),
            parent_trace,
            self.allowed,
            sys.exception(),
        )
        attempt.scopes = scopes = AttemptScopes(attempt)
        said[KEY] = attempt
        attempt.known = known = sampling.known_beforehand(scopes.client, parent_trace or said)
        if known is None or known.sampled:
            if known is not None and not request.is_eager:
                attempt.untouched = untouched.place_of(scopes.client, known, attempt.trace_headers)
            if attempt.untouched is None:
                with undisturbed:
                    attempt.trace = attempt.traced()
        if (told := said.get(periodic.HEADER)) is not None:
            self._begin_periodic(attempt, told)

    def _begin_periodic(self, attempt: Attempt, told: object) -> None:
        """Check in a run of beat's schedule, and say how late it starts where no monitor of Sentry's would."""
        attempt.periodic = run = periodic.Periodic.carried(told)
        if run is None:
            return
        run.begin()
        if attempt.received.number == 1:
            late = max(0.0, attempt.received.started - run.due)
            self.tardiness.started(run.entry, attempt.task.name, late, warn=run.monitor is None)

    def on_task_failure(self, sender: Any, task_id: str, exception: BaseException, **_: object) -> None:
        """Report an attempt's failure once, with the whole story; what the task declares in `throws` is no error."""
        attempt = current_attempt(sender.request)
        if attempt is None or attempt.request.id != task_id:
            return
        # Celery may pass a copy that can be pickled; the error itself is still being handled.
        handled = sys.exception()
        with undisturbed:
            self._report(attempt, handled if handled is not None else exception)

    def _report(self, attempt: Attempt, error: BaseException) -> None:
        if attempt.outcome is not None:
            return  # the first error of an attempt is the one to tell
        attempt.ended_at = self.clock.monotonic()
        attempt.error = error
        attempt.outcome = "time_limit" if isinstance(error, SoftTimeLimitExceeded) else "failure"
        attempt.expected = isinstance(error, attempt.task.throws) if attempt.task.throws else False
        # Celery may say it again when this attempt is gone.
        self.told.first(attempt.request.id, attempt.received.number - 1)
        if attempt.expected:
            return
        tell(sentry_sdk.get_isolation_scope(), {"outcome": attempt.outcome})
        event, hint = event_from_exception(
            error,
            client_options=sentry_sdk.get_client().options,
            mechanism={"type": "celery", "handled": False},
        )
        sentry_sdk.capture_event(event, hint=hint)

    def on_task_postrun(self, task: Any, state: str | None = None, **_: object) -> None:
        """Tell how the attempt ended, how long it ran and waited, and close its scopes. The last receiver to run."""
        attempt = unfilled_owner()  # most attempts', at a third of what their request takes to be found
        if attempt is None or attempt.task is not task:
            attempt = current_attempt(task.request)
        if attempt is None or attempt.request.__dict__.pop(KEY, None) is not attempt:
            return
        raised = sys.exception()
        if raised is attempt.handled_before:
            raised = None
        try:
            if raised is None and state == "SUCCESS" and attempt.unnoticed:
                attempt.ended_at = self.clock.monotonic()
                self._count(attempt, "success", attempt.run_time())
            else:
                with undisturbed:
                    if raised is not None:
                        state = self._settle(attempt, state, raised)
                    self._finish(attempt, state)
        finally:
            attempt.close()
        if isinstance(raised, SystemExit) and state is None and not self.held.holds(attempt.request.id):
            # The process has been told to go, and is killed if it does not within 0.1 s: what it holds goes with it.
            flush(_TEARDOWN_SECONDS)

    def _settle(self, attempt: Attempt, state: str | None, raised: BaseException) -> str | None:
        """Return the state that Celery will settle on, now that an error has left the tracer, and report the error.

        A callback could not be published, `on_failure` raised, a task left its process. Celery overrules the function.
        """
        if isinstance(raised, Reject):
            return "REJECTED"
        if not isinstance(raised, Exception):
            if isinstance(raised, SystemExit) and self.held.holds(attempt.request.id):
                # Outside of prefork there is no process to lose, and nobody else who would tell.
                self._report(attempt, raised)
                return "FAILURE"
            attempt.outcome = attempt.outcome or outcome_of_teardown(attempt, raised)
            return None
        if state is None and attempt.request.is_eager:
            return "FAILURE"  # an eager task that propagates: its caller sees the error
        self._report(attempt, raised)
        return "FAILURE"

    def on_trace_error(self, record: logging.LogRecord) -> bool:
        """Report an error in `on_success` or `after_return`, which Celery only logs: the task keeps its outcome.

        A filter of Celery's logger that lets every record pass.
        """
        if record.levelno >= logging.ERROR and str(record.msg).startswith(_HOOK_RAISED) and record.exc_info:
            request = current_task.request if current_task else None
            if request is not None and current_attempt(request) is not None:
                with undisturbed:
                    tell(sentry_sdk.get_isolation_scope(), {"outcome": "success"})
                    sentry_sdk.capture_exception(record.exc_info)
        return True

    def _finish(self, attempt: Attempt, state: str | None) -> None:
        outcome = attempt.outcome or OUTCOMES.get(state, "failure")
        status = "ok" if attempt.expected else STATUSES[outcome]
        attempt.ended_at = self.clock.monotonic() if attempt.ended_at is None else attempt.ended_at
        run_time = attempt.run_time()
        if outcome != "success":
            attempt.begin_trace()
        put_off = attempt.untouched is not None
        if not attempt.scopes.untouched:
            tell(attempt.scopes.isolation, {"outcome": outcome})
        if attempt.trace is not None:
            attempt.trace.end_processing(status)
        if attempt.periodic is not None and state is not None:
            # An error that the task declares is none; and the time of all attempts is known to Sentry alone.
            ended = "success" if attempt.expected else outcome
            attempt.periodic.end(ended, run_time / 1000 if attempt.received.number == 1 else None)
        self._count(attempt, outcome, run_time, torn_down=state is None, told=status != "ok")
        self._end_trace(attempt, outcome, status, put_off=put_off)

    def _count(
        self, attempt: Attempt, outcome: str, run_time: float, *, torn_down: bool = False, told: bool = False
    ) -> None:
        """Note an attempt's end where ends are counted. All that most attempts cost at their end."""
        task = attempt.task
        if self.budgeted:
            self.vitals.ended(attempt, outcome)
        # A task that was torn down is told by the worker's main process, which knows why.
        if self.measures and not torn_down and not (self.unmeasured and excluded(task.name, self.unmeasured)):
            _measure(attempt, outcome, run_time)
        if outcome == "success" and not self.recovery.idle:
            with undisturbed:
                self.recovery.task_worked(task.name)
        budget = getattr(task, "slow_after", None)
        if not told and run_time > (self.slow.default_seconds if budget is None else budget) * MILLISECONDS:
            held_back = self.slow.warning_due(task.name, run_time / MILLISECONDS, budget, self.clock.monotonic())
            if held_back is not None:
                self._warn(task.name, run_time / MILLISECONDS, budget, held_back)

    def _end_trace(self, attempt: Attempt, outcome: str, status: str, *, put_off: bool) -> None:
        place = attempt.untouched
        if place is not None:
            if untouched.send(attempt, place, outcome, self.clock.monotonic()):
                return
            attempt.begin_trace()
        if attempt.trace is not None:
            if put_off:  # and built since: by us, or because a hook looked
                tell(attempt.scopes.isolation, {"outcome": outcome})
                attempt.trace.end_processing(status)
            attempt.trace.end(status)

    def _warn(self, task: str, seconds: float, budget: float | None, held_back: int) -> None:
        limit = self.slow.default_seconds if budget is None else budget
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["slow-task", task]
            scope.set_context("slow_task", {"run_time_s": round(seconds, 3), "budget_s": limit, "held_back": held_back})
            sentry_sdk.capture_message(f"Slow task: {task} ran longer than its {limit:g} s", level="warning")


def _measure(attempt: Attempt, outcome: str, run_time: float) -> None:
    """Tell the attempt's two times, with the same attributes whether or not its scopes were ever filled."""
    place, scopes, now = attempt.untouched, attempt.scopes, time.time()
    batcher = scopes.client.metrics_batcher
    known = attempt.known
    if isinstance(batcher, metrics.ReadyMetrics):
        if known is not None and scopes.untouched:
            around = metrics.ambient(scopes.attributes)
            if around.are_texts:
                where = now, known.trace_id, place.span_id if place is not None else None
                batcher.take(partial(ready, attempt.received, outcome, run_time, where, around))
                return
        tell(scopes.isolation, {"outcome": outcome})
        attributes = tuple(scopes.attributes.items())
        if metrics.are_texts(attributes):
            values, where = times(attempt.received, run_time), (now, *scopes.place_in_trace())
            batcher.take(partial(metrics.distributions, values, where, metrics.NONE, metrics.Pairs(attributes)))
            return
    with undisturbed:
        tell(scopes.isolation, {"outcome": outcome})
        for name, value in times(attempt.received, run_time):
            sentry_sdk.metrics.distribution(name, value, unit=metrics.MILLISECOND)


_TEARDOWN_SECONDS: Final = 0.1

#: What Celery logs, and no more than that, when a hook of the application raises after the outcome was stored.
_HOOK_RAISED: Final = "Task %s[%s] "
