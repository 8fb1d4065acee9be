"""The store: one writer thread in front of one SQLite file, and any number of readers."""

from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from .tables import Batch, Bounds, Tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The number names the layout of the tables: a file of another layout is left alone, never misread.
FILE: Final = "local-sentry-1.sqlite3"


class StoreBusyError(Exception):
    """Say that the disk does not keep up: nothing was stored."""


class Store:
    """Keep items, task runs and counts in one SQLite file of `directory`.

    `add` returns as soon as the writer thread has been told; every reader waits for what was added before it, so an
    answered request is always visible. WAL with synchronous=NORMAL: a commit costs no fsync, so the disk does not
    bound the rate; a killed process loses what still waited (some milliseconds' worth), a power cut may lose the last
    commits, neither harms the file.
    """

    def __init__(self, directory: Path, bounds: Bounds) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE
        self.version = 0  # grows with every commit, so that readers can tell that nothing changed
        self.failure: str | None = None  # the disk's complaint, while it lasts
        self._bounds = bounds
        self._waiting: list[Batch | None] = []  # None: clear
        self._waiting_bytes = 0
        self._added = self._written = 0
        self._closing = False
        self._changed = threading.Condition()
        self._database = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._tables = Tables(self._database, bounds)
        self._writer = threading.Thread(target=self._write, name="local-sentry-writer", daemon=True)
        self._writer.start()

    def add(self, batch: Batch, timeout: float = 5.0) -> None:
        """Hand a batch to the writer; raise StoreBusyError when it stays behind for `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting_bytes < self._bounds.waiting_bytes, timeout):
                raise StoreBusyError(f"{self._waiting_bytes} bytes still wait for the disk")
            self._enqueue(batch, batch.size)

    def clear(self) -> None:
        """Forget everything that was added before this call."""
        with self._changed:
            self._enqueue(None, 0)
        self.flush()

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything added so far can be read; raise TimeoutError after `timeout` seconds."""
        with self._changed:
            target = self._added
            if not self._changed.wait_for(lambda: self._written >= target, timeout):
                raise TimeoutError(f"{target - self._written} batches are not written after {timeout} s")

    def wait_for_change(self, version: int, timeout: float) -> None:
        """Wait until something is committed after `version`, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout)

    def close(self) -> None:
        """Write what waits, then close the file."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._writer.join()
        self._database.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a reader's connection that sees everything added before; rows are sqlite3.Row."""
        self.flush()
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            yield database

    def _enqueue(self, batch: Batch | None, size: int) -> None:
        self._waiting.append(batch)
        self._waiting_bytes += size
        self._added += 1
        self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                work, self._waiting, self._waiting_bytes = self._waiting, [], 0
            if not work:
                return
            try:
                self._commit(work)
                self.failure = None
            except sqlite3.Error as error:  # a full disk must not end the writer: say so, drop, go on
                self.failure = f"{len(work)} requests were not stored: {error}"
                print(f"local Sentry: {self.failure}", file=sys.stderr, flush=True)  # noqa: T201 - its only log
            with self._changed:
                self._written += len(work)
                self.version += 1
                self._changed.notify_all()

    def _commit(self, work: list[Batch | None]) -> None:
        if None in work:  # what was added before a `clear` need not be written at all
            last_clear = len(work) - 1 - work[::-1].index(None)
            self._transact([], clear=True)
            work = work[last_clear + 1 :]
        self._transact([batch for batch in work if batch is not None], clear=False)

    def _transact(self, batches: list[Batch], *, clear: bool) -> None:
        self._database.execute("BEGIN")
        try:
            if clear:
                self._tables.clear()
            self._tables.write(batches)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._tables.measure()
            raise
