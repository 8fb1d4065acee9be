"""Force files onto the disk, in a thread: that takes half a millisecond, or a second when the disk is busy."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final

from monitoring.delivery import threads

if TYPE_CHECKING:
    from pathlib import Path

#: The longest that a task waits for the disk to say that an error is on it, and not only with the kernel. Seconds.
FORCE_SECONDS: Final = 0.025


class Forcer:
    """Force files and the folders that name them, many at once where many ask. The thread starts with the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked: list[tuple[int, tuple[Path, ...]]] = []
        self._count = 0
        self._done = 0
        self._thread: threading.Thread | None = None

    def force(self, opened: int, *folders: Path) -> bool:
        """Take over a file, and wait until it is on disk, but no longer than a task may wait; say whether it is.

        `folders` are forced too: the one that names it, and those that are as new.

        What takes longer is still done, and the file closed.
        """
        with self._changed:
            if not self._runs():
                _force([(opened, folders)])
                return True
            self._asked.append((opened, folders))
            self._count += 1
            mine = self._count
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._done >= mine, FORCE_SECONDS)

    def forget(self) -> None:
        """Become as new in a forked child: the thread is the parent's, and so are the files."""
        for opened, _ in self._asked:
            with contextlib.suppress(OSError):
                os.close(opened)
        self.__init__()  # type: ignore[misc]  # the lock must be new, too

    def _runs(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="monitoring-disk", daemon=True)
            if not threads.start(thread):
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked)
                batch, self._asked = self._asked, []
            _force(batch)
            with self._changed:
                self._done += len(batch)
                self._changed.notify_all()


def _force(batch: list[tuple[int, tuple[Path, ...]]]) -> None:
    for opened, _ in batch:
        with contextlib.suppress(OSError):
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
    for folder in {folder for _, folders in batch for folder in folders}:
        with contextlib.suppress(OSError):
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
