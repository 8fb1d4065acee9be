"""The noise filter: the first of our parts in Sentry's `before_send`. It fails open: in doubt an event is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from monitoring.filtering.classify import chain_of, classify_chain
from monitoring.filtering.decision import Decision
from monitoring.filtering.enrich import enrich, mark_failed
from monitoring.filtering.errors import EXCHANGE_ERRORS
from monitoring.filtering.errors.table import ErrorTable
from monitoring.filtering.fingerprint import fingerprint_of
from monitoring.filtering.flood import FloodGuard
from monitoring.filtering.gates import by_window, counted_by, without_window
from monitoring.filtering.ledger import Ledger
from monitoring.filtering.local_window import LocalWindow
from monitoring.filtering.operations import Operation, operation_of
from monitoring.filtering.rules import POLICY
from monitoring.filtering.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sentry_sdk.types import Event, Hint

    from monitoring.filtering.classify import Classification
    from monitoring.filtering.errors.row import ErrorRow
    from monitoring.filtering.window import Outage, Verdict, Window

logger = logging.getLogger(__name__)

#: Transactions, check-ins and whatever else passes `before_send` are none of the filter's business.
_ERRORS: Final = (None, "error")


class EventFilter:
    """Decide which events are noise, and write on the others what is known of them.

    `policy` holds drop rules, asked in order; `table` the rows that errors are looked up in, an application's own
    first. `window` counts what must persist before it is told: `shared_window(url)` for the processes of all hosts, by
    default this process alone.
    """

    def __init__(  # noqa: PLR0913  # each part can be replaced, in tests most of all
        self,
        policy: Iterable[Callable[[Event, Hint], bool]] = POLICY,
        table: Iterable[ErrorRow] = EXCHANGE_ERRORS,
        *,
        window: Window | None = None,
        watch: Watch | None = None,
        flood: FloodGuard | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.policy = tuple(policy)
        self.table = ErrorTable(table)
        self.flood = flood or FloodGuard()
        self.ledger = ledger or Ledger()
        self._own_window = watch is not None or window is not None
        self._watch_by(watch or Watch(window or LocalWindow()))

    def __call__(self, event: Event, hint: Hint) -> Event | None:
        """Return the event, enriched, or None for noise. Never raises; everything suppressed is in the ledger."""
        if event.get("type") not in _ERRORS:
            return event
        try:
            decision = self._decide(event, hint or {}, dry=False)
            if decision.keep:
                return enrich(event, decision)
            self.ledger.count(decision.rule)
        except Exception:
            # Raising here would lose the event without a trace.
            logger.warning("the noise filter failed; the event is sent as it is", exc_info=True)
            return mark_failed(event, "filter")
        return None

    def count_in(self, window: Window) -> None:
        """Count what must persist in this window from now on, unless the application has chosen one.

        To be called before the process forks: what was counted so far stays where it was.
        """
        if not self._own_window:
            self._watch_by(Watch(window))

    def _watch_by(self, watch: Watch) -> None:
        self._watch = watch
        #: Tells whether nothing is known to be broken, so that no success needs to be noted. Costs no look-up.
        self.idle = watch.idle

    def look_around(self) -> None:
        """Find out what is broken on other hosts: for a process that has the time. Never raises."""
        try:
            self._watch.look_around()
        except Exception:
            logger.warning("the persistence window failed", exc_info=True)

    def explain(self, event: Event, hint: Hint) -> Decision:
        """Return what the filter would decide about an event now, without counting it."""
        return self._decide(event, hint or {}, dry=True)

    def worked(  # noqa: PLR0913  # the tags of a task
        self,
        *,
        exchange: str = "",
        task: str = "",
        operation: str = "",
        bot_id: str = "",
        symbol: str = "",
        credential: str = "",
    ) -> tuple[Outage, ...]:
        """Note that a task or an operation worked, and return the outages that end by it, each to one process only.

        Free while nothing is known to be broken. Never raises.
        """
        try:
            if self._watch.idle():
                return ()
            where = Operation(operation or task, task, exchange, symbol, bot_id, credential)
            return self._watch.worked(where)
        except Exception:
            logger.warning("the persistence window failed", exc_info=True)
            return ()

    def _decide(self, event: Event, hint: Hint, *, dry: bool) -> Decision:
        chain = chain_of(event, hint)
        operation = operation_of(event, chain)
        what = classify_chain(chain, operation, self.table) if chain else None
        fingerprint = fingerprint_of(event, what, operation)
        failed: list[str] = []
        verdict: Verdict | None = None
        held_back = 0

        decided = self._money(what) or self._drop_rules(event, hint, failed)
        if decided is None and what is not None:
            decided = without_window(what, operation)
            if decided is None and (failure := counted_by(event, what, operation)) is not None:
                verdict = self._watch.failed(failure, dry=dry)
                decided = by_window(what, failure.rule, verdict)
        if decided is None or decided[1] == "money_failed":
            passes, held_back = self._flood(fingerprint, dry=dry)
            if not passes:
                decided = (False, "flood", self.flood.reason)
        keep, rule, why = decided or (True, "sent", what.reason if what is not None else "no rule calls it noise")
        return Decision(keep, rule, why, what, operation, fingerprint, tuple(failed), verdict, held_back)

    @staticmethod
    def _money(what: Classification | None) -> tuple[bool, str, str] | None:
        return (True, "money", what.reason) if what is not None and what.never_filtered else None

    def _drop_rules(self, event: Event, hint: Hint, failed: list[str]) -> tuple[bool, str, str] | None:
        for rule in self.policy:
            try:
                if rule(event, hint):
                    return False, name_of(rule), reason_of(rule)
            except Exception:
                logger.debug("a drop rule failed", exc_info=True)
                failed.append(name_of(rule))
        return None

    def _flood(self, fingerprint: tuple[str, ...], *, dry: bool) -> tuple[bool, int]:
        if dry:
            return self.flood.would_pass(fingerprint), 0
        held_back = self.flood.take(fingerprint)
        return held_back is not None, held_back or 0


def name_of(rule: object) -> str:
    """Return the name that a drop rule is counted by; a plain function's is its own."""
    return str(getattr(rule, "name", None) or getattr(rule, "__name__", None) or type(rule).__name__)


def reason_of(rule: object) -> str:
    """Return why a drop rule calls an event noise; a plain function says it in the first line of its docstring."""
    documented = (getattr(rule, "__doc__", None) or name_of(rule)).strip().splitlines()[0]
    return str(getattr(rule, "reason", None) or documented)
