"""The gates an error passes after the drop rules, in order: money first, then what its row says, then the flood guard.

Every gate is a pure function of what is known; only the window and the flood guard remember anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.filtering.errors.row import Persistence, Treatment
from monitoring.filtering.window import Failure, OutageKey

if TYPE_CHECKING:
    from sentry_sdk.types import Event

    from monitoring.filtering.classify import Classification
    from monitoring.filtering.operations import Operation
    from monitoring.filtering.window import Verdict

#: name, what it does: printed below the drop rules.
GATES = (
    ("money", "kept: nobody knows whether an operation that moves money was carried out"),
    ("users_mistake", "suppressed: the exchange refused what a user's request asked for"),
    ("money_failed", "kept: an operation that moves money has failed, though nothing was carried out"),
    ("trading_outcome", "suppressed: a normal outcome of trading, counted"),
    ("not_persistent", "suppressed until it persists; then one event per cool-down, for all processes"),
    ("told_already", "suppressed: told once, and again after the cool-down"),
    ("flood", "suppressed: too many like it; the next one says how many"),
)


def counted_by(event: Event, what: Classification, operation: Operation) -> Failure | None:
    """Return what is to be counted for an error whose row has a window, else None."""
    if what.window is None or what.row is None:
        return None
    owner = {
        "exchange": "",
        "credential": operation.credential,
        "bot": operation.bot,
        "symbol": operation.symbol,
    }[what.per]
    # A dead key is dead for every operation.
    name = operation.name if what.treatment is not Treatment.CRITICAL else ""
    if what.per == "credential" and not owner:
        owner = operation.bot
    contexts = event.get("contexts") or {}
    task_id = (contexts.get("celery") or {}).get("id") or event.get("event_id") or ""
    return Failure(
        key=OutageKey(operation.exchange, owner, name, what.row.name),
        task_id=str(task_id),
        task=operation.task,
        kind=what.kind,
        bot=operation.bot,
        rule=what.window,
    )


def without_window(what: Classification, operation: Operation) -> tuple[bool, str, str] | None:
    """Decide what needs no counting: (keep, rule, why), or None to go on."""
    if what.treatment is Treatment.USER and operation.web:
        return False, "users_mistake", what.reason
    if operation.money and _at_least_an_error(what, operation):
        return True, "money_failed", f"an operation that moves money has failed: {what.reason}"
    if what.treatment is Treatment.STATE and what.window is None:
        return False, "trading_outcome", what.reason
    return None


def _at_least_an_error(what: Classification, operation: Operation) -> bool:
    if what.kind == "no_change":
        return False
    return what.treatment is Treatment.PERSISTENT or (what.treatment is Treatment.STATE and operation.exhausted)


def by_window(what: Classification, rule: Persistence, verdict: Verdict) -> tuple[bool, str, str]:
    """Decide by what was counted: (keep, rule, why)."""
    name = "told_already" if verdict.outage is not None else "not_persistent"
    if verdict.tell:
        return True, "persistent" if rule.count > 1 else "first", what.reason
    if name == "told_already":
        return False, name, f"told already; the next event comes {rule.cooldown:g} s after it"
    return False, name, f"{verdict.count} of {rule.count} tasks in {rule.seconds:g} s: {what.reason}"
