"""What this process knows to be broken, so that a task that succeeds pays nothing while nothing is.

A process watches the keys that failed in it. Of outages elsewhere it learns from one byte that it shares with the other
processes of its worker: whichever of them sees an outage sets it, and the worker's main process looks every
`REFRESH_SECONDS` what other hosts have found. While the byte is set, a process asks as often, on a success, which
outages are open. So a recovery is told when a process succeeds with what was broken: mostly at the next success, at the
latest with the first one after the next look.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitoring.filtering.broken import Broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.filtering.operations import Operation
    from monitoring.filtering.window import Failure, Outage, OutageKey, Verdict, Window

REFRESH_SECONDS: Final = 30.0
#: Keys watched at once; failures beyond that are counted all the same.
MAX_WATCHED: Final = 1024
#: What failed here and neither persisted nor worked again in this time is watched no longer: nobody does it any more.
WATCH_SECONDS: Final = 4 * 3600.0


@dataclass(slots=True)
class _Watched:
    key: OutageKey
    task: str
    bots: tuple[str, ...]
    since: float
    not_before: float = 0.0

    def concerns(self, operation: Operation) -> bool:
        """Tell whether a success of this operation says something about the key."""
        key = self.key
        if key.exchange != operation.exchange:
            return False
        same_work = key.operation in {"", operation.name, operation.task} or (self.task and self.task == operation.task)
        if not same_work or (not key.exchange and self.task != operation.task):
            return False
        owners = {operation.credential, operation.bot, operation.symbol} - {""}
        return not key.credential or key.credential in owners or operation.bot in self.bots


class Watch:
    """Ask the window only about what is watched. `clock` is monotonic, in seconds."""

    def __init__(
        self, window: Window, refresh_seconds: float = REFRESH_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window = window
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._refresh_at = 0.0
        self._broken = Broken()
        # Written and read one item at a time: threads need no lock for it.
        self._watched: dict[str, _Watched] = {}

    def failed(self, failure: Failure, *, dry: bool) -> Verdict:
        """Count a failure and watch its key; `dry` only asks."""
        verdict = self._window.failed(failure, dry=dry)
        if dry:
            return verdict
        if verdict.outage is not None:
            self._broken.set(known=True)
        if len(self._watched) < MAX_WATCHED:
            bots = verdict.outage.bots if verdict.outage is not None else (failure.bot,)
            self._watched[failure.key.digest] = _Watched(failure.key, failure.task, bots, self._clock())
        return verdict

    def idle(self) -> bool:
        """Tell whether a success has nothing to ask for: all that it costs while nothing is broken."""
        return not (self._watched or self._broken.byte[0])

    def look_around(self) -> None:
        """Ask what is open in any process of any host, and let the processes of this worker know."""
        self._refresh_at = self._clock() + self._refresh_seconds
        outages = self._window.outages()
        self._broken.set(known=bool(outages))
        open_now = {outage.key.digest: outage for outage in outages}
        forgotten = self._clock() - WATCH_SECONDS
        for digest, watched in list(self._watched.items()):
            if watched.since < forgotten and digest not in open_now:
                self._watched.pop(digest, None)
        for digest, outage in open_now.items():
            self._watched.setdefault(digest, _Watched(outage.key, outage.task, outage.bots, self._clock()))

    def worked(self, operation: Operation) -> tuple[Outage, ...]:
        """Return the outages that a success ends; each is returned to one process only."""
        now = self._clock()
        if now >= self._refresh_at:
            self.look_around()
        ended = []
        for digest, watched in list(self._watched.items()):
            if now < watched.not_before or not watched.concerns(operation):
                continue
            success = self._window.worked(watched.key)
            if success.ask_again_in is not None:
                watched.not_before = now + success.ask_again_in
            else:
                self._watched.pop(digest, None)
            if success.ended is not None:
                ended.append(success.ended)
        if ended:
            # Its siblings stop asking now, and not only with the next look, if this was all.
            self.look_around()
        return tuple(ended)
