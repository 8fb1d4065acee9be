"""What the persistence window says, whoever keeps it: the processes of all hosts in Redis, or this process alone.

Two clocks of rule: `count` tasks within `seconds`; and, for bots that seldom run, failures in a row over a longer time.
An outage is open from the moment it is told until a success is seen, at least `CALM_SECONDS` after its last failure: a
half-broken exchange is one outage, not a hundred.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol

from monitoring.filtering.errors.row import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitoring.filtering.errors.row import Persistence

MAX_BOTS: Final = 20
#: Most tasks that are remembered per key; no threshold may lie above.
MAX_HITS: Final = MAX_COUNT
#: Most outages that are open at once; beyond that something else is wrong.
MAX_OUTAGES: Final = 200
CALM_SECONDS: Final = 30.0
#: An outage that nobody has seen for so long, failing or working, is forgotten without a word.
FORGET_SECONDS: Final = 2 * 86400.0


@dataclass(frozen=True, slots=True)
class OutageKey:
    """Name one trouble. `credential` holds what the error's row is counted by: a key's hash, a bot or a symbol."""

    exchange: str
    credential: str
    operation: str
    error_class: str

    @property
    def digest(self) -> str:
        """Return a short name for it, the same in every process."""
        text = f"{self.exchange}\0{self.credential}\0{self.operation}\0{self.error_class}"
        return blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Outage:
    """Tell of a trouble that persists. Times are epoch seconds; `total` counts tasks; `bots` are at most 20."""

    key: OutageKey
    task: str
    kind: str
    first_seen: float
    last_seen: float
    told_at: float
    total: int
    bots: tuple[str, ...]

    def known(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Outage:
        """Read what `known` or the Lua script has written; raises KeyError or ValueError for anything else."""
        return cls(
            key=OutageKey(**{name: str(text) for name, text in values["key"].items()}),
            task=str(values["task"]),
            kind=str(values["kind"]),
            first_seen=float(values["first_seen"]),
            last_seen=float(values["last_seen"]),
            told_at=float(values["told_at"]),
            total=int(values["total"]),
            # Lua writes an empty list as an empty object.
            bots=tuple(map(str, values["bots"] or ())),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """One task's failure, to be counted. `task_id` makes attempts of one task count once."""

    key: OutageKey
    task_id: str
    task: str
    kind: str
    bot: str
    rule: Persistence


@dataclass(frozen=True, slots=True)
class Verdict:
    """Say whether this failure is to be told; `count` tasks are in the window; the outage is known once it is open."""

    tell: bool
    count: int
    outage: Outage | None = None


@dataclass(frozen=True, slots=True)
class Success:
    """Say what a success has ended: an outage; or nothing yet, and when to ask again (seconds); or nothing at all."""

    ended: Outage | None = None
    ask_again_in: float | None = None


class Window(Protocol):
    """Count failures and tell when they persist."""

    def failed(self, failure: Failure, *, dry: bool = False) -> Verdict:
        """Count a failure; `dry` only asks what the verdict would be."""

    def worked(self, key: OutageKey) -> Success:
        """Note that it works again; ends the outage for everybody, once."""

    def outages(self) -> tuple[Outage, ...]:
        """Return what is open."""
