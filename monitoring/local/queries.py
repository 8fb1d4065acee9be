"""What can be asked of a store. Every function sees all that was answered before it was called."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING, Any, Final

from .envelope import JSON_TYPES
from .performance import DIMENSIONS, Run, sort_rows, table, timeline, totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .store import Store

# A metric wins over a trace. What only a `queue.process` span has told is the beginning of a run that is still to come.
RUN_TIME: Final = "coalesce(measured_run, traced_run)"
TOLD: Final = f"({RUN_TIME} IS NOT NULL OR measured_wait IS NOT NULL)"
RUN_COLUMNS: Final = f"at, task, bot_id, exchange, symbol, outcome, {RUN_TIME}, coalesce(measured_wait, traced_wait)"


@dataclass(frozen=True, slots=True)
class Selection:
    """Choose runs: those of the last `since` seconds (None for all) whose dimensions have these values."""

    since: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """Hold one received item. `payload` is parsed JSON, or bytes for an opaque type; `received_at` is wall clock."""

    type: str
    payload: Any
    headers: Mapping[str, Any]
    envelope_headers: Mapping[str, Any]
    received_at: float

    @property
    def entries(self) -> list[Any]:
        """List the logs, metrics or spans inside a container; any other item is its own only entry."""
        inner = self.payload.get("items") if isinstance(self.payload, dict) else None
        return inner if isinstance(inner, list) else [self.payload]


def runs(store: Store, selection: Selection, now: float) -> list[Run]:
    """Read the selected runs, oldest first."""
    clauses, values = [TOLD], []
    if selection.since is not None:
        clauses.append("at >= ?")
        values.append(now - selection.since)
    for name in DIMENSIONS:
        if name in selection.where:
            clauses.append(f"{name} IS ?")
            values.append(selection.where[name] or None)  # type: ignore[arg-type]  # an empty text asks for "not set"
    with store.reading() as database:
        database.row_factory = None
        query = f"SELECT {RUN_COLUMNS} FROM runs WHERE {' AND '.join(clauses)} ORDER BY at"  # noqa: S608 - constants
        return list(starmap(Run, database.execute(query, values)))


def span_of(found: Sequence[Run], now: float) -> tuple[float, float]:
    """Return the wall-clock interval to plot: from the first of these runs to now, at least a minute."""
    return min([run.at for run in found[:1]] + [now - 60]), max([run.at for run in found[-1:]] + [now])


def statistics(  # noqa: PLR0913 - the parameters of the query
    store: Store,
    selection: Selection,
    now: float,
    *,
    by: Sequence[str] = DIMENSIONS,
    sort: str = "count",
    descending: bool = True,
) -> dict[str, Any]:
    """Answer /stats.json: the performance table of the selection, and what was received, refused, lost and pruned."""
    found = runs(store, selection, now)
    rows = table(found, by, span_of(found, now))
    return {"rows": sort_rows(rows, sort, descending=descending), **tallies(store), "storage_error": store.failure}


def timelines(store: Store, selection: Selection, now: float, slices: int) -> dict[str, Any]:
    """Answer /timeline.json: the selection over time, and the values each dimension takes (for a filter's choices)."""
    found = runs(store, selection, now)
    values = {name: {run[Run._fields.index(name)] for run in found} for name in DIMENSIONS}
    start, end = span_of(found, now)
    return {
        "from": round(start, 3),
        "to": round(end, 3),
        "total": totals(found),
        "slices": timeline(found, (start, end), slices),
        "dimensions": {name: sorted(value for value in some if value is not None) for name, some in values.items()},
    }


def tallies(store: Store) -> dict[str, Any]:
    """Count since the last clear: received and pruned by type, rejected by reason, suppressed by rule, and `lost`.

    `lost` is {reason: {category: quantity}} from client reports, which also hold what a sender left out by choice
    (reason `sample_rate`); a loss counted by our own metric has the metric's name for category.
    """
    counts: dict[str, Any] = {"lost": {}, "suppressed": {}, "received": {}, "rejected": {}, "pruned": {}}
    with store.reading() as database:
        for kind, key, detail, quantity in database.execute("SELECT kind, key, detail, quantity FROM tallies"):
            if kind == "lost":
                counts["lost"].setdefault(key, {})[detail] = quantity
            else:
                counts[kind][key] = quantity
    return counts


def failures(store: Store, limit: int, levels: Sequence[str] = ("error", "fatal")) -> list[dict[str, Any]]:
    """Answer /failures.json: the latest events of these levels in a line each, newest first."""
    marks = ", ".join("?" * len(levels))
    query = (
        "SELECT id, event_id, level, received_at, summary FROM items"  # noqa: S608 - only question marks are added
        f" WHERE type = 'event' AND level IN ({marks}) ORDER BY id DESC LIMIT ?"
    )
    with store.reading() as database:
        found = database.execute(query, (*levels, limit)).fetchall()
    return [
        {"id": row["id"], "event_id": row["event_id"], "level": row["level"], "received_at": row["received_at"]}
        | json.loads(row["summary"])
        for row in found
    ]


def latest(store: Store, limit: int, **where: str | int | None) -> Iterator[dict[str, Any]]:
    """Yield the newest items, newest first, whose columns (type, level, event_id, id) have the given values.

    Payload and headers come as the text they were sent as, to be written into a JSON answer unchanged.
    """
    given = {name: value for name, value in where.items() if value is not None}
    condition = " AND ".join(["1", *(f"{name} = ?" for name in given)])
    query = f"SELECT * FROM items WHERE {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608 - names come from code
    with store.reading() as database:
        yield from (dict(row) for row in database.execute(query, (*given.values(), limit)))


def stored_items(store: Store, kind: str | None = None) -> list[StoredItem]:
    """Return all items of a type (None for all types), oldest first, parsed."""
    found = list(latest(store, -1, type=kind))
    return [
        StoredItem(
            type=row["type"],
            payload=json.loads(row["payload"]) if row["type"] in JSON_TYPES else row["payload"],
            headers=json.loads(row["head"]),
            envelope_headers=json.loads(row["envelope_head"]),
            received_at=row["received_at"],
        )
        for row in reversed(found)
    ]
