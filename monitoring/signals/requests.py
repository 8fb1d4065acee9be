"""The worker's own view of the messages it holds, for as long as it holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary


@dataclass(slots=True)
class HeldRequests:
    """Find the worker's `Request` of a task that only its id tells, in the worker's main process.

    Celery forgets a request before it says that its time limit was hit, and the signal carries no headers. Entries go
    with the request: nothing is kept for a task whose end never comes.
    """

    _by_id: WeakValueDictionary[str, Any] = field(default_factory=WeakValueDictionary)

    def on_task_received(self, request: Any, **_: object) -> None:
        """Remember a request, weakly."""
        self._by_id[request.id] = request

    def get(self, task_id: str) -> Any | None:
        """Return the worker's request, or None when this process does not hold it."""
        return self._by_id.get(task_id)

    def running_in(self, pid: int) -> bool:
        """Say whether a pool process was running one of these."""
        return any(request.worker_pid == pid for request in list(self._by_id.values()))

    def of_job(self, job: int) -> Any | None:
        """Return the request that the pool runs as this job."""
        for request in list(self._by_id.values()):
            result = request._apply_result() if request._apply_result is not None else None  # noqa: SLF001  # Celery's
            if result is not None and result._job == job:  # noqa: SLF001  # billiard's only link from its error text
                return request
        return None
