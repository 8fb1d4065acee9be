"""Look at a worker before it starts: what it depends on, what will be monitored, and what its pool cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring.preflight.checks import CHECKS, Finding, Level
from monitoring.preflight.facts import Facts, gather

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery

__all__ = ["Finding", "Level", "Report", "examine"]


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what was found. Without facts there was no app to look at."""

    facts: Facts | None
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether the worker must not start."""
        return any(finding.level is Level.REFUSED for finding in self.findings)


def examine(app: Celery, options: Mapping[str, Any]) -> Report:
    """Look at an app and at the options for its worker. Takes `facts.ASK_SECONDS` at most, plus the imports."""
    if app.main in {None, "default"}:
        text = "no application: name yours before the command, as in `celery -A worker start`"
        return Report(None, (Finding(Level.REFUSED, "app", text),))
    facts = gather(app, options)
    return Report(facts, tuple(finding for check in CHECKS for finding in check(facts)))
