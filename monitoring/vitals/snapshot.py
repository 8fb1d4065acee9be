"""What is known at one moment: signs of life, bots, queues. Plain values, to be judged without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Whoever runs beat: there is one.
BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Node:
    """Hold the last sign of life of a worker, or of beat; `at` is the server's clock, in seconds.

    `facts` is what the process said of itself: see `signals.vitals`.
    """

    name: str
    at: float
    facts: dict[str, Any]

    def number(self, name: str) -> float:
        """Return a fact that is a number, else 0: another version may have written it."""
        value = self.facts.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def queues(self) -> tuple[str, ...]:
        """Return the names of the queues that a worker consumes."""
        names = self.facts.get("queues")
        return tuple(map(str, names)) if isinstance(names, list) else ()

    @property
    def leaving(self) -> bool:
        """Tell whether it has said that it is about to end."""
        return bool(self.facts.get("leaving"))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Hold one moment. `bots` is the time of each bot's last success, `open` since when each told trouble lasts."""

    now: float
    nodes: tuple[Node, ...] = ()
    bots: dict[str, float] = field(default_factory=dict)
    open: dict[str, float] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
