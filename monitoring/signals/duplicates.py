"""Fold Celery's own log lines about a task into our report of it.

The SDK turns every ERROR record into an event. Celery logs what its signals tell as well: without the task's name, with
another task's breadcrumbs, and sometimes with the whole message. Only lines that are told elsewhere are dropped; of the
others the body is left out, and everything else that these loggers say goes on as it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kombu.message import Message

if TYPE_CHECKING:
    from sentry_sdk._types import Event, Hint

    from monitoring.signals.parent import Parent

logger = logging.getLogger(__name__)

Fold = Callable[["Parent", Any, Any], bool]


def _told_by_signal(_: Parent, __: Any, ___: Any) -> bool:
    return True


def _handler_error(parent: Parent, record: Any, _: Any) -> bool:
    """Tell a lost worker whose message goes back on the queue: for that one there is no signal at all."""
    error = record.args[0] if isinstance(record.args, tuple) and record.args else None
    job = re.search(r"Job: (\d+)", str(error))
    if job is not None and isinstance(error, BaseException):
        parent.on_lost_and_requeued(int(job[1]), error)
    return True


def _process_exit(parent: Parent, record: Any, _: Any) -> bool:
    """Keep the exit of an idle process; that of a busy one is told with its task."""
    return len(record.args) > 1 and parent.is_told_process(record.args[1])


def _undecodable(parent: Parent, record: Any, hint: Any) -> bool:
    error = record.args[0]
    parent.on_unreadable(_message_in(hint), f"its body cannot be decoded ({type(error).__name__})")
    return True


def _worker_died(parent: Parent, _: Any, hint: Any) -> bool:
    """Tell why the worker died if it was a message of the wrong shape; any other reason stays as it was logged."""
    found = _message_in(hint)
    if found is None:
        return False
    parent.on_unreadable(found, "its body has the wrong shape: Celery stops the worker and puts the message back")
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
        ("celery.backends.redis", "Chord "): _told_by_signal,
        ("celery.backends.base", "Chord "): _told_by_signal,
    }
)


class Duplicates:
    """Be the first hook of `before_send`: return the event, or None when it is told elsewhere."""

    def __init__(self, parent: Parent) -> None:
        self.parent = parent

    def __call__(self, event: Event, hint: Hint) -> Event | None:
        """Fold one event."""
        record = hint.get("log_record")
        if record is None:
            return event
        for (name, template), fold in FOLDS.items():
            if record.name == name and str(record.msg).startswith(template):
                try:
                    return None if fold(self.parent, record, hint) else event
                except Exception:
                    # A hook that raises loses the event: better told twice than not at all.
                    logger.exception("could not fold a log line of %s into a report", name)
                    return event
        return event


def _message_in(hint: Any) -> Any | None:
    """Find the broker's message that an error was raised about, in the frames that handled it."""
    exc_info = hint.get("exc_info")
    traceback = exc_info[2] if exc_info else None
    found = None
    while traceback is not None:
        for name in ("message", "self"):
            value = traceback.tb_frame.f_locals.get(name)
            if isinstance(value, Message):
                found = value
        traceback = traceback.tb_next
    return found
