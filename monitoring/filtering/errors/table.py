"""Look rows up by an error's ancestry. The first row of the table that matches decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitoring.filtering.chain import Lineage
    from monitoring.filtering.errors.row import ErrorRow

#: Classes of errors whose rows are remembered; a worker meets some dozens.
_REMEMBERED: Final = 1024


class ErrorTable:
    """Hold rows in order, and remember which of them a class could match."""

    def __init__(self, rows: Iterable[ErrorRow]) -> None:
        self.rows = tuple(rows)
        self._candidates: dict[Lineage, tuple[ErrorRow, ...]] = {}

    def match(self, lineage: Lineage, http: int | None, code: str | None, message: str) -> ErrorRow | None:
        """Return the first row that matches an error, or None."""
        candidates = self._candidates.get(lineage)
        if candidates is None:
            candidates = tuple(row for row in self.rows if _matches(row, lineage))
            if len(self._candidates) < _REMEMBERED:
                self._candidates[lineage] = candidates
        return next((row for row in candidates if row.admits(http, code, message)), None)


def _matches(row: ErrorRow, lineage: Lineage) -> bool:
    names = {name for _, name in lineage}
    if row.root and row.root in names:
        return row.name in names
    # Of an error that was unpickled or told by another process only the class itself is known, not its ancestors.
    any_name = row.name == row.root
    return any(
        (any_name or name == row.name) and (not row.package or f"{module}.".startswith(f"{row.package}."))
        for module, name in lineage
    )
