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
            names = {name for _, name in lineage}
            candidates = tuple(row for row in self.rows if row.name in names and _belongs(row, lineage, names))
            if len(self._candidates) < _REMEMBERED:
                self._candidates[lineage] = candidates
        return next((row for row in candidates if row.admits(http, code, message)), None)


def _belongs(row: ErrorRow, lineage: Lineage, names: set[str]) -> bool:
    if not row.package or (row.root and row.root in names):
        return True
    return any(
        name == row.name and (module == row.package or module.startswith(row.package + ".")) for module, name in lineage
    )
