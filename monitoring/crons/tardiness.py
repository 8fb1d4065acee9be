"""Tell runs that come late or not at all, as metrics and as a warning: once per entry in each window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk

from monitoring.latency import MILLISECONDS, SlowTasks

if TYPE_CHECKING:
    from monitoring.latency import Clock

LATENESS: Final = "beat.lateness"

#: One entry is warned about this often at most, however often it is late. Seconds.
WINDOW_SECONDS: Final = 600.0


@dataclass(slots=True)
class Tardiness:
    """Judge lateness by `tolerance` (seconds). Per process; the window is monotonic."""

    tolerance: float
    clock: Clock
    _window: SlowTasks = field(init=False)

    def __post_init__(self) -> None:
        self._window = SlowTasks(self.tolerance, WINDOW_SECONDS)

    def published(self, entry: str, task: str, seconds: float) -> None:
        """Tell how late beat was."""
        self._late("publish", entry, task, seconds)
        if seconds > self.tolerance:
            self._warn(entry, task, "late", f"was published {seconds:.1f} s late", {"late_s": round(seconds, 3)})

    def started(self, entry: str, task: str, seconds: float, *, warn: bool) -> None:
        """Tell how late the task started; `warn` where no monitor of Sentry's would."""
        self._late("start", entry, task, seconds)
        if warn and seconds > self.tolerance:
            self._warn(entry, task, "started late", f"started {seconds:.1f} s late", {"late_s": round(seconds, 3)})

    def missed(self, entry: str, task: str, runs: int) -> None:
        """Warn of runs that beat never published: it was down, or stuck."""
        self._warn(entry, task, "missed", f"missed {runs} run{'s' if runs > 1 else ''}", {"missed": runs})

    def _late(self, at: str, entry: str, task: str, seconds: float) -> None:
        attributes = {"entry": entry, "task": task, "at": at}
        sentry_sdk.metrics.distribution(LATENESS, seconds * MILLISECONDS, unit="millisecond", attributes=attributes)

    def _warn(self, entry: str, task: str, what: str, words: str, details: dict[str, Any]) -> None:
        held_back = self._window.warning_due(f"{entry}\0{what}", float("inf"), None, self.clock.monotonic())
        if held_back is None:
            return
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["beat", what, entry]
            scope.set_tag("task", task)
            scope.set_context("beat", {"entry": entry, **details, "held_back": held_back})
            sentry_sdk.capture_message(f"Periodic task {entry} {words}", level="warning")
