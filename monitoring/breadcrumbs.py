"""The trail: what earlier attempts of a task left behind, carried in the message, bounded.

Each attempt may run in another process on another machine, so the story of a retried task has no other place to live.
A breadcrumb is the SDK's own dictionary; its attempt number stands in `data.attempt`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Crumb = dict[str, Any]

#: What one part of the trail may take, so that one talkative attempt does not push out the story of the others.
MAX_RECORDS: Final = 10
MAX_CRUMBS: Final = 100
MAX_MESSAGE: Final = 240
MAX_DATA: Final = 400

_LEVELS: Final = frozenset({"debug", "info", "warning", "error", "critical", "fatal"})


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """Tell one attempt: where and when it ran (wall clock, ISO 8601), how long it waited and ran, and how it ended."""

    attempt: int
    worker: str | None = None
    pid: int | None = None
    started_at: str | None = None
    queue_wait_ms: float | None = None
    run_time_ms: float | None = None
    error_class: str | None = None
    message: str | None = None
    retry_delay_s: float | None = None

    def known(self) -> dict[str, Any]:
        """Return what is known, as Sentry's `attempts` context shows it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, value: object) -> AttemptRecord:
        """Read a record that came in a message; whatever has the wrong type is left out. Raises ValueError."""
        if not isinstance(value, dict) or not isinstance(value.get("attempt"), int):
            raise ValueError("an attempt's record is a dictionary with its number")  # noqa: TRY004  # bad value in a message
        kinds: Mapping[str, tuple[type, ...]] = {
            "worker": (str,), "pid": (int,), "started_at": (str,), "queue_wait_ms": (int, float),
            "run_time_ms": (int, float), "error_class": (str,), "message": (str,), "retry_delay_s": (int, float),
        }  # fmt: skip
        known: dict[str, Any] = {
            name: value[name] for name, types in kinds.items() if isinstance(value.get(name), types)
        }
        for name in ("worker", "started_at", "error_class", "message"):
            if name in known:
                known[name] = known[name][:MAX_MESSAGE]
        return cls(attempt=value["attempt"], **known)


@dataclass(frozen=True, slots=True)
class Trail:
    """Hold the earlier attempts' records and breadcrumbs, and how many breadcrumbs no longer fitted."""

    records: tuple[AttemptRecord, ...] = ()
    crumbs: tuple[Crumb, ...] = ()
    dropped: int = 0

    def followed_by(self, record: AttemptRecord, crumbs: Iterable[Crumb]) -> Trail:
        """Return the trail after one more attempt; `crumbs` are all it knew, the earlier attempts' included."""
        records = (*self.records, record)
        if len(records) > MAX_RECORDS:
            # The first error and the latest ones tell the story; the middle repeats them.
            records = (records[0], *records[-(MAX_RECORDS - 1) :])
        return replace(self, records=records, crumbs=tuple(crumbs))

    def packed(self, limit: int) -> dict[str, Any]:
        """Return the trail as JSON values of at most `limit` bytes; the oldest breadcrumbs go, and are counted."""
        records = [record.known() for record in self.records]
        while records and _size(records) > limit * 2 // 3:
            del records[1 if len(records) > 1 else 0]
        room = limit - _size(records)
        kept: list[list[Any]] = []
        for crumb in reversed(self.crumbs):
            packed = _pack(crumb)
            room -= _size(packed) + 1
            if room < 0 or len(kept) == MAX_CRUMBS:
                break
            kept.append(packed)
        kept.reverse()
        values: dict[str, Any] = {"a": records, "b": kept}
        if lost := self.dropped + len(self.crumbs) - len(kept):
            values["d"] = lost
        return values

    @classmethod
    def unpacked(cls, values: Mapping[str, Any]) -> Trail:
        """Read a trail back from a message. Raises ValueError for what is none."""
        records, crumbs, dropped = values.get("a", []), values.get("b", []), values.get("d", 0)
        if not isinstance(records, list) or not isinstance(crumbs, list) or not isinstance(dropped, int):
            raise ValueError("a trail has lists of records and breadcrumbs")  # noqa: TRY004  # bad value in a message
        return cls(
            tuple(AttemptRecord.of(record) for record in records[:MAX_RECORDS]),
            tuple(_unpack(crumb) for crumb in crumbs[-MAX_CRUMBS:]),
            dropped,
        )


def numbered(crumbs: Sequence[Crumb], attempt: int) -> list[Crumb]:
    """Return the breadcrumbs, each with an attempt number in its data: its own, or this attempt's."""
    return [
        crumb
        if isinstance(crumb.get("data"), dict) and "attempt" in crumb["data"]
        else {**crumb, "data": {**(crumb["data"] if isinstance(crumb.get("data"), dict) else {}), "attempt": attempt}}
        for crumb in crumbs
    ]


def _size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), default=str))


def _pack(crumb: Crumb) -> list[Any]:
    """Shorten a breadcrumb to [time, attempt, category, level, message, data]."""
    moment = crumb.get("timestamp")
    data = dict(crumb["data"]) if isinstance(crumb.get("data"), dict) else {}
    attempt = data.pop("attempt", None)
    # What is cut must stay what it was for the scrubber's rules, so data goes whole or not at all.
    fits = len(text := json.dumps(data, separators=(",", ":"), default=str)) <= MAX_DATA
    return [
        round(moment.timestamp(), 3) if isinstance(moment, datetime) else None,
        attempt,
        str(crumb.get("category") or "")[:MAX_MESSAGE],
        str(crumb.get("level") or "info"),
        str(crumb.get("message") or "")[:MAX_MESSAGE],
        (json.loads(text) if fits else {"cut": f"{len(text)} bytes"}) if data else None,
    ]


def _unpack(value: object) -> Crumb:
    if not isinstance(value, list) or len(value) != 6 or not isinstance(value[0], int | float):  # noqa: PLR2004  # _pack's
        raise ValueError("a breadcrumb of the trail has a time and five fields")
    moment, attempt, category, level, message, data = value
    try:
        when = datetime.fromtimestamp(moment, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("a breadcrumb's time is seconds since the epoch") from error
    return {
        "type": "default",
        "timestamp": when,
        "category": str(category)[:MAX_MESSAGE],
        "level": level if level in _LEVELS else "info",
        "message": str(message)[:MAX_MESSAGE],
        "data": {
            **(data if isinstance(data, dict) and _size(data) <= MAX_DATA else {}),
            **({"attempt": attempt} if isinstance(attempt, int) else {}),
        },
    }
