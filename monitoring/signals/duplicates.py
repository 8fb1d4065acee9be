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
from typing import TYPE_CHECKING, Final

from kombu.message import Message

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


def _undecodable(parent: Parent, record: logging.LogRecord) -> bool:
    error = record.args[0] if isinstance(record.args, tuple) and record.args else None
    parent.on_unreadable(_message_in(record), f"its body cannot be decoded ({type(error).__name__})")
    return True


def _worker_died(parent: Parent, record: logging.LogRecord) -> bool:
    """Tell why the worker died if it was a message of the wrong shape; any other reason stays as it was logged."""
    found = _message_in(record)
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
    traceback = record.exc_info[2] if record.exc_info else None
    found = None
    while traceback is not None:
        for name in ("message", "self"):
            value = traceback.tb_frame.f_locals.get(name)
            if isinstance(value, Message):
                found = value
        traceback = traceback.tb_next
    return found
