"""Task runs to the performance table and the timeline. Pure: an iterable of runs in, plain JSON values out."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DIMENSIONS: Final = ("task", "bot_id", "exchange", "symbol")
PERCENTILES: Final = (50, 95, 99)
WINDOW: Final = 10_000  # the newest runs of a row from which its percentiles are computed
TREND_BUCKETS: Final = 24

# What an outcome means for the three counts of a row. A task that an operator or the platform took back (revoked,
# expired, rejected, ignored) is finished and is no failure of the code; an attempt that will be repeated is not
# finished. An outcome that is not listed is finished and no failure.
RETRIES: Final = frozenset({"retry"})
FAILURES: Final = frozenset(
    {"failure", "time_limit", "worker_lost", "terminated", "unknown_task", "invalid_message", "internal_error"},
)


class Run(NamedTuple):
    """Hold one attempt of a task. `at` is the wall clock of its end; a time that nobody reported is None.

    Without a run time it is no run, but the wait of one that stands elsewhere: outside of a sampled trace nothing joins
    the two metrics of an attempt. Percentiles are of each time by itself, so nothing is lost by it.
    """

    at: float
    task: str | None
    bot_id: str | None
    exchange: str | None
    symbol: str | None
    outcome: str | None
    run_time_ms: float | None
    queue_wait_ms: float | None


@dataclass(slots=True)
class _Cell:
    """Collect the runs of one row, or of one slice of time."""

    count: int = 0
    failures: int = 0
    retries: int = 0
    run_times: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    queue_waits: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, run: Run) -> None:
        if run.queue_wait_ms is not None:
            self.queue_waits.append(run.queue_wait_ms)
        if run.run_time_ms is None:
            return
        self.run_times.append(run.run_time_ms)
        if run.outcome in RETRIES:
            self.retries += 1
        else:
            self.count += 1
            self.failures += run.outcome in FAILURES

    def as_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "failures": self.failures,
            "retries": self.retries,
            "run_time_ms": percentiles(self.run_times),
            "queue_wait_ms": percentiles(self.queue_waits),
        }


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Return the nearest-rank percentile of ascending values: always one that was observed. None for no values."""
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else None


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99, rounded to the microsecond (values are milliseconds)."""
    ordered = sorted(values)
    found = ((percent, percentile(ordered, percent)) for percent in PERCENTILES)
    return {f"p{percent}": None if value is None else round(value, 3) for percent, value in found}


def table(runs: Iterable[Run], by: Sequence[str], span: tuple[float, float]) -> list[dict[str, Any]]:
    """Group runs (oldest first) by the dimensions `by`; the others are None in every row.

    `count` is finished runs, `failures` those of them that failed, `retries` attempts that were repeated; run times
    and queue waits are of all attempts. `trend` is the median run time in equal slices of `span` (wall clock).
    """
    positions = [Run._fields.index(name) for name in by]
    rows: dict[tuple[Any, ...], tuple[_Cell, dict[int, list[float]]]] = {}
    for run in runs:
        key = tuple([run[position] for position in positions])  # a list here is faster than a generator
        row = rows.get(key)
        if row is None:
            row = rows[key] = (_Cell(), {})
        row[0].add(run)
        if run.run_time_ms is not None:
            row[1].setdefault(_slice(run.at, span, TREND_BUCKETS), []).append(run.run_time_ms)
    return [
        {name: dict(zip(by, key, strict=True)).get(name) for name in DIMENSIONS}
        | cell.as_json()
        | {"trend": [_median(trend.get(index)) for index in range(TREND_BUCKETS)]}
        for key, (cell, trend) in rows.items()
    ]


def timeline(runs: Iterable[Run], span: tuple[float, float], slices: int) -> list[dict[str, Any]]:
    """Cut `span` (wall clock, seconds) into equal slices, each with the counts and percentiles of a row."""
    cells = [_Cell() for _ in range(slices)]
    for run in runs:
        cells[_slice(run.at, span, slices)].add(run)
    width = (span[1] - span[0]) / slices
    return [{"at": round(span[0] + index * width, 3), **cell.as_json()} for index, cell in enumerate(cells)]


def totals(runs: Iterable[Run]) -> dict[str, Any]:
    """Return the counts and percentiles of all runs together."""
    cell = _Cell()
    for run in runs:
        cell.add(run)
    return cell.as_json()


def sort_rows(rows: list[dict[str, Any]], column: str, *, descending: bool) -> list[dict[str, Any]]:
    """Sort by a column, where `run_time_ms.p95` names an inner one; rows without a value come last."""
    outer, _, inner = column.partition(".")

    def value(row: Mapping[str, Any]) -> Any:
        return row[outer][inner] if inner else row[outer]

    known = sorted((row for row in rows if value(row) is not None), key=value, reverse=descending)
    return known + [row for row in rows if value(row) is None]


COLUMNS: Final = frozenset(
    {*DIMENSIONS, "count", "failures", "retries"}
    | {f"{time}.p{percent}" for time in ("run_time_ms", "queue_wait_ms") for percent in PERCENTILES},
)


def _slice(at: float, span: tuple[float, float], slices: int) -> int:
    start, end = span
    return min(slices - 1, max(0, int((at - start) / (end - start) * slices)))


def _median(values: list[float] | None) -> float | None:
    return None if not values else round(percentile(sorted(values), 50) or 0.0, 3)
