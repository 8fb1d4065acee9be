"""Count what is not told: nothing disappears uncounted."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from sentry_sdk._metrics_batcher import MetricsBatcher
from sentry_sdk.envelope import Envelope, Item, PayloadRef

if TYPE_CHECKING:
    from collections.abc import Mapping

LOST: Final = "monitoring.lost"
#: Errors that are in memory alone, because the spool could not take them.
UNSPOOLED: Final = "monitoring.unspooled"
SUPPRESSED: Final = "monitoring.suppressed"
#: The reason of an error or transaction that was sent without some of its parts, because Sentry takes no larger one.
CUT: Final = "cut_to_size"

#: Reasons of the SDK's that are somebody's choice: Sentry is told, and nothing is lost.
BY_CHOICE: Final = frozenset({"before_send", "event_processor", "sample_rate"})
#: Categories that repeat another one's loss: the bytes of logs and metrics.
REPEATS: Final = frozenset({"log_byte", "trace_metric_byte"})
#: Lost on Sentry's side, which has counted it already: told by our metric alone.
TOLD_BY_SENTRY: Final = "status_429"

Losses = dict[tuple[Any, str], int]  # (category, reason) to quantity, as the SDK keeps them


def count_lost(reason: str, quantity: int = 1) -> None:
    """Count something that monitoring should have told and could not, by its reason."""
    sentry_sdk.metrics.count(LOST, quantity, attributes={"reason": reason})


def count_suppressed(rule: str, quantity: int = 1) -> None:
    """Count events that a rule of the noise filter held back."""
    sentry_sdk.metrics.count(SUPPRESSED, quantity, attributes={"rule": rule})


def report_of(losses: Mapping[tuple[Any, str], int], options: Mapping[str, Any]) -> Envelope:
    """Return one envelope that tells losses twice: as Sentry's own client report, and as `monitoring.lost`.

    The metric does not go the SDK's way, where it would wait in a queue that may itself be what overflows.
    """
    envelope = Envelope()
    now = time.time()
    told = [
        {"reason": reason, "category": category, "quantity": quantity}
        for (category, reason), quantity in losses.items()
        if reason != TOLD_BY_SENTRY
    ]
    if told:
        report = {"timestamp": now, "discarded_events": told}
        envelope.add_item(Item(PayloadRef(json=report), type="client_report"))
    metrics: list[Any] = [
        _lost(now, quantity, reason, category, options)
        for (category, reason), quantity in losses.items()
        if reason not in BY_CHOICE and category not in REPEATS
    ]
    if metrics:
        envelope.add_item(MetricsBatcher._to_envelope_item(metrics))  # noqa: SLF001  # the format is the SDK's to know
    return envelope


def _lost(now: float, quantity: int, reason: str, category: str, options: Mapping[str, Any]) -> Any:
    attributes: dict[str, Any] = {
        "reason": reason,
        "category": category,
        "sentry.environment": options["environment"],
        "sentry.release": options["release"],
    }
    # Not through the scope's own method: the sender has no client, and no user, of its own.
    attributes |= sentry_sdk.get_global_scope()._attributes  # noqa: SLF001  # the SDK offers no other way to read them
    return {
        "timestamp": now,
        "trace_id": uuid.uuid4().hex,
        "name": LOST,
        "type": "counter",
        "value": float(quantity),
        "attributes": {name: value for name, value in attributes.items() if value is not None},
    }
