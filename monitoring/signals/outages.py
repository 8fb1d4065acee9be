"""What is broken and what works again, in a worker: the window that all hosts share, and who looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring import sdk
from monitoring.filtering.watch import REFRESH_SECONDS

if TYPE_CHECKING:
    from monitoring.filtering import EventFilter


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Outages:
    """Receive the signals of a worker's main process before it forks and when it is up, and of all when they stop."""

    event_filter: EventFilter
    looking: Any = None

    def on_celeryd_init(self, conf: Any, **_: object) -> None:
        """Count in the server that this worker really uses: the application may not have it from the environment."""
        sdk.use_servers(conf.broker_read_url or conf.broker_url, conf.result_backend)

    def on_worker_ready(self, sender: Any, **_: object) -> None:
        """Look what is broken on other hosts, now and every half minute, so that no task has to.

        Each look waits for Redis at most as long as its budget, and not at all for a while after it was in vain.
        """
        self.event_filter.look_around()
        if self.looking is not None:
            # A worker is ready again after each loss of its broker; Celery keeps the timer's entries of before.
            sender.timer.cancel(self.looking)
        self.looking = sender.timer.call_repeatedly(REFRESH_SECONDS, self.event_filter.look_around)

    def on_process_stopping(self, **_: object) -> None:
        """Say in the log what was suppressed since the last summary."""
        self.event_filter.ledger.sum_up()
