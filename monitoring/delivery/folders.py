"""Where errors wait on disk until Sentry has them: one folder per process, under one per DSN.

    <spool>/<project>-<hash of the DSN>-u<uid>/
        <pid>-<random>/             a process's own; `lock` in it is held (flock) for as long as the process lives
            lock
            <time>.<kind>.<random>.envelope
        refused/                    what Sentry does not want, each with its `.reason`

A file is a plain envelope: `less` shows it and `sentry-cli send-envelope` sends it. It appears whole or not at all
(written aside, then renamed). A process that dies lets go of its lock, whatever killed it; then whoever of the same
user and DSN comes first renames its files into a folder of its own, so that each has one owner at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = "lock"
REFUSED: Final = "refused"
SUFFIX: Final = ".envelope"
REASON: Final = ".reason"
_NEW: Final = ".new-"


def private(root: Path) -> bool:
    """Make a DSN's folder if there is none; say whether it is ours, so that an error's text may be written into it.

    Somebody else may have put it, or a link, there.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = root.lstat()
    if not root.is_dir() or root.is_symlink() or found.st_uid != os.geteuid():
        return False
    if found.st_mode & 0o077:
        root.chmod(0o700)
    return True


def make_owned(root: Path) -> tuple[Path, int]:
    """Make a folder of this process's own; return it with the open lock that says so. Raises OSError."""
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    # Locked before others can see it: a folder without a living owner is anybody's.
    aside, folder = root / f"{_NEW}{token}", root / token
    aside.mkdir(mode=0o700)
    lock = -1
    try:
        lock = os.open(aside / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside.rename(folder)
    except BaseException:  # also a task's soft time limit
        if lock >= 0:
            os.close(lock)
        remove_empty(aside)
        raise
    return folder, lock


def owners(root: Path) -> list[Path]:
    """Return the folders of all processes, dead or alive."""
    try:
        with os.scandir(root) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [root / name for name in sorted(found) if name != REFUSED and not name.startswith(".")]


def files(folder: Path) -> Iterator[Path]:
    """Yield the envelopes in a folder, oldest first."""
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    yield from (path for path in found if path.name.endswith(SUFFIX) and not path.name.startswith("."))


def name_for(kind: str) -> str:
    """Return a new name, by which a file is ordered and its kind is known."""
    return f"{time.time_ns()}.{kind}.{secrets.token_hex(4)}{SUFFIX}"


def kind_of(name: str) -> str:
    """Return which kind of item a file holds, by its name."""
    parts = name.split(".")
    return parts[1] if len(parts) > 2 else "event"  # noqa: PLR2004  # time, kind, random


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock if its owner is dead; say whether."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        remove_empty(folder)  # somebody was killed while removing it; it is empty, or it stays
        yield False
        return
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(lock)


def remove_empty(folder: Path) -> None:
    """Remove a folder without envelopes; one with envelopes stays."""
    if any(files(folder)):
        return
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith("."):
                path.unlink()
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
