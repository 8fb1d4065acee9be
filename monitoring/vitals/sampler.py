"""One worker's part: leave a sign of life, and, if elected, look at everybody's and at the queues."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from monitoring.vitals.snapshot import BEAT
from monitoring.vitals.telling import tell_end, tell_sample, tell_trouble
from monitoring.vitals.troubles import Backlog, Limits, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitoring.vitals.board import Board
    from monitoring.vitals.pulse import Pulse
    from monitoring.vitals.queues import Queues
    from monitoring.vitals.snapshot import Snapshot

#: The lease outlives two looks that fail.
LEASE_INTERVALS: Final = 3


@dataclass(slots=True)
class Sampler:
    """Work once per `interval` (seconds). Raises what Redis or the broker raise; the next time may do better.

    Without a `board` (no Redis anywhere) only the queues are looked at, by the connection that RabbitMQ elects.
    """

    name: str
    interval: float
    limits: Limits
    board: Board | None
    queues: Queues
    pulse: Pulse
    facts: Callable[[], Mapping[str, Any]]
    backlog: Backlog = field(default_factory=Backlog)
    _token: str = field(default_factory=lambda: uuid4().hex)
    _elected: bool = False

    def tick(self) -> None:
        """Do one round."""
        facts = self.facts()
        if self.board is None:
            self.pulse.drain()
            if self.queues.take_seat():
                tell_sample(self.queues.depths(facts["queues"]), None, None)
            return
        succeeded, seen = self.pulse.drain()
        self.board.sign(self.name, facts, succeeded, seen)
        elected = self.board.elect(self._token, LEASE_INTERVALS * self.interval)
        if elected and not self._elected:
            # What happened while another one looked is not known here: queues are observed from now on.
            self.backlog = Backlog()
            self.board.sign(self.name, facts, (), (bot for bot in self.limits.budgets if not set("*?[") & set(bot)))
        self._elected = elected
        if elected:
            self._look(self.board)
        else:
            self.queues.close()

    def _look(self, board: Board) -> None:
        known = board.read()
        alive = [node for node in known.nodes if node.name != BEAT and known.now - node.at <= self.limits.gone]
        depths = self.queues.depths(sorted({queue for node in known.nodes for queue in node.queues}))
        held = self.queues.unacknowledged()
        if held is None:
            held = int(sum(node.number("held") for node in alive))
        tell_sample(depths, held, len(alive))
        self.backlog.note(known.now, depths)
        self._settle(board, replace(known, depths=depths))

    def _settle(self, board: Board, snapshot: Snapshot) -> None:
        verdict = judge(snapshot, self.backlog, self.limits)
        for key, trouble in verdict.troubles.items():
            if key not in snapshot.open and board.open(key, trouble.since):
                tell_trouble(trouble)
        for key, trouble in verdict.well.items():
            if key in snapshot.open and board.close(key):
                tell_end(trouble, snapshot.now - snapshot.open[key])
        for name in verdict.forgotten:
            board.forget(name)
            for kind in ("gone", "stalled"):
                board.close(f"{kind}:{name}")
        for bot in verdict.retired:
            board.forget_bot(bot)
            board.close(f"silent:{bot}")

    def leave(self) -> None:
        """Say goodbye: this worker ends by intent, and another one may be elected."""
        if self.board is not None:
            self.board.forget(self.name)
            self.board.resign(self._token)
        self.queues.close()
