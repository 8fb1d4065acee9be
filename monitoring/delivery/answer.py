"""What Sentry answers, and what that means for what was sent."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from urllib3 import HTTPHeaderDict

_SHOWN: Final = 500
_TOO_MANY: Final = 429
#: Answers of the 400s that say nothing of what was sent: it came too slowly, or too early.
_PASSING: Final = frozenset({408, 425})


class Verdict(enum.Enum):
    """What becomes of what was sent."""

    TAKEN = enum.auto()
    LIMITED = enum.auto()
    REFUSED = enum.auto()  # for good: the same would be refused again
    FAILED = enum.auto()  # Sentry is not there, or not well


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer. `status` and `headers` are what the SDK's own rate-limit code reads."""

    status: int
    head: bytes = b""
    body: bytes = b""

    @property
    def headers(self) -> HTTPHeaderDict:
        """Return the headers by name, in any case."""
        found = HTTPHeaderDict()
        for line in self.head.decode("latin-1").splitlines()[1:]:
            name, colon, value = line.partition(":")
            if colon:
                found.add(name.strip(), value.strip())
        return found

    @property
    def text(self) -> str:
        """Return the status and the start of what it says, on one line."""
        return " ".join([str(self.status), *self.body[:_SHOWN].decode(errors="replace").split()])

    @property
    def limits(self) -> bool:
        """Whether the answer says anything of rate limits."""
        return self.status == _TOO_MANY or b"x-sentry-rate-limits" in self.head.lower()


def verdict_of(answer: Answer | OSError) -> Verdict:
    """Say what an answer, or its absence, means."""
    if isinstance(answer, OSError) or answer.status in _PASSING:
        return Verdict.FAILED
    if answer.status == _TOO_MANY:
        return Verdict.LIMITED
    return {2: Verdict.TAKEN, 4: Verdict.REFUSED}.get(answer.status // 100, Verdict.FAILED)
