"""What a snapshot means: who is gone, stalled or silent, and who is known to be well. Pure: facts in, verdict out."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from monitoring.vitals.snapshot import BEAT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitoring.vitals.snapshot import Node, Snapshot

#: A worker all of whose processes are busy may have long tasks: it is given so much more time.
BUSY_FACTOR: Final = 5
#: Nodes that have been gone for so long are forgotten without a word. Seconds.
FORGET_SECONDS: Final = 86_400.0
#: Bots that have been silent for so long are forgotten likewise. Seconds.
RETIRED_SECONDS: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold what an operator has set; seconds."""

    gone: float
    stalled: float
    budgets: Mapping[str, float]

    def budget(self, bot: str) -> float | None:
        """Return a bot's budget: by its own name, else by the first pattern that it matches."""
        if bot in self.budgets:
            return self.budgets[bot]
        return next((seconds for glob, seconds in self.budgets.items() if fnmatchcase(bot, glob)), None)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Tell one trouble: `key` is the same for as long as it lasts, `over` says how it reads when it has passed."""

    key: str
    words: str
    over: str
    since: float
    tags: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Backlog:
    """Remember since when each queue has had messages waiting and has not become shorter. Of the elected one only."""

    _since: dict[str, tuple[float, int]] = field(default_factory=dict)

    def note(self, now: float, depths: Mapping[str, int]) -> None:
        """Take in the depths of one moment."""
        for queue, depth in depths.items():
            known = self._since.get(queue)
            if not depth:
                self._since.pop(queue, None)
            elif known is None or depth < known[1]:
                self._since[queue] = (now, depth)

    def waiting(self, queue: str, now: float) -> float:
        """Return for how many seconds a queue has not become shorter; 0 for an empty one."""
        known = self._since.get(queue)
        return now - known[0] if known is not None else 0.0


@dataclass(slots=True)
class Verdict:
    """Hold what is wrong, what is known to be well (both by key), and which nodes and bots can be forgotten."""

    troubles: dict[str, Trouble] = field(default_factory=dict)
    well: dict[str, Trouble] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)

    def say(self, trouble: Trouble, *, holds: bool) -> None:
        """Note a trouble as there, or as known to be over."""
        (self.troubles if holds else self.well)[trouble.key] = trouble


def judge(snapshot: Snapshot, backlog: Backlog, limits: Limits) -> Verdict:
    """Judge one moment. What cannot be known (a dead worker's progress) is neither trouble nor well."""
    verdict = Verdict()
    for node in snapshot.nodes:
        silent = snapshot.now - node.at
        if silent > (limits.gone if node.leaving and node.name != BEAT else FORGET_SECONDS):
            verdict.forgotten.append(node.name)
            continue
        rule: Callable[..., Trouble] = _beat_gone if node.name == BEAT else _worker_gone
        verdict.say(rule(node, silent), holds=silent > limits.gone)
        if node.name != BEAT and silent <= limits.gone and not node.leaving:
            _judge_progress(verdict, node, snapshot, backlog, limits)
    for bot, at in snapshot.bots.items():
        budget = limits.budget(bot)
        if snapshot.now - at > RETIRED_SECONDS + (budget or 0.0):
            verdict.retired.append(bot)
        elif budget is not None:
            verdict.say(_bot_silent(bot, at, snapshot.now, budget), holds=snapshot.now - at > budget)
    return verdict


def _beat_gone(node: Node, silent: float) -> Trouble:
    how = "it was stopped" if node.leaving else "it was killed or hangs"
    return Trouble(
        f"gone:{BEAT}",
        f"Beat is gone: no sign of life for {silent:.0f} s, {how}; nothing periodic is published",
        "Beat is back",
        node.at,
        {"component": "beat"},
        {"host": node.facts.get("host"), "pid": node.facts.get("pid")},
    )


def _worker_gone(node: Node, silent: float) -> Trouble:
    return Trouble(
        f"gone:{node.name}",
        f"Worker {node.name} is gone: no sign of life for {silent:.0f} s; what it was doing is lost or comes again",
        f"Worker {node.name} is back",
        node.at,
        {"worker": node.name},
        {"queues": list(node.queues), "pid": node.facts.get("pid"), "active": node.facts.get("active")},
    )


def _judge_progress(verdict: Verdict, node: Node, snapshot: Snapshot, backlog: Backlog, limits: Limits) -> None:
    busy = node.number("active") >= max(1.0, node.number("slots"))
    patience = limits.stalled * (BUSY_FACTOR if busy else 1)
    idle = node.number("idle_s")
    waiting = {queue: depth for queue in node.queues if (depth := snapshot.depths.get(queue, 0))}
    stuck = [queue for queue in waiting if backlog.waiting(queue, snapshot.now) >= patience]
    told = ", ".join(f"{waiting[queue]} in {queue}" for queue in stuck)
    trouble = Trouble(
        f"stalled:{node.name}",
        f"Worker {node.name} is alive and takes nothing: {told} wait, and it has begun no task for {idle:.0f} s",
        f"Worker {node.name} takes tasks again",
        snapshot.now - idle,
        {"worker": node.name, **({"queue": stuck[0]} if stuck else {})},
        {"waiting": waiting, "active": node.facts.get("active"), "slots": node.facts.get("slots")},
    )
    if idle >= patience and stuck:
        verdict.say(trouble, holds=True)
    elif idle < patience or not waiting:
        verdict.say(trouble, holds=False)


def _bot_silent(bot: str, at: float, now: float, budget: float) -> Trouble:
    return Trouble(
        f"silent:{bot}",
        f"Bot {bot} has had no successful task for {now - at:.0f} s; its budget is {budget:g} s",
        f"Bot {bot} works again",
        at,
        {"bot_id": bot},
        {"budget_s": budget},
    )
