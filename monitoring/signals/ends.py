"""How a task ended that its own process could not tell of: its outcome, and the cause in plain words."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from celery.exceptions import TimeLimitExceeded, WorkerLostError

if TYPE_CHECKING:
    from sentry_sdk._types import LogLevelStr


@dataclass(frozen=True, slots=True)
class End:
    """Tell how a task ended: its outcome, and the cause in plain words; None when its own error says it."""

    outcome: str
    cause: str | None


CUT_OFF: Final[tuple[str, LogLevelStr]] = "was cut off by a cold shutdown: nobody runs it again", "error"
CUT_OFF_LATE: Final[tuple[str, LogLevelStr]] = (
    "was cut off because its worker had lost the broker, which delivers it again",
    "warning",
)

#: Outcome -> the class that its record in `attempts` names.
CLASSES: Final = {"time_limit": "TimeLimitExceeded", "worker_lost": "WorkerLostError", "retry": "WorkerLostError"}


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
