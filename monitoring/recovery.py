"""Tell that something works again: once for all processes, by whichever of them succeeds first."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sentry_sdk
from sentry_sdk.scope import Scope, ScopeType, use_isolation_scope, use_scope

from monitoring.context import TradingContext
from monitoring.filtering import recovered

if TYPE_CHECKING:
    from monitoring.filtering import EventFilter, Outage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Note successes while something is known to be broken; free, and without any look-up, while nothing is."""

    event_filter: EventFilter

    @property
    def idle(self) -> bool:
        """Whether nothing is known to be broken, so that no success need be noted."""
        return self.event_filter.idle()

    def task_worked(self, task: str) -> None:
        """Note that a task has succeeded, in the context that is bound here. Never raises."""
        if not self.idle:
            self._note(task=task)

    def operation_worked(self, operation: str) -> None:
        """Note that a tracked operation has succeeded, in the context that is bound here. Never raises."""
        if not self.idle:
            self._note(operation=operation)

    def _note(self, *, task: str = "", operation: str = "") -> None:
        context = TradingContext.current()
        ended = self.event_filter.worked(
            exchange=context.exchange or "",
            task=task,
            operation=operation,
            bot_id=context.bot_id or "",
            symbol=context.symbol or "",
        )
        for outage in ended:
            _tell(outage)


def _tell(outage: Outage) -> None:
    # Outside of the task's scopes: it is not this bot's news, nor this attempt's.
    with use_scope(Scope(ScopeType.CURRENT)), use_isolation_scope(Scope(ScopeType.ISOLATION)):
        sentry_sdk.capture_event(recovered(outage))
    logger.info("%s works again", outage.key.exchange or outage.task or outage.key.operation)
