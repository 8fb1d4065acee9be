"""The SDK's transport, with counts that are safe from any thread: what was lost, and what Sentry wants no more of."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from sentry_sdk.tracing_utils import has_span_streaming_enabled
from sentry_sdk.transport import HttpTransport

from monitoring.delivery.answer import Verdict, verdict_of

if TYPE_CHECKING:
    import urllib3
    from sentry_sdk._types import EventDataCategory
    from sentry_sdk.envelope import Item

    from monitoring.delivery.answer import Answer
    from monitoring.delivery.losses import Losses
    from monitoring.delivery.waiting import Parcel

UNNAMED_LIMIT_SECONDS: Final = 60


def categories_of_trace(options: dict[str, Any]) -> tuple[EventDataCategory, ...]:
    """Return what an unsampled trace leaves out, as Sentry counts it: a transaction and its first span, or a span."""
    return ("span",) if has_span_streaming_enabled(options) else ("transaction", "span")


class Tally:
    """Count from any thread without a lock: `count` is one call that no other thread can come between."""

    def __init__(self) -> None:
        self.count = itertools.count().__next__
        self._taken = 0

    def take(self) -> int:
        """Return how often it was counted since the last time. By one thread at a time."""
        before = self.count()  # counts as well
        fresh, self._taken = before - self._taken, before + 1
        return fresh


class CountingTransport(HttpTransport):
    """Keep the SDK's own ledgers of losses and rate limits; how anything is sent is for a subclass to say."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._losses_lock = threading.RLock()
        #: Traces that a message said nobody samples: that is most tasks.
        self.unsampled = Tally()
        super().__init__(options)

    def record_lost_event(
        self, reason: str, data_category: Any = None, item: Item | None = None, *, quantity: int = 1
    ) -> None:
        """Count a loss, to be told in the next report."""
        with self._losses_lock:  # the SDK counts from every thread, and calls itself
            super().record_lost_event(reason, data_category, item, quantity=quantity)

    def limited(self, category: str) -> bool:
        """Say whether Sentry wants nothing of this category for now."""
        return bool(self._disabled_until) and self._check_disabled(category)

    def lose(self, parcel: Parcel, reason: str) -> None:
        """Count a parcel that will not be sent. What a lost report told is told by the next one."""
        if parcel.losses is not None:
            self.put_back_losses(parcel.losses)
        elif parcel.envelope is not None:
            for item in parcel.envelope.items:
                try:
                    self.record_lost_event(reason, item=item)
                except Exception:  # noqa: BLE001  # what cannot be written cannot be looked into either
                    self.record_lost_event(reason, item.data_category, quantity=item.headers.get("item_count") or 1)

    def take_losses(self) -> Losses:
        """Return what was counted since the last report, and count anew."""
        with self._losses_lock:
            self.add_unsampled()
            losses, self._discarded_events = dict(self._discarded_events), defaultdict(int)
        return losses

    def add_unsampled(self) -> None:
        """Add what sampling has left out to what was counted."""
        with self._losses_lock:
            quantity = self.unsampled.take()
            if quantity and self.options["send_client_reports"]:
                for category in categories_of_trace(self.options):
                    self._discarded_events[category, "sample_rate"] += quantity

    def put_back_losses(self, losses: Losses) -> None:
        """Count again what a report could not tell."""
        with self._losses_lock:
            for key, quantity in losses.items():
                self._discarded_events[key] += quantity

    def limit(self, category: str, answer: Answer) -> None:
        """Obey the rate limits that an answer names."""
        self._update_rate_limits(cast("urllib3.BaseHTTPResponse", answer))
        if verdict_of(answer) is Verdict.LIMITED and not self._check_disabled(category):
            # It limits others by name and refuses this one all the same: that must not become a busy loop.
            self._disabled_until[cast("Any", category)] = datetime.now(UTC) + timedelta(seconds=UNNAMED_LIMIT_SECONDS)

    def forget_losses(self) -> None:
        """Become as new in a forked child: what the parent has lost is the parent's to tell."""
        self._losses_lock = threading.RLock()
        self.unsampled.take()
        self._discarded_events = defaultdict(int)
