"""Fold Celery's own log lines about a task into our report of it.

The SDK turns every ERROR record into an event. Celery logs what its signals tell as well: without the task's name, with
another task's breadcrumbs, and sometimes with the whole message. Only lines that are told elsewhere are dropped; of the
others the body is left out, and everything else that these loggers say goes on as it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Final

import sentry_sdk
from celery import current_task
from celery.exceptions import ChordError
from celery.worker.request import Request
from kombu.message import Message

from monitoring.signals.attempt import tell

if TYPE_CHECKING:
    from monitoring.signals.parent import Parent

logger = logging.getLogger(__name__)

#: Report a record's task if nobody else does, and say whether the record may be dropped.
Fold = Callable[["Parent", logging.LogRecord], bool]


def _told_by_signal(_: Parent, __: logging.LogRecord) -> bool:
    return True


def _handler_error(parent: Parent, record: logging.LogRecord) -> bool:
    """Tell a lost worker whose message goes back on the queue: for that one there is no signal at all."""
    error = record.args[0] if isinstance(record.args, tuple) and record.args else None
    job = re.search(r"Job: (\d+)", str(error))
    if job is not None and isinstance(error, BaseException):
        parent.on_lost_and_requeued(int(job[1]), error)
    return True


def _process_exit(parent: Parent, record: logging.LogRecord) -> bool:
    """Keep the exit of an idle process; that of a busy one is told with its task."""
    pid = record.args[1] if isinstance(record.args, tuple) and len(record.args) > 1 else None
    return isinstance(pid, int) and parent.is_told_process(pid)


def _chord(_: Parent, record: logging.LogRecord) -> bool:
    """Tell a chord whose body is lost, unless a member of its header has failed, which tells that."""
    error = record.args[1] if isinstance(record.args, tuple) and len(record.args) > 1 else None
    if isinstance(error, ChordError) and str(error).startswith("Dependency"):
        return True
    body = current_task.request.chord if current_task else None
    if not isinstance(body, dict) or not isinstance(error, BaseException):
        return False
    # The scope is that of the member that ended last; what is lost is the body.
    with sentry_sdk.new_scope() as scope:
        tell(scope, {"task": str(body.get("task")), "attempt": "1", "outcome": "failure"})
        scope.set_tag("celery_task_id", str((body.get("options") or {}).get("task_id")))
        sentry_sdk.capture_exception(error)
    return True


def _pool_callback(parent: Parent, record: logging.LogRecord) -> bool:
    """Tell the end of a task that the main process failed to note down: then no signal comes."""
    for frame in _frames(record):
        request, error = frame.f_locals.get("self"), frame.f_locals.get("exc")
        if isinstance(request, Request) and isinstance(error, BaseException):
            einfo = frame.f_locals.get("exc_info")
            parent.on_task_failure(sender=request.task, task_id=request.id, exception=error, einfo=einfo)
            return True
    return False


def _undecodable(parent: Parent, record: logging.LogRecord) -> bool:
    error = record.args[0] if isinstance(record.args, tuple) and record.args else None
    parent.messages.on_unreadable(_message_in(record), f"its body cannot be decoded ({type(error).__name__})")
    return True


def _worker_died(parent: Parent, record: logging.LogRecord) -> bool:
    """Tell why the worker died if it was a message of the wrong shape; any other reason stays as it was logged."""
    found = _message_in(record)
    if found is None:
        return False
    parent.messages.on_unreadable(
        found, "its body has the wrong shape: Celery stops the worker and puts the message back"
    )
    return True


#: (logger, start of the record's template) -> what it is folded into.
FOLDS: Final[Mapping[tuple[str, str], Fold]] = MappingProxyType(
    {
        ("celery.worker.request", "Hard time limit"): _told_by_signal,
        ("celery.worker.request", "Task handler raised error"): _handler_error,
        ("celery.worker.consumer.consumer", "Received unregistered task"): _told_by_signal,
        ("celery.worker.consumer.consumer", "Received invalid task message"): _told_by_signal,
        ("celery.worker.consumer.consumer", "Can't decode message body"): _undecodable,
        ("celery.worker", "Unrecoverable error"): _worker_died,
        ("multiprocessing", "Process "): _process_exit,
        ("multiprocessing", "Pool callback raised"): _pool_callback,
        ("celery.backends.redis", "Chord "): _chord,
        ("celery.backends.base", "Chord "): _chord,
    }
)

#: Lines with a whole message in them.
_BODIES: Final = (
    "Received unregistered task",
    "Received invalid task message",
    "Can't decode message body",
    "Received and deleted unknown message",
)
#: The main process's loggers that speak of one task or another, so that their lines explain no third one.
_OF_TASKS: Final = frozenset({"celery.worker.request", "multiprocessing"})


def has_no_body(record: logging.LogRecord) -> bool:
    """Say whether a log line may become a Sentry log: a filter of the SDK's handler for them."""
    return not (record.name == "celery.worker.consumer.consumer" and str(record.msg).startswith(_BODIES))


def is_of_no_task(record: logging.LogRecord) -> bool:
    """Say whether a log line may become a breadcrumb of whatever this process tells next."""
    return record.name not in _OF_TASKS and has_no_body(record)


class Duplicates:
    """Be a filter of the SDK's log handler: False for a record that is told elsewhere, and so becomes no event."""

    def __init__(self, parent: Parent) -> None:
        self.parent = parent

    def __call__(self, record: logging.LogRecord) -> bool:
        """Fold one record. Celery's own log shows it all the same."""
        for (name, template), fold in FOLDS.items():
            if record.name == name and str(record.msg).startswith(template):
                try:
                    return not fold(self.parent, record)
                except Exception:
                    # This runs inside somebody's logging call; and better told twice than not at all.
                    logger.exception("could not fold a log line of %s into a report", name)
                    return True
        return True


def _message_in(record: logging.LogRecord) -> Message | None:
    """Find the broker's message that an error was raised about, in the frames that handled it."""
    found = None
    for frame in _frames(record):
        for name in ("message", "self"):
            value = frame.f_locals.get(name)
            if isinstance(value, Message):
                found = value
    return found


def _frames(record: logging.LogRecord) -> Iterator[FrameType]:
    """Yield the frames that a record's error came through, the outermost first."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
