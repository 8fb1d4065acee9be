"""What the worker's main process knows of a task: from its own `Request`, or from what a signal brings."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from monitoring.breadcrumbs import AttemptRecord
from monitoring.forks import call_after_fork
from monitoring.latency import elapsed_ms, iso_time, queue_wait_ms, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitoring.signals.message import Carried


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold the facts of one message, whoever told them. `time_start` is wall clock; None: it never started."""

    task_id: str
    headers: Mapping[str, Any]
    args: Any = ()
    kwargs: Any = None
    delivery_info: Any = None
    worker: str | None = None
    pid: int | None = None
    time_start: float | None = None

    @property
    def retries(self) -> int:
        """Return Celery's counter, from 0."""
        return int(self.headers.get("retries") or 0)

    @property
    def redelivered(self) -> bool:
        """Say whether the broker had delivered this message before."""
        return isinstance(self.delivery_info, dict) and bool(self.delivery_info.get("redelivered"))

    def record(self, carried: Carried, now: float, error_class: str | None, text: str | None) -> AttemptRecord:
        """Tell this attempt as one line of the task's story, as far as the main process saw it."""
        started = self.time_start
        wait = None if started is None else queue_wait_ms(started, carried.published, self.headers.get("eta"))
        return AttemptRecord(
            attempt=self.retries + 1,
            worker=self.worker,
            pid=self.pid,
            started_at=iso_time(started) if started is not None else None,
            queue_wait_ms=rounded(wait),
            run_time_ms=rounded(elapsed_ms(started, now)),
            error_class=error_class,
            message=text,
        )

    @classmethod
    def of_request(cls, request: Any) -> Seen:
        """Read the worker's own `Request`; an unreadable body has no arguments."""
        try:
            args, kwargs = request.args, request.kwargs
        except Exception:  # noqa: BLE001  # decodes somebody's message, on the way of reporting it
            args, kwargs = (), None
        return cls(
            request.id,
            request.request_dict,
            args,
            kwargs,
            request.delivery_info,
            request.hostname,
            request.worker_pid,
            request.time_start,
        )

    @classmethod
    def of_context(cls, task_id: str, context: Any) -> Seen:
        """Read the `Context` that a signal brings, or nothing."""
        values = dict(vars(context)) if context is not None else {}
        headers = {**(values.get("headers") or {}), **values}
        return cls(
            task_id,
            headers,
            values.get("args"),
            values.get("kwargs"),
            values.get("delivery_info"),
            values.get("hostname"),
        )


#: How many ends are remembered, to tell each only once. Celery repeats itself within moments.
_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Told:
    """Remember which attempts were told in this process, so that each is told once."""

    _keys: OrderedDict[tuple[str, int, float | None], None] = field(default_factory=OrderedDict)

    def first(self, task_id: str, retries: int, run: float | None = None) -> bool:
        """Say whether this attempt, or one run of it, is told for the first time, and remember it.

        A message that is delivered again makes another run of the same attempt; `run` is when it started.
        """
        key = (task_id, retries, run)
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > _REMEMBERED:
            self._keys.popitem(last=False)
        return True


#: How many requests are held before the first look whether some are gone.
_FIRST_LOOK: Final = 256


@dataclass(slots=True, weakref_slot=True)
class HeldRequests:
    """Find the worker's `Request` of a task that only its id tells, in the worker's main process.

    Celery forgets a request before it says that its time limit was hit, and the signal carries no headers. Nothing is
    kept for a task whose end never comes: a request that is gone leaves its name, until as many are gone as are there.
    """

    _by_id: dict[str, ref[Any]] = field(default_factory=dict)
    _look_at: int = _FIRST_LOOK
    #: A forked child has a copy of everything here, and is not the main process.
    _is_main: bool = False

    def __post_init__(self) -> None:
        call_after_fork(self.forget_parent)

    def on_task_received(self, request: Any, **_: object) -> None:
        """Remember a request, weakly. Runs for every task."""
        self._by_id[request.id] = ref(request)
        self._is_main = True
        if len(self._by_id) > self._look_at:
            self._by_id = {task_id: held for task_id, held in self._by_id.items() if held() is not None}
            self._look_at = max(_FIRST_LOOK, 2 * len(self._by_id))

    def forget_parent(self) -> None:
        """Know, in a forked child, that this is not the main process."""
        self._is_main = False

    def seen(self, task_id: str, context: Any = None) -> Seen:
        """Return what is known of a task: from its request while the worker holds it, else from the signal."""
        request = self._of(task_id)
        return Seen.of_request(request) if request is not None else Seen.of_context(task_id, context)

    def holds(self, task_id: str) -> bool:
        """Say whether this process is the main process of a worker that holds the task."""
        return self._is_main and self._of(task_id) is not None

    def may_run_in(self, pid: int) -> bool:
        """Say whether a pool process was running one of these, or may have been handed one just now."""
        return any(
            request.worker_pid == pid or (request._apply_result is not None and request.worker_pid is None)  # noqa: SLF001  # Celery's
            for request in self._all()
        )

    def of_job(self, job: int) -> Any | None:
        """Return the request that the pool runs as this job."""
        for request in self._all():
            result = request._apply_result() if request._apply_result is not None else None  # noqa: SLF001  # Celery's
            if result is not None and result._job == job:  # noqa: SLF001  # billiard's only link from its error text
                return request
        return None

    def _of(self, task_id: str) -> Any | None:
        held = self._by_id.get(task_id)
        return held() if held is not None else None

    def _all(self) -> list[Any]:
        return [request for held in list(self._by_id.values()) if (request := held()) is not None]
