"""The SQLite tables: their layout, and how facts are merged into them and the oldest pruned. One thread at a time."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .digest import summary
from .runs import DESCRIPTION, RunFact, Tally, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from .envelope import Envelope, Item

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, event_id TEXT, level TEXT, received_at REAL NOT NULL,
    envelope_head TEXT NOT NULL, head TEXT NOT NULL, payload BLOB NOT NULL, summary TEXT);
CREATE INDEX IF NOT EXISTS items_by_type ON items (type, id);
CREATE INDEX IF NOT EXISTS items_by_event ON items (event_id);
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, at REAL NOT NULL,
    task TEXT, bot_id TEXT, exchange TEXT, symbol TEXT, outcome TEXT,
    measured_run REAL, measured_wait REAL, traced_run REAL, traced_wait REAL);
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (at);
CREATE TABLE IF NOT EXISTS tallies (
    kind TEXT, key TEXT, detail TEXT, quantity INTEGER NOT NULL, PRIMARY KEY (kind, key, detail)) WITHOUT ROWID;
"""


def _upsert(prefix: str, merged: str, only: str) -> str:
    """Build the statement that adds a fact to its run: texts by the rule `merged`, a number kept once it is known."""
    sets = [f"{name} = {merged.format(name)}" for name in DESCRIPTION]
    sets += [f"{prefix}_{n} = coalesce({prefix}_{n}, excluded.{prefix}_{n})" for n in ("run", "wait")]
    return (
        f"INSERT INTO runs (key, at, {', '.join(DESCRIPTION)}, {prefix}_run, {prefix}_wait)"  # noqa: S608 - constants
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET {', '.join(sets)} {only}"
    )


# Of two descriptions the metric's stays, whichever came first. A second measured run time under one key is another
# run (its sender gave two runs one span): the statement then changes no row, and the fact is stored without a key.
MEASURED: Final = _upsert(
    "measured",
    "coalesce(excluded.{0}, {0})",
    "WHERE measured_run IS NULL OR excluded.measured_run IS NULL",
)
TRACED: Final = _upsert("traced", "coalesce({0}, excluded.{0})", "")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bound what is kept: items of each type, bytes of all items, task runs, and bytes that wait for the disk."""

    items_per_type: int = 20_000
    bytes: int = 256 * 1024 * 1024
    runs: int = 200_000
    waiting_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold what one request adds: an envelope, what it says about runs, and counts."""

    envelope: Envelope | None = None
    received_at: float = 0.0
    facts: Sequence[RunFact] = ()
    tally: Tally | None = None

    @property
    def size(self) -> int:
        """Estimate the bytes the batch holds in memory."""
        return 500 + sum(len(item.payload) for item in self.envelope.items) if self.envelope else 500


class Tables:
    """Write to one connection. The caller opens the transaction and, when it fails, calls `measure` again."""

    def __init__(self, database: sqlite3.Connection, bounds: Bounds) -> None:
        self._database = database
        self._bounds = bounds
        database.executescript(SCHEMA)
        self.measure()

    def measure(self) -> None:
        """Count what is stored; afterwards the counts are kept without asking."""
        rows = self._database.execute("SELECT type, count(*), sum(length(payload)) FROM items GROUP BY type").fetchall()
        self._rows = Counter({kind: count for kind, count, _ in rows})
        self._bytes = Counter({kind: size for kind, _, size in rows})
        self._runs = self._count_runs()

    def write(self, batches: Sequence[Batch]) -> None:
        """Add the batches in order, then prune."""
        tally: Tally = Counter()
        for batch in batches:
            if batch.envelope is not None:
                for item in batch.envelope.items:
                    self._insert(item, batch.envelope, batch.received_at)
            for fact in batch.facts:
                self._merge(fact)
            tally.update(batch.tally or {})
        self._prune(tally)
        self._database.executemany(
            "INSERT INTO tallies VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET quantity = quantity + excluded.quantity",
            [(*key, quantity) for key, quantity in tally.items()],
        )

    def clear(self) -> None:
        """Forget everything."""
        for table in ("items", "runs", "tallies"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - the three names above
        self.measure()

    def _insert(self, item: Item, envelope: Envelope, received_at: float) -> None:
        content = item.content if isinstance(item.content, dict) else {}
        is_event = item.type == "event"
        self._database.execute(
            "INSERT INTO items (type, event_id, level, received_at, envelope_head, head, payload, summary)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.type,
                text(content.get("event_id")) or text(envelope.headers.get("event_id")),
                text(content.get("level")) or ("error" if is_event else None),  # Sentry's default level
                received_at,
                envelope.head.decode(),
                item.head.decode(),
                item.payload,
                json.dumps(summary(content)) if is_event else None,
            ),
        )
        self._rows[item.type] += 1
        self._bytes[item.type] += len(item.payload)

    def _merge(self, fact: RunFact) -> None:
        statement = MEASURED if fact.measured else TRACED
        values = (fact.at, *(getattr(fact, name) for name in DESCRIPTION), fact.run_time_ms, fact.queue_wait_ms)
        if not self._database.execute(statement, (fact.key, *values)).rowcount:
            self._database.execute(statement, (None, *values))
        self._runs += 1  # an upper bound, as merged facts add no row; `_prune` counts before it deletes

    def _prune(self, tally: Tally) -> None:
        """Delete the oldest beyond the bounds; over the byte bound, from the type that holds the most bytes."""
        for kind, count in list(self._rows.items()):
            if count > self._bounds.items_per_type:
                self._drop(tally, kind, count - self._bounds.items_per_type)
        while (excess := self._bytes.total() - self._bounds.bytes) > 0:
            kind, size = self._bytes.most_common(1)[0]
            self._drop(tally, kind, min(self._rows[kind], excess * self._rows[kind] // size + 1))
        if self._runs > self._bounds.runs:
            self._runs = self._count_runs()
            extra = max(0, self._runs - self._bounds.runs)
            self._database.execute("DELETE FROM runs WHERE id IN (SELECT id FROM runs ORDER BY id LIMIT ?)", (extra,))
            self._runs -= extra
            tally.update({("pruned", "runs", ""): extra} if extra else {})

    def _drop(self, tally: Tally, kind: str, count: int) -> None:
        oldest = self._database.execute(
            "SELECT id, length(payload) FROM items WHERE type = ? ORDER BY id LIMIT ?",
            (kind, count),
        ).fetchall()
        self._database.execute("DELETE FROM items WHERE type = ? AND id <= ?", (kind, oldest[-1][0]))
        self._rows[kind] -= len(oldest)
        self._bytes[kind] -= sum(size for _, size in oldest)
        tally["pruned", kind, ""] += len(oldest)

    def _count_runs(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM runs").fetchone()[0])
