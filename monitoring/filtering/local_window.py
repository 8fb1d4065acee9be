"""The persistence window of one process: what the filter falls back to without Redis, and the script's model."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from monitoring.filtering.window import (
    CALM_SECONDS,
    FORGET_SECONDS,
    MAX_BOTS,
    MAX_HITS,
    MAX_OUTAGES,
    Failure,
    Outage,
    OutageKey,
    Success,
    Verdict,
)
from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KEYS: Final = 1024


@dataclass(slots=True)
class _Hits:
    """The tasks of a key within its window, and its failures in a row since a success was seen."""

    tasks: dict[str, tuple[float, str]] = field(default_factory=dict)
    row_since: float | None = None
    in_a_row: int = 0
    row_bots: tuple[str, ...] = ()
    last: float = 0.0


class LocalWindow:
    """Count in this process. `clock` is wall clock, in epoch seconds. Bounded: the key unused for longest goes."""

    def __init__(self, clock: Callable[[], float] = time.time, calm_seconds: float = CALM_SECONDS) -> None:
        self._clock = clock
        self._calm = calm_seconds
        self._renew()
        call_after_fork(self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._hits: OrderedDict[str, _Hits] = OrderedDict()
        self._outages: dict[str, Outage] = {}

    def failed(self, failure: Failure, *, dry: bool = False) -> Verdict:
        """Count a failure in this process; `dry` only asks."""
        with self._lock:
            return self._failed(failure, self._clock(), dry=dry)

    def _failed(self, failure: Failure, now: float, *, dry: bool) -> Verdict:
        digest, rule = failure.key.digest, failure.rule
        outage = self._open(digest, now)
        hits = self._hits.get(digest) or _Hits()
        tasks = {task: hit for task, hit in hits.tasks.items() if hit[0] > now - rule.seconds}
        new = failure.task_id not in tasks
        tasks.pop(failure.task_id, None)
        tasks[failure.task_id] = (now, failure.bot)
        stale = hits.row_since is None or now - hits.last > FORGET_SECONDS
        row_since = now if stale or hits.row_since is None else hits.row_since
        in_a_row = (0 if stale else hits.in_a_row) + new
        row_bots = _with((() if stale else hits.row_bots), failure.bot)
        if outage is not None:
            tell = now - outage.told_at >= rule.cooldown
            outage = replace(
                outage,
                last_seen=now,
                told_at=now if tell else outage.told_at,
                total=outage.total + new,
                bots=_with(outage.bots, failure.bot),
            )
        elif len(tasks) >= rule.count:
            bots = row_bots
            for _, bot in tasks.values():
                bots = _with(bots, bot)
            tell, outage = True, _opened(failure, min(at for at, _ in tasks.values()), now, len(tasks), bots)
        elif in_a_row >= rule.sparse_count and now - row_since >= rule.sparse_seconds:
            tell, outage = True, _opened(failure, row_since, now, in_a_row, row_bots)
        else:
            tell = False
        if not dry:
            while len(tasks) > MAX_HITS:
                del tasks[next(iter(tasks))]
            self._hits[digest] = _Hits(tasks, row_since, in_a_row, row_bots, now)
            self._hits.move_to_end(digest)
            if len(self._hits) > MAX_KEYS:
                self._hits.popitem(last=False)
            if outage is not None and (digest in self._outages or len(self._outages) < MAX_OUTAGES):
                self._outages[digest] = outage
        return Verdict(tell, len(tasks), outage)

    def worked(self, key: OutageKey) -> Success:
        """Note a success; ends the outage once it has been calm for a while."""
        with self._lock:
            now, digest = self._clock(), key.digest
            outage = self._open(digest, now)
            if outage is None:
                if digest in self._hits:
                    self._hits[digest] = _Hits(self._hits[digest].tasks)
                return Success()
            calm_in = outage.last_seen + self._calm - now
            if calm_in > 0:
                return Success(ask_again_in=calm_in)
            del self._outages[digest]
            self._hits.pop(digest, None)
            return Success(ended=outage)

    def outages(self) -> tuple[Outage, ...]:
        """Return what is open in this process."""
        with self._lock:
            return tuple(self._outages.values())

    def _open(self, digest: str, now: float) -> Outage | None:
        outage = self._outages.get(digest)
        if outage is not None and now - outage.last_seen > FORGET_SECONDS:
            del self._outages[digest]
            return None
        return outage


def _with(bots: tuple[str, ...], bot: str) -> tuple[str, ...]:
    return (*bots, bot) if bot and bot not in bots and len(bots) < MAX_BOTS else bots


def _opened(failure: Failure, first_seen: float, now: float, total: int, bots: tuple[str, ...]) -> Outage:
    return Outage(failure.key, failure.task, failure.kind, first_seen, now, now, total, bots)
