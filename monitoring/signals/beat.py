"""Beat: a process that only publishes. It says so, each of its messages begins a trace of its own, and says what run of
which entry it is.

Celery tells nobody which entry of the schedule a message comes from: the signals carry the task's name, which several
entries may share, and what is put into an entry's options is written to beat's schedule file. But whatever the
scheduler (Celery's, RedBeat, django-celery-beat), the entry is a local variable of the scheduler's methods that are
running while `before_task_publish` fires, and the outermost still holds the run before this one.
"""  # noqa: D205  # one sentence, over two lines

from __future__ import annotations

import atexit
import sys
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from celery import signals
from celery.beat import ScheduleEntry, Scheduler

from monitoring import sdk
from monitoring.capture import flush
from monitoring.crons.monitor import Config, config_of
from monitoring.crons.periodic import HEADER, Periodic
from monitoring.crons.punctuality import Run, run_of
from monitoring.crons.tardiness import Tardiness
from monitoring.latency import Clock
from monitoring.signals import message
from monitoring.signals.vitals import BeatVitals

if TYPE_CHECKING:
    from types import FrameType

    from celery import Celery

    from monitoring.settings import Settings
    from monitoring.signals.producer import Producer

MISSED: Final = "beat.missed"

_UID: Final = "worker-monitoring.Beat.on_before_task_publish"
_MAX_FRAMES: Final = 60


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Beat:
    """Receive the signals of beat. Nothing here is connected, or costs anything, in another process."""

    settings: Settings
    producer: Producer
    clock: Clock = field(default_factory=Clock)
    tardiness: Tardiness = field(init=False)
    vitals: BeatVitals = field(init=False)
    _service: Any = None

    def __post_init__(self) -> None:
        self.vitals = BeatVitals(self.settings)
        self.tardiness = Tardiness(self.settings.beat_late_seconds, self.clock)

    def on_beat_init(self, sender: Any, **_: object) -> None:
        """Name the process, unless beat is embedded in a worker, and start a trace with each message.

        Without the latter everything that beat ever publishes would be one trace.
        """
        self.producer.beat_thread = threading.get_ident()
        sdk.name_component("beat")
        signals.before_task_publish.connect(self.on_before_task_publish, weak=False, dispatch_uid=_UID)
        atexit.register(self.on_exit)
        self._service = sender
        self.vitals.start(sender)

    def on_beat_embedded_init(self, **_: object) -> None:
        """Do the same for `celery worker -B`, where beat is a forked process, or a thread, of the worker."""
        self.producer.beat_thread = threading.get_ident()
        # Its worker ends it with a signal: it has no last words.
        atexit.unregister(self.on_exit)

    def disconnect(self) -> None:
        """Undo what `on_beat_init` has connected."""
        signals.before_task_publish.disconnect(self.on_before_task_publish, dispatch_uid=_UID)
        atexit.unregister(self.on_exit)
        self.vitals.stop()

    def on_before_task_publish(self, *, sender: str, headers: Any, **_: object) -> None:
        """Put the run on its message, and tell how late it is and how many were missed before it."""
        if threading.get_ident() != self.producer.beat_thread or not isinstance(headers, dict) or "id" not in headers:
            return
        self._leave_if_told()
        publishing = being_published()
        if publishing is None:
            return
        app, entry = publishing
        run = run_of(entry.schedule, entry.last_run_at)
        periodic = Periodic.new(entry.name, run.due.timestamp(), self._monitor(app, entry))
        message.write(headers, {HEADER: periodic.encoded()})
        self._tell(entry.name, sender, run)
        self._leave_if_told()

    def _leave_if_told(self) -> None:
        """Exit once Celery has closed the schedule.

        Its handler of SIGTERM closes it and raises SystemExit wherever beat is; inside of the SDK, which swallows
        whatever is raised there (its log handler included), that is lost, and beat would go on with a closed schedule.
        """
        stopped = getattr(self._service, "_is_stopped", None)
        if stopped is not None and stopped.is_set():
            raise SystemExit

    def on_exit(self) -> None:
        """Tell that beat ends, in order: nothing is published until it runs again."""
        self.vitals.stop()
        sentry_sdk.capture_message("Beat stopped: nothing periodic is published until it runs again", level="warning")
        flush()

    def _monitor(self, app: Celery, entry: Any) -> Config | None:
        if not self.settings.crons or any(fnmatchcase(entry.name, glob) for glob in self.settings.crons_exclude):
            return None
        return config_of(entry.schedule, *_patience(app, entry))

    def _tell(self, entry: str, task: str, run: Run) -> None:
        self.tardiness.published(entry, task, run.late)
        if run.missed:
            sentry_sdk.metrics.count(MISSED, run.missed, attributes={"entry": entry, "task": task})
            self.tardiness.missed(entry, task, run.missed)


def being_published() -> tuple[Celery, Any] | None:
    """Find the entry that the scheduler is publishing in this thread, as it was before this run; None if none is.

    With the scheduler's app: an entry that was read from beat's schedule file has none.
    """
    found = None
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # documented, and the only way to a caller's frame
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        entry, scheduler = frame.f_locals.get("entry"), frame.f_locals.get("self")
        if isinstance(entry, ScheduleEntry) and isinstance(scheduler, Scheduler):
            found = scheduler.app, entry
        frame = frame.f_back
    return found


def _patience(app: Celery, entry: Any) -> tuple[float | None, float]:
    """Return a task's time limit, if there is one, and the longest it waits for its next attempt; seconds."""
    task = app.tasks.get(entry.task)
    limit = entry.options.get("time_limit") or getattr(task, "time_limit", None) or app.conf.task_time_limit
    if task is None:
        return limit, 0.0
    backs_off = getattr(task, "retry_backoff", False)
    delay = getattr(task, "retry_backoff_max", 600) if backs_off else task.default_retry_delay
    return limit, float(delay or 0)
