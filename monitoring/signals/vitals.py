"""The life of a worker and of beat, as far as their own processes know it: when to watch, and what to say of oneself.

A signal and not a bootstep starts the watch: it needs no hand on the application, and the thread it starts must
outlive the consumer, which Celery restarts with every lost connection.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from monitoring.vitals.board import SCHEMES, Board
from monitoring.vitals.heart import Heart
from monitoring.vitals.pulse import Pulse
from monitoring.vitals.queues import Queues
from monitoring.vitals.sampler import LEASE_INTERVALS, Sampler
from monitoring.vitals.snapshot import BEAT
from monitoring.vitals.troubles import Limits

if TYPE_CHECKING:
    from celery import Celery

    from monitoring.settings import Settings
    from monitoring.signals.attempt import Attempt

#: What a stopping process waits for its last sign of life. Seconds.
_GOODBYE_SECONDS: Final = 1.0
#: Beat looks at its schedule at least this often, whatever its longest sleep. Seconds.
_SHORTEST_PATIENCE: Final = 60.0


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Vitals:
    """Receive the signals of a worker's main process, and the successes of the processes that run its tasks."""

    settings: Settings
    pulse: Pulse | None = None
    heart: Heart | None = None
    sampler: Sampler | None = None
    _leaving: bool = False

    def on_worker_init(self, **_: object) -> None:
        """Make the pipe, before the pool forks."""
        if self.settings.vitals and self.pulse is None:
            self.pulse = Pulse()

    def on_worker_ready(self, sender: Any, **_: object) -> None:
        """Start the watch."""
        if self.pulse is None or self.heart is not None:
            return
        settings = self.settings
        interval = settings.vitals_seconds
        # A sign may come late: nobody is gone for missing one.
        gone = max(settings.gone_seconds, LEASE_INTERVALS * interval)
        limits = Limits(gone, settings.stall_seconds, settings.bot_budgets)
        progress = Progress(sender)
        self.sampler = Sampler(
            name=sender.hostname,
            interval=interval,
            limits=limits,
            board=board_of(settings, sender.app),
            queues=Queues(sender.app),
            pulse=self.pulse,
            facts=lambda: {**progress.facts(), "leaving": self._leaving},
        )
        self.heart = Heart("vitals", interval, self.sampler.tick)
        self.heart.start()

    def on_worker_shutting_down(self, **_: object) -> None:
        """Say with the next sign of life that the end is meant; runs in a signal handler, so it does no more."""
        self._leaving = True

    def on_worker_shutdown(self, **_: object) -> None:
        """Take the name off the board."""
        if self.heart is not None and self.sampler is not None:
            self.heart.stop(_GOODBYE_SECONDS, self.sampler.leave)

    def ended(self, attempt: Attempt, outcome: str) -> None:
        """Note the end of a bot's task, in the process that ran it. Costs nothing where no budget is set."""
        if self.pulse is not None and self.settings.bot_budgets and attempt.received.context.bot_id is not None:
            self.pulse.ended(attempt.received.context.bot_id, success=outcome == "success")


@dataclass(slots=True)
class Progress:
    """Say what a worker does, from Celery's own counters; idle is the monotonic time since any of them changed."""

    consumer: Any
    _last: tuple[int, int] = (0, 0)
    _changed: float = field(default_factory=time.monotonic)

    def facts(self) -> dict[str, Any]:
        """Return the worker's facts for the board."""
        state = self.consumer.controller.state
        # `requests` holds what was received and has not ended, with an ETA or without.
        counts = (state.all_total_count[0], len(state.requests))
        now = time.monotonic()
        if counts != self._last:
            self._last, self._changed = counts, now
        return {
            "pid": os.getpid(),
            "queues": list(self.consumer.app.amqp.queues.consume_from),
            "active": len(state.active_requests),
            "held": counts[1],
            "slots": self.consumer.pool.num_processes,
            "idle_s": round(now - self._changed, 1),
        }


@dataclass(slots=True)
class BeatVitals:
    """Leave beat's signs of life for the workers to see."""

    settings: Settings
    _service: Any = None
    _board: Board | None = None
    _heart: Heart | None = None

    def start(self, service: Any) -> None:
        """Start, in the process that runs beat."""
        self._board = board_of(self.settings, service.app) if self.settings.vitals else None
        if self._board is not None:
            self._service = service
            self._heart = Heart("beat", self.settings.vitals_seconds, self._sign)
            self._heart.start()

    def stop(self) -> None:
        """Say that beat ends by intent."""
        heart, self._heart = self._heart, None
        if heart is not None:
            heart.stop(_GOODBYE_SECONDS, lambda: self._say(leaving=True))

    def _sign(self) -> None:
        # A beat that hangs is as gone as one that was killed. Celery before 5.7 does not tell when it last looked.
        looked = getattr(self._service, "_last_tick", None)
        patience = max(2 * (self._service.scheduler.max_interval or 0), _SHORTEST_PATIENCE)
        if looked is None or time.monotonic() - looked <= patience:
            self._say(leaving=False)

    def _say(self, *, leaving: bool) -> None:
        assert self._board is not None  # noqa: S101  # there is no heart without it
        self._board.sign(BEAT, {"pid": os.getpid(), "host": socket.gethostname(), "leaving": leaving})


def board_of(settings: Settings, app: Celery) -> Board | None:
    """Return the board in the Redis that is set, else the broker's or the result backend's; None without any."""
    own = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
    for url in (own, app.conf.broker_read_url or app.conf.broker_url, app.conf.result_backend):
        if isinstance(url, str) and url.startswith(SCHEMES) and ";" not in url:
            try:
                return Board.from_url(url)
            except ValueError:  # a kind of URL that only kombu reads
                continue
    return None
