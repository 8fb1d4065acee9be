"""One row of the exchange-error table: which error, what it means to a trading operator, and what is done with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Severity = Literal["fatal", "error", "warning", "info"]
"""Sentry's own level names; a classified event gets its row's."""

Scope = Literal["exchange", "credential", "bot", "symbol"]
"""Whose trouble an error is: everybody's on the exchange, one API key's, one bot's, or one symbol's."""


#: Tasks that a window remembers per key.
MAX_COUNT: Final = 200


class Treatment(StrEnum):
    """What the filter does with an error of a kind, when no rule before has decided."""

    SEND = "send"
    """Send it."""
    CRITICAL = "critical"
    """Send it at once; with a window, once per key and cool-down."""
    PERSISTENT = "persistent"
    """Hold it back until it persists; then send one event."""
    STATE = "state"
    """A normal outcome of trading: count it; with a window, send one event when it persists."""
    USER = "user"
    """The caller's mistake when a user's request led here; otherwise our bug, and sent."""
    BUG = "bug"
    """Our code is wrong: send it."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """When an error counts as persistent: `count` tasks within `seconds`.

    Bots that run once an hour never reach that, so `sparse_count` failures in a row, the first of them
    `sparse_seconds` ago or longer and no success seen between, are persistent too. After an event the next comes
    `cooldown` seconds later.
    """

    count: int
    seconds: float = 600.0
    cooldown: float = 3600.0
    sparse_count: int = 3
    sparse_seconds: float = 1800.0

    def __post_init__(self) -> None:
        """Refuse what the window could never count."""
        if not 1 <= self.count <= MAX_COUNT:
            raise ValueError(f"Persistence.count must be from 1 to {MAX_COUNT}, got {self.count}")
        if self.seconds <= 0 or self.cooldown < 0:
            raise ValueError(f"Persistence needs seconds > 0 and cooldown >= 0, got {self.seconds} and {self.cooldown}")

    def __str__(self) -> str:
        """Say it in words."""
        after = f"once per {self.cooldown / 3600:g} h"
        return after if self.count == 1 else f"{self.count} tasks in {self.seconds / 60:g} min, then {after}"


#: The ordinary window: five tasks within ten minutes.
TRANSIENT: Final = Persistence(5)
#: For what seldom heals by itself.
SOON: Final = Persistence(3)
#: For our own broker, cache and database: everything stands still without them.
OWN_SERVICES: Final = Persistence(3, seconds=60.0, cooldown=900.0)
#: For announced downtime: an hour of it is news.
MAINTENANCE: Final = Persistence(20, seconds=3600.0, sparse_seconds=7200.0)
#: One event at once, then silence until the cool-down is over or it works again.
ONCE: Final = Persistence(1, seconds=3600.0)
#: The same, at most once a day: nobody can do anything about it meanwhile.
DAILY: Final = Persistence(1, seconds=86400.0, cooldown=86400.0)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Match errors by a class name in the MRO, and say how they are treated.

    `package` narrows it to classes of that package (a dotted prefix of the module). `root` admits classes of any
    package whose ancestry holds a class of that name as well: a copy of ccxt's hierarchy counts as ccxt's. `http`,
    `codes` and `says` (a pattern, looked for in the message) are refinements: with any given, one of them must hold.
    """

    name: str
    kind: str
    severity: Severity
    treatment: Treatment
    reason: str
    package: str = ""
    root: str = ""
    http: tuple[int, ...] | range = ()
    codes: tuple[str, ...] = ()
    says: str = ""
    window: Persistence | None = None
    per: Scope = "exchange"
    uncertain: bool = False
    """In an operation that changes state, nobody knows after this error whether it was carried out."""
    critical_in: Literal["", "closing", "changing"] = ""
    """Critical in an operation that closes or protects a position, or in any that changes state."""
    generic: bool = False
    """Says little: a cause that the table knows better decides instead."""

    @property
    def refined(self) -> bool:
        """Tell whether the class name alone is not enough."""
        return bool(self.http or self.codes or self.says)

    def admits(self, http: int | None, code: str | None, message: str) -> bool:
        """Tell whether the refinements hold for an error of the right class."""
        if not self.refined:
            return True
        return (
            http in self.http
            or code in self.codes
            or (bool(self.says) and re.search(self.says, message, re.IGNORECASE) is not None)
        )

    def condition(self) -> str:
        """Say in words what is matched."""
        parts = []
        if isinstance(self.http, range):
            parts = [f"HTTP {self.http.start}-{self.http.stop - 1}"]
        elif self.http:
            parts = [f"HTTP {', '.join(map(str, self.http))}"]
        parts += [f"code {', '.join(self.codes)}"] if self.codes else []
        parts += [f"text `{self.says}`"] if self.says else []
        return " or ".join(parts)
