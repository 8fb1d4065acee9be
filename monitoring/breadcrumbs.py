"""The trail: what earlier attempts of a task left behind, carried in the message, bounded.

Each attempt may run in another process on another machine, so the story of a retried task has no other place to live.
A breadcrumb is the SDK's own dictionary; its attempt number stands in `data.attempt`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Crumb = dict[str, Any]

#: What one part of the trail may take, so that one talkative attempt does not push out the story of the others.
MAX_RECORDS: Final = 10
MAX_CRUMBS: Final = 100
MAX_MESSAGE: Final = 240
MAX_DATA: Final = 400
#: The highest count that is told of breadcrumbs that are gone.
MAX_DROPPED: Final = 99_999
#: Larger numbers are not ours, and not everybody's JSON.
_MAX_NUMBER: Final = 2**53
#: The year 5138, in seconds.
_LATEST: Final = 1e11

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
        """Return what is known, as Sentry's `attempts` context shows it; texts are cut to `MAX_MESSAGE` characters."""
        return {
            name: value[:MAX_MESSAGE] if isinstance(value, str) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def of(cls, value: object) -> AttemptRecord:
        """Read a record that came in a message; whatever has the wrong type is left out. Raises ValueError."""
        if not isinstance(value, dict) or not _is_number(value.get("attempt"), int):
            raise ValueError("an attempt's record is a dictionary with its number")
        known: dict[str, Any] = {"attempt": value["attempt"]}
        for name in ("worker", "started_at", "error_class", "message"):
            if isinstance(text := value.get(name), str):
                known[name] = text[:MAX_MESSAGE]
        for name in ("queue_wait_ms", "run_time_ms", "retry_delay_s"):
            if _is_number(value.get(name), int, float):
                known[name] = value[name]
        if _is_number(value.get("pid"), int):
            known["pid"] = value["pid"]
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Trail:
    """Hold the earlier attempts' records and breadcrumbs, and how many breadcrumbs no longer fitted."""

    records: tuple[AttemptRecord, ...] = ()
    crumbs: tuple[Crumb, ...] = ()
    dropped: int = 0

    def followed_by(self, record: AttemptRecord, crumbs: Iterable[Crumb] = (), dropped: int = 0) -> Trail:
        """Return the trail after one more attempt, which left these breadcrumbs and `dropped` that it no longer has."""
        records = (*self.records, record)
        if len(records) > MAX_RECORDS:
            # The first error and the latest ones tell the story; the middle repeats them.
            records = (records[0], *records[-(MAX_RECORDS - 1) :])
        return Trail(records, (*self.crumbs, *crumbs), self.dropped + dropped)

    def known(self) -> dict[str, Any]:
        """Return what Sentry's `attempts` context shows."""
        dropped = {"dropped_breadcrumbs": min(self.dropped, MAX_DROPPED)} if self.dropped else {}
        return {"records": [record.known() for record in self.records], **dropped}

    def packed(self, limit: int) -> dict[str, Any]:
        """Return the trail as JSON values of at most `limit` bytes; the oldest breadcrumbs go, and are counted.

        Of the records the first and the latest stay longest, if need be without their messages.
        """
        records = [record.known() for record in self.records]
        room = limit * 2 // 3
        while len(records) > 2 and _size(records) > room:  # noqa: PLR2004  # the first and the latest
            del records[1]
        for record in records:
            if _size(records) > room:
                record.pop("message", None)
        while records and _size(records) > room:
            records.pop()
        room = limit - _size(records) - len("[]")
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
            values["d"] = min(lost, MAX_DROPPED)
        return values

    @classmethod
    def unpacked(cls, values: Mapping[str, Any]) -> Trail:
        """Read a trail back from a message. Raises ValueError for what is none."""
        records, crumbs, dropped = values.get("a", []), values.get("b", []), values.get("d", 0)
        if not isinstance(records, list) or not isinstance(crumbs, list) or not _is_number(dropped, int):
            raise ValueError("a trail has lists of records and breadcrumbs")
        return cls(
            tuple(AttemptRecord.of(record) for record in records[:MAX_RECORDS]),
            tuple(_unpack(crumb) for crumb in crumbs[-MAX_CRUMBS:]),
            min(int(dropped), MAX_DROPPED),
        )


def numbered(crumbs: Sequence[Crumb], attempt: int) -> list[Crumb]:
    """Return the breadcrumbs, each with an attempt number in its data: its own, or this attempt's."""
    return [{**crumb, "data": _with_attempt(crumb.get("data"), attempt)} for crumb in crumbs]


def _with_attempt(data: object, attempt: int) -> dict[str, Any]:
    known = data if isinstance(data, dict) else {}
    return known if _is_number(known.get("attempt"), int) else {**known, "attempt": attempt}


def _is_number(value: object, *kinds: type) -> TypeGuard[float]:
    # By the exact type: True is an int. What is not a number is not in any range either.
    return type(value) in kinds and 0 <= value <= _MAX_NUMBER  # type: ignore[operator]  # int or float


def _size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), default=str))


def _pack(crumb: Crumb) -> list[Any]:
    """Shorten a breadcrumb to [time, attempt, category, level, message, data]."""
    data = dict(crumb["data"]) if isinstance(crumb.get("data"), dict) else {}
    attempt = data.pop("attempt", None)
    level = crumb.get("level")
    return [
        _moment(crumb.get("timestamp")),
        attempt if _is_number(attempt, int) else None,
        _text(crumb.get("category")),
        level if isinstance(level, str) and level in _LEVELS else "info",
        _text(crumb.get("message")),
        _plain(data) if data else None,
    ]


def _moment(value: object) -> float | None:
    """Return a breadcrumb's time in seconds since the epoch; the application may have given it as a text."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    except (ValueError, OverflowError):
        return None
    # A float, as it will be when it is read back: a breadcrumb that fitted once fits again.
    return round(float(seconds), 3) if _is_moment(seconds) else None


def _text(value: object) -> str:
    try:
        return "" if value is None else str(value)[:MAX_MESSAGE]
    except Exception:  # noqa: BLE001  # the application passed an object as a message
        return f"<{type(value).__name__}>"


def _plain(data: dict[Any, Any]) -> dict[str, Any]:
    """Return data as it will be read back from JSON, whole or not at all: cut, no scrubber's rule would know it."""
    try:
        text = json.dumps(data, separators=(",", ":"), default=str)
        plain: dict[str, Any] = json.loads(text)
    except Exception:  # noqa: BLE001  # the application's objects: circular, keyed by tuples, raising in `__str__`
        return {"cut": "not JSON"}
    return plain if len(text) <= MAX_DATA else {"cut": f"{len(text)} bytes"}


def _unpack(value: object) -> Crumb:
    if not isinstance(value, list) or len(value) != 6:  # noqa: PLR2004  # _pack's
        raise ValueError("a breadcrumb of the trail has six fields")
    moment, attempt, category, level, message, data = value
    return {
        "type": "default",
        **({} if moment is None else {"timestamp": _when(moment)}),
        "category": _text(category),
        "level": level if isinstance(level, str) and level in _LEVELS else "info",
        "message": _text(message),
        "data": {
            **(data if isinstance(data, dict) and _size(data) <= MAX_DATA else {}),
            **({"attempt": attempt} if _is_number(attempt, int) else {}),
        },
    }


def _when(moment: object) -> datetime:
    if not _is_moment(moment):
        raise ValueError("a breadcrumb's time is seconds since the epoch")
    return datetime.fromtimestamp(moment, UTC)


def _is_moment(value: object) -> TypeGuard[float]:
    # Milliseconds, a common mistake, are beyond every date that Python knows.
    return _is_number(value, int, float) and value <= _LATEST
