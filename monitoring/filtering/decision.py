"""What the filter decided about one event, by which rule, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitoring.filtering.classify import Classification
    from monitoring.filtering.operations import Operation
    from monitoring.filtering.window import Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """Keep an event or suppress it. `failed` names drop rules that raised; such rules drop nothing."""

    keep: bool
    rule: str
    why: str
    classification: Classification | None
    operation: Operation
    fingerprint: tuple[str, ...]
    failed: tuple[str, ...] = ()
    verdict: Verdict | None = None
    held_back: int = field(default=0)

    def __str__(self) -> str:
        """Tell the decision in lines for an operator."""
        what = self.classification
        lines = [f"{'sent' if self.keep else 'suppressed'} by rule {self.rule}: {self.why}"]
        if what is not None:
            code = f", code {what.code}" if what.code else ""
            lines.append(f"error {what.error_class or '?'}: {what.kind} ({what.severity}), {what.treatment}{code}")
            if what.row is not None:
                condition = f" with {what.row.condition()}" if what.row.refined else ""
                lines.append(f"row {what.row.package or '*'}.{what.row.name}{condition}: {what.reason}")
        if self.operation.name:
            money = "changes state" if self.operation.money else "reads"
            lines.append(f"operation {self.operation.name} {money}")
        lines += [f"rule {name} failed and dropped nothing" for name in self.failed]
        return "\n".join(lines)
