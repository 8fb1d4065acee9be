"""What is in the spool of a host, for an operator to look at: every DSN's, every process's, and what was refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from monitoring.delivery.folders import REASON, REFUSED, files, held, kind_of, owners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A living process still tries; nobody has taken it over yet; Sentry does not want it.
WAITING: Final = "waiting"
LEFT: Final = "left"


@dataclass(frozen=True, slots=True)
class Kept:
    """Describe one envelope on disk. `written_at` is wall time, in seconds; `name` is what an operator calls it by."""

    path: Path
    state: str
    reason: str = ""

    @property
    def name(self) -> str:
        """Return the short name, unique on a host for all that an operator will see."""
        return self.path.name.split(".")[-2]

    @property
    def kind(self) -> str:
        """Return the kind of item: `event` for an error."""
        return kind_of(self.path.name)

    @property
    def written_at(self) -> float:
        """Return when it was captured, as seconds of wall time."""
        nanoseconds = self.path.name.partition(".")[0]
        return int(nanoseconds) / 1e9 if nanoseconds.isdigit() else 0.0

    @property
    def payload(self) -> Any:
        """Return the first item, or None when it is gone meanwhile or no envelope."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return json.loads(self.path.read_bytes().split(b"\n")[2])
        return None


def inventory(place: Path) -> list[Kept]:
    """Return everything that is kept, oldest first."""
    found: list[Kept] = []
    with contextlib.suppress(OSError):
        for root in sorted(place.iterdir()):
            found += _of_root(root)
    return sorted(found, key=lambda kept: kept.path.name)


def _of_root(root: Path) -> Iterator[Kept]:
    for folder in owners(root):
        with held(folder) as dead:
            for path in files(folder):
                yield Kept(path, LEFT if dead else WAITING)
    for path in files(root / REFUSED):
        try:
            reason = path.with_name(f"{path.name}{REASON}").read_text(encoding="utf-8")
        except OSError:
            reason = ""
        yield Kept(path, REFUSED, reason)
