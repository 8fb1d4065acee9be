"""What happens to a task, and what Sentry receives of it: the list that is tested, and printed as documentation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration.outcomes import scenarios as play
from tests.integration.outcomes.scenarios import ENDINGS, TRADING, Scenario, call, ending


@dataclass(frozen=True)
class Report:
    """Promise one event: its level, its title (a pattern as of `fnmatch`) and what its tags say beside the context."""

    level: str
    title: str
    outcome: str | None = "failure"
    attempt: int = 1
    task: str | None = None
    bot: str | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Promise:
    """Promise what Sentry receives when something happens: so many reports, runs and traces, and nothing else.

    `runs` are the outcomes that the metric `task.run_time` is sent with, one for each attempt that ended; `traces` the
    statuses of the attempts' traces. A process that is killed takes its trace with it.
    """

    name: str
    happens: str
    scenario: Scenario
    task: str
    reports: tuple[Report, ...] = ()
    runs: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    worker: str = "life"


#: The workers that the scenarios are played on. In `deaths` each process runs one task, so that no scenario takes the
#: metrics of another with it.
WORKERS: Mapping[str, Mapping[str, Any]] = {
    "life": {"concurrency": 4},
    "deaths": {"concurrency": 4, "options": ["--max-tasks-per-child", "1"]},
    "poison": {"concurrency": 1},
    "cold": {"concurrency": 2},
    "memory": {"concurrency": 1},
    "threads": {"pool": "threads", "concurrency": 4},
    "gevent": {"pool": "gevent", "concurrency": 4},
}

KILLED = "WorkerLostError: the process that ran it was killed by SIGKILL; unless somebody sent it, *out of memory"
EXITED = "WorkerLostError: the process that ran it exited by itself with code 3"
HARD_LIMIT = "TimeLimitExceeded: ran into its hard time limit of 1 s and was killed"
AGAIN = f"{ENDINGS}.place_order was delivered again and may have run before: this is run "
UNREADABLE = "Received a message that cannot be run: "

PROMISES = (
    Promise("success", "The task ends well", call("succeed"), f"{TRADING}.succeed", runs=("success",), traces=("ok",)),
    Promise(
        "failure",
        "It raises an error",
        call("fail"),
        f"{TRADING}.fail",
        (Report("error", "ExchangeError: no margin"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "expected",
        "It raises an error that it declares in `throws`",
        call("expected"),
        f"{TRADING}.expected",
        runs=("failure",),
        traces=("ok",),
    ),
    Promise(
        "retried",
        "It retries twice, then ends well",
        call("retry_then_succeed", failures=2),
        f"{TRADING}.retry_then_succeed",
        runs=("retry", "retry", "success"),
        traces=("ok", "ok", "ok"),
    ),
    Promise(
        "exhausted",
        "It retries until its attempts are exhausted",
        call("retry_then_fail"),
        f"{TRADING}.retry_then_fail",
        (Report("error", "ExchangeError: attempt 3 timed out", attempt=3),),
        ("retry", "retry", "failure"),
        ("ok", "ok", "internal_error"),
    ),
    Promise(
        "autoretried",
        "Celery retries it (`autoretry_for`) until its attempts are exhausted",
        call("autoretry"),
        f"{TRADING}.autoretry",
        (Report("error", "ExchangeError: attempt 2 refused", attempt=2),),
        ("retry", "failure"),
        ("ok", "internal_error"),
    ),
    Promise(
        "never-retried",
        "It has `autoretry_for` and `max_retries=0`",
        ending("autoretry_never"),
        f"{ENDINGS}.autoretry_never",
        (Report("error", "ExchangeError: refused"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "quiet-retry",
        "It calls `retry(throw=False)` and ends well; so does the next attempt",
        ending("retry_quietly"),
        f"{ENDINGS}.retry_quietly",
        runs=("success", "success"),
        traces=("ok", "ok"),
    ),
    Promise(
        "quiet-retry-fails",
        "It calls `retry(throw=False)` and fails in spite of it; the next attempt ends well",
        ending("retry_quietly", message="failed after all"),
        f"{ENDINGS}.retry_quietly",
        (Report("error", "ExchangeError: failed after all"),),
        ("failure", "success"),
        ("internal_error", "ok"),
    ),
    Promise(
        "other-bot",
        "It retries with other arguments: the next attempt is another bot's",
        ending("hand_over", heir="heir"),
        f"{ENDINGS}.hand_over",
        (Report("error", "ExchangeError: no margin", attempt=2, bot="heir"),),
        ("retry",),
        ("ok",),
    ),
    Promise("ignored", "It raises `Ignore`", play.ignored, f"{TRADING}.ignore", runs=("ignored",), traces=("ok",)),
    Promise(
        "rejected",
        "It raises `Reject`",
        call("reject"),
        f"{TRADING}.reject",
        runs=("rejected",),
        traces=("aborted",),
    ),
    Promise(
        "requeued",
        "It raises `Reject(requeue=True)` once, then ends well",
        ending("requeue_once"),
        f"{ENDINGS}.requeue_once",
        runs=("rejected", "success"),
        traces=("aborted", "ok"),
    ),
    Promise(
        "rejected-at-last",
        "It ends well, and `on_success` raises `Reject`",
        ending("rejects_at_last"),
        f"{ENDINGS}.rejects_at_last",
        runs=("rejected",),
        traces=("aborted",),
    ),
    Promise(
        "replaced",
        "Another task takes its place (`replace`)",
        ending("replaced"),
        f"{ENDINGS}.replaced",
        runs=("ignored", "success"),
        traces=("ok", "ok"),
    ),
    Promise(
        "revoked",
        "It is revoked before it starts",
        play.revoked("succeed"),
        f"{TRADING}.succeed",
        runs=("revoked",),
        worker="deaths",
    ),
    Promise(
        "revoked-before",
        "It is revoked before the worker receives it",
        play.revoked_before,
        f"{TRADING}.succeed",
        runs=("revoked",),
        worker="deaths",
    ),
    Promise(
        "revoked-by-stamp",
        "It is revoked by a stamped header",
        play.revoked_by_stamp,
        f"{TRADING}.succeed",
        runs=("revoked",),
        worker="deaths",
    ),
    Promise(
        "revoked-order",
        "An order is revoked before it starts",
        play.revoked(f"{ENDINGS}.order"),
        f"{ENDINGS}.order",
        (Report("warning", "* was revoked before it started", "revoked"),),
        ("revoked",),
        worker="deaths",
    ),
    Promise(
        "terminated",
        "It is revoked with `terminate=True` while it runs",
        play.terminated("sleepy"),
        f"{TRADING}.sleepy",
        runs=("terminated",),
        traces=("aborted",),
        worker="deaths",
    ),
    Promise(
        "terminated-order",
        "The same with an order",
        play.terminated(f"{ENDINGS}.order"),
        f"{ENDINGS}.order",
        (Report("error", "* was terminated while it ran (SIGTERM)", "terminated"),),
        ("terminated",),
        ("aborted",),
        worker="deaths",
    ),
    Promise(
        "expired",
        "An order expires before it starts",
        play.expired,
        f"{ENDINGS}.order",
        (Report("warning", "* expired before it started: a stale signal was not traded", "expired"),),
        ("expired",),
        worker="deaths",
    ),
    Promise(
        "expired-before",
        "An order has expired when the worker receives it",
        play.expired_before,
        f"{ENDINGS}.order",
        (Report("warning", "* expired before it started: a stale signal was not traded", "expired"),),
        ("expired",),
        worker="deaths",
    ),
    Promise(
        "expired-no-money",
        "Another task expires",
        play.expired_no_money,
        f"{TRADING}.succeed",
        runs=("expired",),
        worker="deaths",
    ),
    Promise(
        "soft-limit",
        "It runs into its soft time limit",
        call("soft_limit"),
        f"{TRADING}.soft_limit",
        (Report("error", "SoftTimeLimitExceeded: SoftTimeLimitExceeded()", "time_limit"),),
        ("time_limit",),
        ("deadline_exceeded",),
    ),
    Promise(
        "hard-limit",
        "It runs into its hard time limit (prefork)",
        call("hard_limit"),
        f"{TRADING}.hard_limit",
        (Report("error", HARD_LIMIT, "time_limit"),),
        ("time_limit",),
        ("deadline_exceeded",),
        worker="deaths",
    ),
    Promise(
        "hard-limit-gevent",
        "The same under gevent",
        call("hard_limit"),
        f"{TRADING}.hard_limit",
        (Report("error", HARD_LIMIT, "time_limit"),),
        ("time_limit",),
        ("deadline_exceeded",),
        worker="gevent",
    ),
    Promise(
        "hard-limit-threads",
        "It takes longer than its hard time limit in a pool where Celery does not enforce it (threads, solo)",
        ending("over_the_limit"),
        f"{ENDINGS}.over_the_limit",
        runs=("success",),
        traces=("ok",),
        worker="threads",
    ),
    Promise(
        "killed",
        "Its process is killed (SIGKILL, out of memory)",
        call("kill_self"),
        f"{TRADING}.kill_self",
        (Report("error", KILLED, "worker_lost"),),
        ("worker_lost",),
        worker="deaths",
    ),
    Promise(
        "os-exit",
        "It calls `os._exit`",
        call("exit_process", hard=True),
        f"{TRADING}.exit_process",
        (Report("error", EXITED, "worker_lost"),),
        ("worker_lost",),
        worker="deaths",
    ),
    Promise(
        "sys-exit",
        "It calls `sys.exit` (prefork)",
        call("exit_process"),
        f"{TRADING}.exit_process",
        (Report("error", EXITED, "worker_lost"),),
        ("worker_lost",),
        ("internal_error",),
        worker="deaths",
    ),
    Promise(
        "sys-exit-threads",
        "The same in a pool of threads: there is no process to lose",
        play.exits_a_thread,
        f"{TRADING}.exit_process",
        (Report("error", "SystemExit: 3"),),
        ("failure",),
        ("internal_error",),
        worker="threads",
    ),
    Promise(
        "memory-error",
        "It raises `MemoryError`, at which Celery stops the worker",
        play.out_of_memory,
        f"{ENDINGS}.out_of_memory",
        (
            Report("fatal", "MemoryError: no room for the order book"),
            Report("fatal", "MemoryError: Process got: no room for the order book", None, bot=""),
        ),
        ("failure",),
        ("internal_error",),
        worker="memory",
    ),
    Promise(
        "killed-again-and-again",
        "An order's process is killed in three runs, and `reject_on_worker_lost` runs it again each time",
        ending("place_order", deaths=3),
        f"{ENDINGS}.place_order",
        (
            Report("fatal", KILLED, "worker_lost"),
            *(Report("fatal", f"{AGAIN}{run}", None, tags={"redelivered": "true"}) for run in (2, 3, 4)),
        ),
        ("worker_lost", "worker_lost", "worker_lost", "success"),
        ("ok",),
        worker="deaths",
    ),
    Promise(
        "killed-again-no-money",
        "The same with a task that moves no money",
        ending("fetch", deaths=2),
        f"{ENDINGS}.fetch",
        (Report("error", KILLED, "worker_lost"),),
        ("worker_lost", "worker_lost", "success"),
        ("ok",),
        worker="deaths",
    ),
    Promise(
        "retried-when-lost",
        "Its process is killed, and `retry_on_worker_lost` tries again, which fails",
        ending("retried_when_lost"),
        f"{ENDINGS}.retried_when_lost",
        (Report("error", "ExchangeError: no margin", attempt=2),),
        ("retry", "failure"),
        ("internal_error",),
        worker="deaths",
    ),
    Promise(
        "order-retried-when-lost",
        "The same with an order",
        ending("order_retried_when_lost"),
        f"{ENDINGS}.order_retried_when_lost",
        (Report("fatal", "* lost its process and is tried again: it may have run already", "retry"),),
        ("retry", "success"),
        ("ok",),
        worker="deaths",
    ),
    Promise(
        "cold",
        "A cold shutdown cuts it off: its message is gone",
        play.cold_shutdown,
        f"{TRADING}.sleepy",
        (Report("error", "* was cut off by a cold shutdown: nobody runs it again", "terminated"),),
        ("terminated",),
        ("aborted",),
        worker="cold",
    ),
    Promise(
        "cold-late",
        "A cold shutdown cuts it off, and it has `acks_late`: its message goes back on the queue",
        play.beside_it,
        f"{ENDINGS}.late",
        traces=("aborted",),
        worker="cold",
    ),
    Promise(
        "unserialisable",
        "It ends well, with a result that cannot be stored",
        call("unserialisable"),
        f"{TRADING}.unserialisable",
        (Report("error", "EncodeError: *"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "on-success",
        "It ends well, and `on_success` raises an error",
        ending("broken_on_success"),
        f"{ENDINGS}.broken_on_success",
        (Report("error", "ExchangeError: could not book the fill", "success"),),
        ("success",),
        ("ok",),
    ),
    Promise(
        "after-return",
        "It ends well, and `after_return` raises an error",
        ending("broken_after_return"),
        f"{ENDINGS}.broken_after_return",
        (Report("error", "ExchangeError: could not close the session", "success"),),
        ("success",),
        ("ok",),
    ),
    Promise(
        "on-failure",
        "It fails, and `on_failure` raises an error: one event, with both",
        ending("broken_on_failure"),
        f"{ENDINGS}.broken_on_failure",
        (Report("error", "RuntimeError: could not tell the desk"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "callback-lost",
        "It ends well, and its callback (`link`) cannot be published",
        play.linked_to_nowhere,
        f"{TRADING}.succeed",
        (Report("error", "QueueNotFound: *"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "error-callback-lost",
        "It fails, and its error callback (`link_error`) cannot be published: one event, with both",
        play.error_linked_to_nowhere,
        f"{TRADING}.fail",
        (Report("error", "QueueNotFound: *"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "callback-fails",
        "It ends well, and its callback fails",
        play.failing_callback,
        f"{TRADING}.succeed",
        (Report("error", "ExchangeError: the callback broke", task=f"{TRADING}.step"),),
        ("failure", "success"),
        ("internal_error", "ok"),
    ),
    Promise(
        "chord-member-fails",
        "A member of a chord's header fails, so that the body never runs",
        play.chord_with_failing_header,
        f"{TRADING}.step",
        (Report("error", "ExchangeError: a member broke"),),
        ("failure", "success"),
        ("internal_error", "ok"),
    ),
    Promise(
        "chord-body-lost",
        "A chord's body cannot be published",
        play.chord_with_lost_body,
        f"{TRADING}.step",
        (Report("error", "QueueNotFound: *"),),
        ("success", "success"),
        ("ok", "ok"),
    ),
    Promise(
        "chained",
        "A link of a chain fails",
        play.chained,
        f"{TRADING}.step",
        (Report("error", "ExchangeError: the second link broke"),),
        ("failure", "retry", "success"),
        ("internal_error", "ok", "ok"),
    ),
    Promise(
        "grouped",
        "Both members of a group exhaust their attempts",
        play.grouped,
        f"{TRADING}.retry_then_fail",
        (Report("error", "ExchangeError: attempt 3 timed out", attempt=3),) * 2,
        ("failure", "failure", "retry", "retry", "retry", "retry"),
        ("internal_error", "internal_error", "ok", "ok", "ok", "ok"),
    ),
    Promise(
        "called-directly",
        "It calls another task as a function, and handles its error",
        ending("calls", how="directly"),
        f"{ENDINGS}.calls",
        (Report("info", "directly called from *", None),),
        ("success",),
        ("ok",),
    ),
    Promise(
        "called-eagerly",
        "It runs other tasks eagerly (`apply`): they are told as what they are",
        ending("calls", how="eagerly"),
        f"{ENDINGS}.calls",
        (
            Report("info", "eagerly called from *", None),
            Report("error", "ExchangeError: no margin", task=f"{TRADING}.fail", bot="called-eagerly-inner"),
        ),
        ("success",),
        ("ok",),
    ),
    Promise(
        "for-a-user",
        "It works for a user, and a tracked operation fails",
        ending("with_user"),
        f"{ENDINGS}.with_user",
        (Report("error", "ExchangeError: no margin", tags={"operation": "fetch_balance", "subscription_tier": "pro"}),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "kwargs-no-mapping",
        "Its keyword arguments are no mapping (`task_internal_error`)",
        play.kwargs_no_mapping,
        f"{TRADING}.succeed",
        (Report("error", "InvalidTaskError: Task keyword arguments is not a mapping"),),
        ("failure",),
    ),
    Promise(
        "unknown",
        "The worker does not have the task",
        play.unregistered,
        "elsewhere.tasks.place_order",
        (Report("error", "Received a message for an unregistered task: *", "unknown_task"),),
        ("unknown_task",),
    ),
    Promise(
        "unknown-from-stranger",
        "The same, from a producer without monitoring",
        play.unregistered_by_stranger,
        "elsewhere.tasks.place_order",
        (Report("error", "Received a message for an unregistered task: *", "unknown_task"),),
        ("unknown_task",),
    ),
    Promise(
        "undecodable",
        "A message's body cannot be decoded",
        play.undecodable,
        f"{TRADING}.succeed",
        (Report("error", f"{UNREADABLE}its body cannot be decoded (DecodeError)", "invalid_message"),),
        ("invalid_message",),
    ),
    Promise(
        "refused-content",
        "A message is in a format that the worker does not accept",
        play.refused_content,
        f"{TRADING}.succeed",
        (Report("error", f"{UNREADABLE}ContentDisallowed", "invalid_message"),),
        ("invalid_message",),
    ),
    Promise(
        "no-task",
        "A message is no task",
        play.no_task,
        "",
        (Report("error", f"{UNREADABLE}it is no task message", "invalid_message", bot=""),),
    ),
    Promise(
        "wrong-shape",
        "A message's JSON body has the wrong shape, at which Celery stops the worker and puts it back on the queue",
        play.wrong_shape,
        f"{TRADING}.succeed",
        (Report("error", f"{UNREADABLE}its body has the wrong shape: *", "invalid_message"),),
        ("invalid_message",),
        worker="poison",
    ),
    Promise(
        "odd-values",
        "Breadcrumbs, tags and contexts hold values that answer no question; it ends well",
        ending("odd_values"),
        f"{ENDINGS}.odd_values",
        runs=("success",),
        traces=("ok",),
    ),
    Promise(
        "odd-error",
        "So does its error",
        ending("odd_values", message="odd"),
        f"{ENDINGS}.odd_values",
        (Report("error", "ExchangeError: *"),),
        ("failure",),
        ("internal_error",),
    ),
    Promise(
        "talkative",
        "It leaves more breadcrumbs in six attempts than a message can carry",
        ending("talkative"),
        f"{ENDINGS}.talkative",
        (Report("error", "ExchangeError: attempt 6 timed out", attempt=6),),
        ("failure", "retry", "retry", "retry", "retry", "retry"),
        ("internal_error", "ok", "ok", "ok", "ok", "ok"),
    ),
    Promise(
        "stranger",
        "It comes from a producer without monitoring, and exhausts its attempts",
        play.from_a_stranger("retry_then_fail"),
        f"{TRADING}.retry_then_fail",
        (Report("error", "ExchangeError: attempt 3 timed out", attempt=3),),
        ("failure", "retry", "retry"),
        ("internal_error", "ok", "ok"),
    ),
    Promise(
        "clock-ahead",
        "Its first attempt ran on a machine whose clock is an hour ahead",
        play.from_the_future,
        f"{TRADING}.retry_then_fail",
        (Report("error", "ExchangeError: attempt 3 timed out", attempt=3),),
        ("failure", "retry"),
        ("internal_error", "ok"),
    ),
    Promise(
        "unsampled",
        "Its producer has decided not to sample its trace",
        play.from_the_unsampled("retry_then_fail"),
        f"{TRADING}.retry_then_fail",
        (Report("error", "ExchangeError: attempt 3 timed out", attempt=3),),
        ("failure", "retry", "retry"),
    ),
)


def table() -> str:
    """Return the list as the table of docs/reference/events.md."""
    rows = ["| what happens | events | `outcome` of each attempt | status of its trace |", "| --- | --- | --- | --- |"]
    for promise in PROMISES:
        events = "<br>".join(f"{report.level}: `{report.title}`" for report in promise.reports) or "none"
        runs = ", ".join(promise.runs) or "not counted"
        rows.append(f"| {promise.happens} | {events} | {runs} | {', '.join(promise.traces) or 'none'} |")
    return "\n".join(rows)
