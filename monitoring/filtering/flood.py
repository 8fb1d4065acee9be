"""The flood guard: the same trouble may speak a few times at once, then once a minute, and says what was held back."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

#: Fingerprints that are remembered; the one not seen for longest is forgotten.
MAX_BUCKETS: Final = 2048


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    held_back: int = 0


class FloodGuard:
    """Keep a token bucket per fingerprint, in this process: `burst` events at once, then one per `seconds`.

    `clock` is monotonic, in seconds. A bucket that is forgotten forgets what it held back; the ledger has the count.
    """

    def __init__(self, burst: int = 10, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._seconds = seconds
        self._clock = clock
        self._renew()
        call_after_fork(self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()

    @property
    def reason(self) -> str:
        """Say what the guard allows."""
        return f"more than {self._burst} like it at once, or one in {self._seconds:g} s"

    def take(self, fingerprint: tuple[str, ...]) -> int | None:
        """Let an event pass and return how many like it were held back before, or hold it back and return None."""
        with self._lock:
            bucket = self._buckets.setdefault(fingerprint, _Bucket(self._burst, self._clock()))
            self._buckets.move_to_end(fingerprint)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            now = self._clock()
            bucket.tokens, bucket.filled_at = self._tokens(bucket, now), now
            if bucket.tokens < 1:
                bucket.held_back += 1
                return None
            bucket.tokens -= 1
            held_back, bucket.held_back = bucket.held_back, 0
            return held_back

    def would_pass(self, fingerprint: tuple[str, ...]) -> bool:
        """Tell whether `take` would let an event pass, without taking anything."""
        with self._lock:
            bucket = self._buckets.get(fingerprint)
            return bucket is None or self._tokens(bucket, self._clock()) >= 1

    def _tokens(self, bucket: _Bucket, now: float) -> float:
        return min(float(self._burst), bucket.tokens + (now - bucket.filled_at) / self._seconds)
