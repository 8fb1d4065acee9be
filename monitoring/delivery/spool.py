"""Errors on disk until Sentry has them: written, read, removed, refused, taken over. For the layout see `folders`."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from monitoring.delivery.folders import REASON, REFUSED, files, held, make_owned, owners, private, remove_empty
from monitoring.delivery.forcing import Forcer
from monitoring.delivery.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: A disk that takes longer for a write, which is to hand it to the kernel, is left alone for a minute.
SLOW_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 60.0
#: The part of the bound that what Sentry refused may take; the oldest goes first.
REFUSED_SHARE: Final = 0.25


class SpoolError(Exception):
    """Say why a file could not be written: `full`, `slow`, `untrusted`, `closed`, or the system's word, like ENOSPC."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Spool:
    """Write, read and remove this process's files; take over those of the dead.

    Safe from any thread. `limit` bounds the bytes of all processes together; what others write within fifteen seconds
    may come on top. Nothing is made on disk before the first file.
    """

    root: Path
    limit: int
    clock: Callable[[], float] = time.monotonic
    usage: Usage = field(init=False)
    _folder: Path | None = None
    _new_folders: tuple[Path, ...] = ()
    _lock: int = -1
    _forcer: Forcer = field(default_factory=Forcer)
    _making: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _unused_until: float = 0.0

    def __post_init__(self) -> None:
        self.usage = Usage(self.root, self.clock)

    def put(self, name: str, text: bytes, *, force: bool = True, share: float = 1.0) -> None:
        """Write an envelope under a name of `name_for`. With `force` it survives a power cut, once the disk has it.

        The caller waits for that at most 25 ms.

        `share` is the part of the bound that it may fill. Raise `SpoolError` when it cannot be written.
        """
        started = self.clock()
        if started < self._unused_until:
            raise SpoolError("slow")
        if not self.usage.allows(len(text), self.limit * share):
            raise SpoolError("full")
        try:
            opened, folder = self._write_owned(name, text)
        except OSError as error:
            raise SpoolError(_word(error)) from error
        self.usage.add(len(text))
        now = self.clock()
        if now - started > SLOW_SECONDS:
            self._unused_until = now + PAUSE_SECONDS
        if force:
            self._forcer.force(opened, folder, *self._new_folders)
            self._new_folders = ()
        else:
            os.close(opened)

    def has(self, name: str) -> bool:
        """Say whether a file is there, whole."""
        try:
            return self._path(name).exists()
        except OSError:
            return False

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None when it is gone."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove what Sentry has taken."""
        with contextlib.suppress(OSError):
            path = self._path(name)
            size = path.stat().st_size
            path.unlink()
            self.usage.add(-size)

    def refuse(self, name: str, reason: str) -> None:
        """Set aside what Sentry does not want, with the reason; drop the oldest of its kind when there is too much."""
        aside = self.root / REFUSED
        with contextlib.suppress(OSError):
            aside.mkdir(mode=0o700, exist_ok=True)
            _write_text(aside / f"{name}{REASON}", reason)
            self._path(name).rename(aside / name)
        bound = self.limit * REFUSED_SHARE
        for path, size in self.usage.oldest_over(aside, bound):
            with contextlib.suppress(OSError):
                path.unlink()
                self.usage.add(-size)

    def adopt(self) -> list[str]:
        """Take over what dead processes have left; return the names, oldest first. Called from time to time."""
        if self.usage.counted:
            self.usage.count()
        adopted: list[str] = []
        for folder in () if self._closed else owners(self.root):
            if folder == self._folder:
                continue
            with held(folder) as dead:
                if dead:
                    adopted += self._move_from(folder)
        return sorted(adopted)

    def readmit(self, name: str) -> bool:
        """Take back something that Sentry refused, to be tried again; say whether it was there."""
        aside = self.root / REFUSED
        try:
            (aside / name).rename(self._own_folder() / name)
        except (OSError, SpoolError):
            return False
        with contextlib.suppress(OSError):
            (aside / f"{name}{REASON}").unlink()
        return True

    def leave(self, *, for_good: bool = False) -> None:
        """Remove the folder when it is empty. `for_good` lets others have what is in it, and ends this spool."""
        self._closed = self._closed or for_good
        folder = self._folder
        if folder is not None and (for_good or not any(files(folder))):
            self._abandon(folder)

    def forget(self) -> None:
        """Become as new in a forked child: the folder and its lock are the parent's."""
        self._folder = None
        self._making = threading.Lock()
        self._forcer.forget()
        self._let_go()

    def _abandon(self, folder: Path) -> None:
        self._folder = None
        remove_empty(folder)
        self._let_go()

    def _let_go(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _path(self, name: str) -> Path:
        if self._folder is None:
            raise FileNotFoundError(name)
        return self._folder / name

    def _own_folder(self) -> Path:
        with self._making:
            if self._closed:
                raise SpoolError("closed")
            if self._folder is None:
                if not private(self.root):
                    raise SpoolError("untrusted")
                self._folder, self._lock = make_owned(self.root)
                self._new_folders = (self.root, self.root.parent)
            return self._folder

    def _write_owned(self, name: str, text: bytes) -> tuple[int, Path]:
        folder = self._own_folder()
        try:
            return self._write(folder, name, text), folder
        except FileNotFoundError:  # somebody has cleaned up under us
            self._abandon(folder)
            folder = self._own_folder()
            return self._write(folder, name, text), folder

    @staticmethod
    def _write(folder: Path, name: str, text: bytes) -> int:
        """Write a file whole and return it open, or raise OSError and leave nothing."""
        aside, path = folder / f".{name}", folder / name
        opened = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(text)
            while left:
                left = left[os.write(opened, left) :]
            aside.rename(path)
        except BaseException:  # also a task's soft time limit
            os.close(opened)
            with contextlib.suppress(OSError):
                aside.unlink()
            raise
        return opened

    def _move_from(self, folder: Path) -> list[str]:
        moved = []
        with contextlib.suppress(OSError, SpoolError):  # what cannot be moved is found again
            for path in files(folder):
                path.rename(self._own_folder() / path.name)
                moved.append(path.name)
            remove_empty(folder)
        return moved


def _write_text(path: Path, text: str) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(text)


def _word(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
