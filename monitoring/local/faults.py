"""What the local Sentry can be told to do wrong, so that senders can be tested against a failing Sentry."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Faults:
    """Describe how envelopes are answered from now on; the default is a healthy Sentry.

    A status from 200 to 299 stores the envelope and adds `headers` to the answer (`X-Sentry-Rate-Limits` works on any
    status); any other status refuses it unread. `delay_seconds` passes before the answer. `hang` never answers, until
    other faults are set or the server closes. `refuse` resets the connection, which a sender cannot tell from a
    server that went away; for a closed port, close the LocalSentry and start another one on the same port.
    `times` limits the fault to that many requests, after which Sentry is healthy again; None means until changed.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    hang: bool = False
    refuse: bool = False
    times: int | None = None

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:  # noqa: PLR2004 - the range of final HTTP statuses
            raise ValueError(f"Faults.status must be a final HTTP status from 200 to 599, got {self.status!r}")
        if not 0 <= self.delay_seconds <= 3600:  # noqa: PLR2004 - an hour is longer than any sender's patience
            raise ValueError(f"Faults.delay_seconds must be from 0 to 3600, got {self.delay_seconds!r}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"Faults.times must be at least 1, or None for always, got {self.times!r}")

    @property
    def accepts(self) -> bool:
        """Tell whether an envelope is stored under these faults."""
        return self.status < 300 and not self.hang and not self.refuse  # noqa: PLR2004 - 2xx


HEALTHY = Faults()


class FaultSwitch:
    """Hold the faults that are in force; may be set from any thread at any time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._faults = HEALTHY
        self._left: int | None = None

    @property
    def faults(self) -> Faults:
        """Return the faults of the next request."""
        with self._changed:
            return HEALTHY if self._left == 0 else self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._changed:
            self._faults, self._left = faults, faults.times
            self._changed.notify_all()

    def take(self) -> Faults:
        """Return the faults for one request, and count it."""
        with self._changed:
            if self._left == 0:
                return HEALTHY
            if self._left is not None:
                self._left -= 1
            return self._faults

    def wait_while(self, faults: Faults, seconds: float | None) -> None:
        """Wait as long as these faults are set, at most `seconds` (None: however long)."""
        with self._changed:
            self._changed.wait_for(lambda: self._faults is not faults, seconds)
