"""How much of the disk the spool takes, over all processes: counted now and then, estimated in between."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How often the sender counts anew, once this process has had something to write. A full spool has tens of thousands of
#: files, too many to be counted while a task waits.
COUNT_SECONDS: Final = 15.0
#: What the smallest file takes.
BLOCK: Final = 4096


@dataclass(slots=True)
class Usage:
    """Say whether there is room. Files count as whole blocks of the disk."""

    root: Path
    clock: Callable[[], float]
    _bytes: int = 0
    _counted_at: float = -math.inf

    def allows(self, size: int, limit: float) -> bool:
        """Say whether a file of `size` bytes fits into `limit`, by the last count and what is ours since."""
        if not self.counted:
            self.count()
        return self._bytes + _blocks(size) <= limit

    @property
    def counted(self) -> bool:
        """Whether anybody has asked yet."""
        return self._counted_at != -math.inf

    def count(self) -> None:
        """Count what there is, if the last count is old."""
        now = self.clock()
        if now - self._counted_at >= COUNT_SECONDS:
            self._counted_at = now
            self._bytes = sum(size for _, size in _walk(self.root))

    def add(self, size: int) -> None:
        """Count a file of ours that has come (or, below 0, gone)."""
        self._bytes += _blocks(size) if size >= 0 else -_blocks(-size)

    @staticmethod
    def oldest_over(folder: Path, limit: float) -> list[tuple[Path, int]]:
        """Return what must go, by age, for a folder to keep to a limit."""
        found = sorted(_walk(folder), key=lambda each: each[0].name)
        over = sum(size for _, size in found) - limit
        going = []
        for path, size in found:
            if over <= 0:
                break
            going.append((path, size))
            over -= size
        return going


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _walk(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield every file below, with the bytes that it takes."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name)
        else:
            try:
                yield folder / entry.name, _blocks(entry.stat(follow_symlinks=False).st_size)
            except OSError:
                continue  # gone meanwhile
